"""Waiting for something to happen to an entity: the first of some events of one key."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from schemas.message import Event


class Settled(NamedTuple):
    """An event that somebody waited for, and the version it left its key at."""

    event: Event
    version: int


class Awaiting:
    """Somebody waiting for one of some events of one key."""

    def __init__(self) -> None:
        self.future: asyncio.Future[Settled] = asyncio.get_running_loop().create_future()

    async def result(self, timeout_seconds: float) -> Settled | None:
        """Return the first of the events, `None` where none came in time."""
        done, _ = await asyncio.wait((self.future,), timeout=timeout_seconds)
        return self.future.result() if done else None
