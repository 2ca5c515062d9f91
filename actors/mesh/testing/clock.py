"""A clock that stands still until a test moves it."""

from __future__ import annotations

import asyncio
import heapq
from itertools import count
from typing import Any

START_MS = 1_767_225_600_000
"""2026-01-01T00:00:00Z: a test's clock starts here, so that snapshots hold."""

TURNS_MAX = 100_000
"""Turns of the event loop within which all work must come to rest: more is a task that spins."""

DRIVER = "fake-clock"
"""The name of the task that moves an automatic clock."""

TURNS_BLIND = 200
"""Turns given to an event loop that does not tell what it has ready (uvloop)."""


SETTLING: set[asyncio.Task[Any]] = set()
"""Tasks that wait for the others' rest: two clocks on one loop (a mesh that was left, and the next) are no work for
each other.
"""


def is_settling(handle: asyncio.Handle) -> bool:
    """Return whether what is ready is one that waits for rest itself."""
    task = getattr(getattr(handle, "_callback", None), "__self__", None)
    return isinstance(task, asyncio.Task) and task in SETTLING


class FakeClock:
    """Implements `Clock`. `sleep` waits until the test advances that far.

    With `auto`, time jumps to the next sleeper whenever nothing else can run. That is for tests wholly in memory:
    work that waits for a thread or a socket looks idle, and time would jump over it.
    """

    def __init__(self, start_ms: int = START_MS, *, auto: bool = False) -> None:
        self._now_ns = start_ms * 1_000_000
        self._auto = auto
        self._order = count()
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._driver: asyncio.Task[None] | None = None

    def now_ms(self) -> int:
        """Return Unix time in milliseconds."""
        return self._now_ns // 1_000_000

    def now_ns(self) -> int:
        """Return Unix time in nanoseconds."""
        return self._now_ns

    @property
    def sleeping(self) -> int:
        """How many wait for this clock."""
        return sum(1 for _, _, future in self._sleepers if not future.done())

    async def sleep(self, seconds: float) -> None:
        """Return when the clock has come that far."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now_ns + round(seconds * 1_000_000_000), next(self._order), future))
        if self._auto and (self._driver is None or self._driver.done()):
            self._driver = asyncio.create_task(self._drive(), name=DRIVER)
        try:
            await future
        finally:
            self._forget_cancelled()

    async def advance(self, seconds: float) -> None:
        """Move on by that much: wake who is due, in order, and let all work come to rest in between."""
        if self._auto:  # the driver moves it: two that wait for everybody else's rest would wait for each other
            await self.sleep(seconds)
            return
        target = self._now_ns + round(seconds * 1_000_000_000)
        await self.settle()
        while self._wake_next(until=target):
            await self.settle()
        self._now_ns = max(self._now_ns, target)

    async def settle(self) -> None:
        """Let every task run until nothing can go on without time, a thread or a socket."""
        ready = getattr(asyncio.get_running_loop(), "_ready", None)  # no public way to ask whether a loop is idle
        own = asyncio.current_task()
        assert own is not None, "settled by a task"
        SETTLING.add(own)
        try:
            for turn in range(TURNS_MAX):
                await asyncio.sleep(0)
                if turn >= TURNS_BLIND if ready is None else all(is_settling(handle) for handle in ready):
                    return
        finally:
            SETTLING.discard(own)
        raise AssertionError(f"still busy after {TURNS_MAX} turns: a task spins without waiting for anything")

    async def _drive(self) -> None:
        await self.settle()
        while self._wake_next(until=None):
            await self.settle()

    def _wake_next(self, *, until: int | None) -> bool:
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)
        if not self._sleepers or (until is not None and self._sleepers[0][0] > until):
            return False
        due, _, future = heapq.heappop(self._sleepers)
        self._now_ns = max(self._now_ns, due)
        future.set_result(None)
        return True

    def _forget_cancelled(self) -> None:
        if len(self._sleepers) > 64 and self.sleeping * 2 < len(self._sleepers):
            self._sleepers = [sleeper for sleeper in self._sleepers if not sleeper[2].done()]
            heapq.heapify(self._sleepers)
