"""Time, ids and chance."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """The only source of time."""

    def now_ms(self) -> int:
        """Return Unix time in milliseconds."""
        ...

    def now_ns(self) -> int:
        """Return Unix time in nanoseconds, for spans."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after that many seconds of this clock."""
        ...


class Ids(Protocol):
    """The only source of randomness."""

    def new(self) -> str:
        """Return a fresh id (UUIDv7, so that neighbours in time are neighbours in an index)."""
        ...

    def jitter(self) -> float:
        """Return a number from 0 up to 1, for back-off."""
        ...
