"""Wrapped data keys in memory, for tests and the in-memory mesh."""

from __future__ import annotations

from collections.abc import Collection, Mapping


class MemoryDataKeys:
    """A dictionary that keeps a tombstone for a destroyed key."""

    def __init__(self) -> None:
        self._wrapped: dict[str, bytes | None] = {}

    async def get(self, person_ids: Collection[str]) -> Mapping[str, bytes | None]:
        """Return the wrapped keys that were ever made; None: destroyed."""
        return {person: self._wrapped[person] for person in person_ids if person in self._wrapped}

    async def make(self, person_id: str, wrapped: bytes) -> bytes | None:
        """Keep a person's first key; return the one that stands."""
        return self._wrapped.setdefault(person_id, wrapped)

    async def destroy(self, person_id: str) -> None:
        """Destroy a key for ever."""
        self._wrapped[person_id] = None
