"""Giving up what takes too long: one timer for all that ends together, for one each costs as much as its message."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

PER_SECOND = 100
"""How finely time is told: nobody is given up early, nor more than a hundredth of a second late."""


class Deadlines:
    """Calls `expired` with what was not removed in time."""

    def __init__(self, expired: Callable[[int], None]) -> None:
        self._expired = expired
        self._due: dict[int, set[int]] = {}

    def add(self, number: int, timeout_seconds: float) -> int:
        """Begin to wait; return what `remove` wants to know."""
        loop = asyncio.get_running_loop()
        moment = int((loop.time() + timeout_seconds) * PER_SECOND) + 1
        due = self._due.get(moment)
        if due is None:
            due = self._due[moment] = set()
            loop.call_at(moment / PER_SECOND, self._end, moment)
        due.add(number)
        return moment

    def remove(self, number: int, moment: int) -> None:
        """Wait no longer."""
        due = self._due.get(moment)
        if due is not None:
            due.discard(number)

    def _end(self, moment: int) -> None:
        for number in self._due.pop(moment):
            self._expired(number)
