"""The life of one process: started, probed until it serves, brought back when it dies, ended."""

import asyncio
import signal
import subprocess
import time
from pathlib import Path

from infra.local.failures import NotReady, StartFailed
from infra.local.ledger import Ledger
from infra.local.parts import Part, PartState, Status, Watch
from infra.local.processes import end, last_line, signal_group, spawn, until

_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 5.0
_STEADY_SECONDS = 10.0  # who has lived this long is forgiven earlier deaths
_NEVER_SECONDS = float("inf")
_PROBE_PAUSE_SECONDS = 0.02


class Keeper:
    """Keeps one part; nothing in it belongs to an event loop, so a test may start and stop in different ones."""

    def __init__(self, part: Part, folder: Path, ledger: Ledger, watch: Watch) -> None:
        self.part = part
        self._log = folder / "logs" / f"{part.name}.log"
        self._ledger = ledger
        self._watch = watch
        self._process: subprocess.Popen[bytes] | None = None
        self._wanted = False
        # A restart that is asked for and one after a death must not both start the process.
        self._changing = asyncio.Lock()

    @property
    def pid(self) -> int | None:
        """The number of the live process."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    async def start(self) -> None:
        """Start and wait until it serves, or has run to its end if that is what it is for."""
        self._tell("starting")
        self._wanted = True
        began = time.monotonic()
        try:
            self._spawn()
            await self._wait_until_ready()
        except StartFailed as failure:
            self._wanted = False
            self._tell("failed", time.monotonic() - began, failure.cause)
            await self._end()
            raise
        self._tell("ready", time.monotonic() - began)

    async def stop(self) -> None:
        """End it with grace; a part that never ran is fine."""
        self._wanted = False
        async with self._changing:  # a restart after a death that is under way would outlive this, unknown to anybody
            self._wanted = False
            if self._process is not None and await self._end():
                self._tell("stopped")

    async def restart(self) -> None:
        """End it with grace and start it again at the same address."""
        async with self._changing:
            self._wanted = False
            self._tell("restarting")
            await self._end()
            await self.start()

    def kill(self, number: signal.Signals) -> None:
        """Send a signal to the process and all it has started, as a crash would."""
        if (pid := self.pid) is not None:
            signal_group(pid, number)

    async def keep(self) -> None:
        """Bring it back whenever it dies, with longer pauses the sooner it does so again."""
        pause = _FIRST_PAUSE_SECONDS
        while True:
            began = time.monotonic()
            await until(self._has_died, _NEVER_SECONDS)
            pause = _FIRST_PAUSE_SECONDS if time.monotonic() - began > _STEADY_SECONDS else pause
            if self._process is not None:
                self._tell("restarting", cause=self._why_it_died())
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
            async with self._changing:
                if self._has_died():
                    await self._try_again()

    def _has_died(self) -> bool:
        return self._wanted and self.part.probe is not None and self.pid is None

    async def _try_again(self) -> None:
        await self._end()
        try:
            await self.start()
        except StartFailed:
            # Told to the watcher already; the next attempt comes after a longer pause.
            self._wanted = True

    def _spawn(self) -> None:
        self._process = spawn(self.part, self._log)
        self._ledger.add(self.part.name, self._process.pid)

    async def _end(self) -> bool:
        process, self._process = self._process, None
        if process is None:
            return False
        await end(process, self.part.stop_signal, self.part.grace_seconds)
        self._ledger.remove(self.part.name)
        return True

    async def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + self.part.ready_seconds
        if self.part.probe is None:
            await self._wait_until_done()
            return
        answer = "no answer"
        while time.monotonic() < deadline:
            try:
                await self.part.probe()
            except NotReady as error:
                answer = str(error)
            else:
                if self.pid is not None:
                    return
            if self.pid is None:
                raise StartFailed(self.part.name, self._why_it_died(), self.part.remedy)
            await asyncio.sleep(_PROBE_PAUSE_SECONDS)
        cause = f"it was not ready in {self.part.ready_seconds:g} s ({answer})"
        raise StartFailed(self.part.name, cause, self.part.remedy)

    async def _wait_until_done(self) -> None:
        process = self._process
        assert process is not None
        if not await until(lambda: process.poll() is not None, self.part.ready_seconds):
            raise StartFailed(self.part.name, f"it had not ended after {self.part.ready_seconds:g} s", self.part.remedy)
        if process.returncode != 0:
            raise StartFailed(self.part.name, self._why_it_died(), self.part.remedy)
        await self._end()

    def _why_it_died(self) -> str:
        code = self._process.returncode if self._process is not None else None
        if code is not None and code < 0:
            # Whoever is killed has no last word: its log ends with something else.
            return f"signal {-code} ended it"
        line = last_line(self._log)
        return f"it ended with {code}, saying: {line}" if line else f"it ended with {code}"

    def _tell(self, status: Status, seconds: float = 0.0, cause: str = "") -> None:
        self._watch(PartState(self.part.name, status, seconds, cause))
