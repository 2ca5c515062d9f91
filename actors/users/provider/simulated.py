"""Passwords for tests and simulations: real hashes of the least cost, without threads, and counted."""

from __future__ import annotations

from actors.users.provider.passwords import Cost, Hasher

LEAST = Cost(memory_kib=8, passes=1, lanes=1)


class CountedPasswords:
    """Implements `Passwords` on the spot; `done` lists each hash and comparison."""

    def __init__(self, cost: Cost = LEAST) -> None:
        self._hasher = Hasher(cost)
        self.done: list[str] = []

    async def hash(self, password: str) -> str:
        self.done.append("hash")
        return self._hasher.hash(password)

    async def fits(self, password_hash: str, password: str) -> bool:
        self.done.append("fits")
        return self._hasher.fits(password_hash, password)

    def outgrown(self, password_hash: str) -> bool:
        return self._hasher.outgrown(password_hash)
