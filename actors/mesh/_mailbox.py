"""Mailboxes: the commands of one key run one after another, commands of several keys when they hold them all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from actors.mesh._errors import Overloaded

WAITING_MAX = 256
"""Commands that may wait for one key; at a millisecond each the last would still be within its deadline."""


class Mailboxes:
    """One first-in-first-out queue a key, there only while somebody waits or works."""

    def __init__(self) -> None:
        self._locks: dict[str, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def hold(self, keys: Iterable[str]) -> AsyncIterator[None]:
        """Hold all keys; taken in sorted order, so that two holders never wait for each other."""
        ordered = sorted(set(keys))
        for key in ordered:
            if self._locks.get(key, (None, 0))[1] >= WAITING_MAX:
                raise Overloaded(f"{WAITING_MAX} commands wait for {key}", retry_after_seconds=1)
        for key in ordered:
            lock, users = self._locks.get(key) or (asyncio.Lock(), 0)
            self._locks[key] = (lock, users + 1)
        held: list[asyncio.Lock] = []
        try:
            for key in ordered:
                lock = self._locks[key][0]
                await lock.acquire()
                held.append(lock)
            yield
        finally:
            for lock in held:
                lock.release()
            for key in ordered:
                lock, users = self._locks[key]
                if users == 1:
                    del self._locks[key]
                else:
                    self._locks[key] = (lock, users - 1)

    def __len__(self) -> int:
        return len(self._locks)
