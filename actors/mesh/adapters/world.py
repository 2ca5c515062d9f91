"""The real clock, and ids from the operating system's randomness."""

from __future__ import annotations

import asyncio
import os
import time
import uuid

RANDOM_BITS = 74
"""What a UUIDv7 leaves beside its 48 bits of time, its version and its variant."""

STEP_BITS = 32
"""Ids of one millisecond are this much apart at most: in order, and still not to be guessed one from another."""

FRACTION_BITS = 53
"""As many as a float holds exactly."""


class SystemClock:
    """The clock of the machine."""

    def now_ms(self) -> int:
        """Return Unix time in milliseconds."""
        return time.time_ns() // 1_000_000

    def now_ns(self) -> int:
        """Return Unix time in nanoseconds."""
        return time.time_ns()

    async def sleep(self, seconds: float) -> None:
        """Return after that many seconds."""
        await asyncio.sleep(seconds)


class SystemIds:
    """UUIDv7, each greater than the one before it, also within a millisecond and when the clock is set back."""

    def __init__(self) -> None:
        self._last = 0

    def new(self) -> str:
        """Return a fresh id."""
        now_ms = time.time_ns() // 1_000_000
        # The highest random bit stays clear, so that steps within one millisecond have room to grow.
        fresh = (now_ms << RANDOM_BITS) | _random(RANDOM_BITS - 1)
        if fresh >> RANDOM_BITS <= self._last >> RANDOM_BITS:
            fresh = self._last + 1 + _random(STEP_BITS)
        self._last = fresh
        time_ms, rest = fresh >> RANDOM_BITS, fresh & ((1 << RANDOM_BITS) - 1)
        high, low = rest >> 62, rest & ((1 << 62) - 1)
        return str(uuid.UUID(int=(time_ms << 80) | (7 << 76) | (high << 64) | (2 << 62) | low))

    def jitter(self) -> float:
        """Return a number from 0 up to 1."""
        return _random(FRACTION_BITS) / (1 << FRACTION_BITS)


def _random(bits: int) -> int:
    octets = (bits + 7) // 8
    return int.from_bytes(os.urandom(octets)) >> (octets * 8 - bits)
