"""Replies of many, gathered within bounds that are the clock's."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from actors.mesh._ports.bus import BusReply
from actors.mesh._ports.world import Clock


class MemoryGathering:
    """Takes replies until there are enough, or none has come for a while."""

    def __init__(self, clock: Clock, stall_seconds: float, replies_max: int) -> None:
        self.replies: list[BusReply] = []
        self._clock = clock
        self._stall_seconds = stall_seconds
        self._replies_max = replies_max
        self._news = asyncio.Event()

    async def take(self, body: bytes, headers: Mapping[str, str]) -> None:
        """Take a reply, if there is room."""
        if len(self.replies) < self._replies_max:
            self.replies.append(BusReply(dict(headers), body))
        self._news.set()

    async def over(self, timeout_seconds: float) -> None:
        """Return when no more is waited for."""
        end_ms = self._clock.now_ms() + timeout_seconds * 1000
        while len(self.replies) < self._replies_max:
            left_seconds = (end_ms - self._clock.now_ms()) / 1000
            self._news.clear()
            if not await self._told_within(min(left_seconds, self._stall_seconds) if self.replies else left_seconds):
                return

    async def _told_within(self, seconds: float) -> bool:
        told, late = asyncio.create_task(self._news.wait()), asyncio.create_task(self._clock.sleep(seconds))
        try:
            await asyncio.wait((told, late), return_when=asyncio.FIRST_COMPLETED)
        finally:
            told.cancel()
            late.cancel()
        return self._news.is_set()
