"""Starting, recognising and ending processes, each in a group of its own."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from infra.local.failures import StartFailed
from infra.local.parts import Part

_LOOK_SECONDS = 0.01
_KILL_SECONDS = 5.0
_LOG_TAIL_BYTES = 8192


class Identity(msgspec.Struct, frozen=True):
    """A process as it can be recognised later: its number alone may by then belong to another."""

    pid: int
    started: str


def identify(pid: int) -> Identity | None:
    """The process of that number with the time it was started, or None if there is none."""
    try:
        if sys.platform == "linux":
            # The name may hold spaces and brackets; the fields that count come after the last bracket.
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            return None if fields[0] in "ZX" else Identity(pid, fields[19])
        shown = subprocess.run(
            ["/bin/ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False, timeout=5
        )
    except (OSError, IndexError):
        return None
    return Identity(pid, shown.stdout.strip()) if shown.stdout.strip() else None


def alive(identity: Identity) -> bool:
    """Whether that very process still runs."""
    return identify(identity.pid) == identity


def spawn(part: Part, log: Path) -> "subprocess.Popen[bytes]":
    """Start a part; whatever it prints goes to its log, and a signal to our group does not reach it."""
    # Looked up here because the tool in front would only say so in the log.
    if shutil.which(part.argv[0]) is None:
        raise StartFailed(part.name, f"{part.argv[0]} does not exist or cannot be run", part.remedy)
    with log.open("ab") as output:
        try:
            return subprocess.Popen(
                [*_dies_with_us(part.stop_signal), *part.argv],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(part.environment),
                cwd=part.working_folder,
                start_new_session=True,
                user=part.account.user_id if part.account else None,
                group=part.account.group_id if part.account else None,
                extra_groups=[] if part.account else None,
            )
        except OSError as error:
            raise StartFailed(part.name, f"{part.argv[0]} cannot be run ({error.strerror})", part.remedy) from error


def _dies_with_us(number: signal.Signals) -> tuple[str, ...]:
    # Where util-linux is there, the kernel itself tells a child that we are gone, even by kill -9. It means the thread
    # that started the child, so a thread that may end before the process must not ask for it.
    if sys.platform != "linux" or threading.current_thread() is not threading.main_thread():
        return ()
    tool = shutil.which("setpriv", path="/usr/bin:/bin")
    return (tool, "--pdeathsig", number.name.removeprefix("SIG"), "--") if tool else ()


def signal_group(group: int, number: signal.Signals) -> None:
    """Send a signal to a whole group; a group that is gone needs none."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return


async def until(condition: Callable[[], bool], seconds: float) -> bool:
    """Look until the condition holds or the time is over; says which."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= end:
            return False
        await asyncio.sleep(_LOOK_SECONDS)
    return True


async def end(process: "subprocess.Popen[bytes]", first: signal.Signals, grace_seconds: float) -> bool:
    """Ask a process to end, then make it; its whole group is gone afterwards. Says whether asking was enough."""
    if process.poll() is None:
        signal_group_leader(process, first)
    asked = await until(lambda: process.poll() is not None, grace_seconds)
    signal_group(process.pid, signal.SIGKILL)
    await until(lambda: process.poll() is not None, _KILL_SECONDS)
    return asked


def signal_group_leader(process: "subprocess.Popen[bytes]", number: signal.Signals) -> None:
    """Send a signal to the process itself, which tells its children in its own way."""
    try:
        process.send_signal(number)
    except ProcessLookupError:
        return


async def end_stranger(identity: Identity, grace_seconds: float = 10.0) -> None:
    """End a process of an earlier run, which is not our child any more, and its group."""
    # SIGINT: PostgreSQL waits for its clients on SIGTERM; the others end on either.
    try:
        os.kill(identity.pid, signal.SIGINT)
    except (ProcessLookupError, PermissionError):
        return
    if not await until(lambda: not alive(identity), 2.0):
        signal_group(identity.pid, signal.SIGTERM)
    await until(lambda: not alive(identity), grace_seconds)
    signal_group(identity.pid, signal.SIGKILL)
    await until(lambda: not alive(identity), _KILL_SECONDS)


def last_line(log: Path) -> str:
    """The last line with text in it that a part has printed: most often why it ended."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _LOG_TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
