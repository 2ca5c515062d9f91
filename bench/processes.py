"""Processes of a run: started, steered, watched on the kernel's own CPU clock, ended."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

PROJECT = Path(__file__).resolve().parents[1]
END_SECONDS = 8.0
CPU_CLOCK_OF_PROCESS = 2
"""Of a process id, Linux makes a clock: all threads, user and system, exact (`clock_getcpuclockid`)."""


class Ended(Exception):
    """A process of the run is not there any more, or never came up."""


class Child:
    """One process that this run has started."""

    def __init__(self, argv: Sequence[str], environment: Mapping[str, str], log: Path, folder: Path = PROJECT) -> None:
        self._log = log
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                argv, env={**os.environ, **environment}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
                cwd=folder, start_new_session=True,
            )  # fmt: skip
        self.pid = self._process.pid

    def read(self) -> dict[str, Any]:
        """Return the next line it says."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise Ended(last_words(self._log))
        return msgspec.json.decode(line, type=dict[str, Any])

    def tell(self, order: object) -> None:
        """Write one line to it."""
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(order) + b"\n")
        self._process.stdin.flush()

    def ask(self, order: object) -> dict[str, Any]:
        """Write one line and return the one that answers it."""
        self.tell(order)
        return self.read()

    def until_ready(self) -> Self:
        """Wait for its first line; raise `Ended` where that says no."""
        first = self.read()
        if not first.get("ready"):
            raise Ended(str(first.get("why", first)))
        return self

    def end(self) -> None:
        """End it and what it has started."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self._process.poll() is not None:
                return
            try:
                os.killpg(self.pid, number)
                self._process.wait(END_SECONDS)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue


class Children:
    """All processes of one bench; they end with it, the last first."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._started: list[Child] = []

    def start(self, argv: Sequence[str], environment: Mapping[str, str], folder: Path = PROJECT) -> Child:
        """Start one."""
        child = Child(argv, environment, self._folder / f"child-{len(self._started)}.log", folder)
        self._started.append(child)
        return child

    def peer(self, module: str, *words: str, **environment: str) -> Child:
        """Start one of `bench.peers`."""
        return self.start([sys.executable, "-m", f"bench.peers.{module}", *words], environment)

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for child in reversed(self._started):
            child.end()


def cpu_seconds(pids: Iterable[int]) -> float | None:
    """Return what processes have used so far; None where this system does not tell."""
    if not sys.platform.startswith("linux"):
        return None
    used = 0.0
    for pid in pids:
        try:
            used += time.clock_gettime((~pid << 3) | CPU_CLOCK_OF_PROCESS)
        except OSError:  # ended meanwhile
            continue
    return used


def tree(pid: int) -> list[int]:
    """Return a process and all that come from it: PostgreSQL serves each connection from one of its own."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        children.setdefault(parent, []).append(int(stat.parent.name))
    found = [pid]
    for each in found:
        found += children.get(each, ())
    return found


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def last_words(log: Path) -> str:
    """Return the last line a process wrote about its end."""
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else "it ended without a word"
