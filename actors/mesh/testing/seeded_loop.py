"""An event loop without sockets whose time is virtual, and whose next task is drawn from a seed."""

from __future__ import annotations

import asyncio
import heapq
import uuid
from random import Random
from typing import Any

from actors.mesh.testing.clock import START_MS

NANOSECONDS = 1_000_000_000
TURNS_MAX = 2_000_000
"""Turns of one schedule: a hundred times what one takes. More is a task that spins."""


class Stuck(RuntimeError):
    """Nothing can run and nobody sleeps: what is waited for never comes."""


class SeededLoop(asyncio.BaseEventLoop):
    """Runs whatever is ready in an order drawn from the seed (`shuffled`), or as it came; jumps to the next timer.

    It knows no thread, socket or machine's clock, so that one seed is one schedule, turn by turn.
    """

    _ready: Any  # asyncio's own queues, which its type stubs do not tell of
    _scheduled: Any
    _stopping: bool

    def __init__(self, seed: int, *, shuffled: bool = True) -> None:
        super().__init__()
        self._draw = Random(f"turns {seed}").random  # noqa: S311 - a simulation is repeated by its seed
        self._shuffled = shuffled
        self._now = 0.0
        self.now_ns = 0
        self.turns = 0

    def time(self) -> float:
        """Return virtual seconds since the loop was made."""
        return self._now

    def _run_once(self) -> None:
        ready = self._ready
        if not ready:
            self._jump()
        count = len(ready)
        if count > 1 and self._shuffled:
            index = int(self._draw() * count)
            handle = ready[index]
            del ready[index]
        else:
            handle = ready.popleft()
        self.turns += 1
        if self.turns > TURNS_MAX:
            raise Stuck(f"still busy after {TURNS_MAX} turns: a task spins")
        if not handle._cancelled:
            handle._run()

    def _jump(self) -> None:
        """Let time pass until the next timer is due."""
        timers = self._scheduled
        while timers and timers[0]._cancelled:
            heapq.heappop(timers)._scheduled = False
        if not timers:
            raise Stuck("nothing is ready and nobody sleeps")
        self._now = max(self._now, timers[0]._when)
        self.now_ns = round(self._now * NANOSECONDS)
        while timers and timers[0]._when <= self._now:
            handle = heapq.heappop(timers)
            handle._scheduled = False
            self._ready.append(handle)

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Cancelled timers are passed over when their time comes."""

    def _write_to_self(self) -> None:
        """There is no selector to wake: no other thread takes part."""


class LoopClock:
    """Implements `Clock` by a loop's virtual time."""

    def __init__(self, loop: SeededLoop, start_ms: int = START_MS) -> None:
        self._loop, self._start_ns = loop, start_ms * 1_000_000

    def now_ms(self) -> int:
        """Return Unix time in milliseconds."""
        return (self._start_ns + self._loop.now_ns) // 1_000_000

    def now_ns(self) -> int:
        """Return Unix time in nanoseconds."""
        return self._start_ns + self._loop.now_ns

    async def sleep(self, seconds: float) -> None:
        """Return when the loop has come that far."""
        await asyncio.sleep(max(0.0, seconds))


class SeededIds:
    """Implements `Ids`: the same ids and the same chance for the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = Random(f"ids {seed}")  # noqa: S311 - a simulation is repeated by its seed
        self._count = 0

    def new(self) -> str:
        """Return a fresh id, greater than the one before."""
        self._count += 1
        low = (2 << 62) | self._random.getrandbits(62)
        return str(uuid.UUID(int=(START_MS + self._count) << 80 | 7 << 76 | low))

    def jitter(self) -> float:
        """Return a number from 0 up to 1."""
        return self._random.random()
