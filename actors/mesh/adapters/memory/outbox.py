"""The Outbox port in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from actors.mesh._ports import BrokerMark, Clock, Unpublished
from actors.mesh.adapters.memory.truth import MemoryTruth, WaitingRow

MILLISECONDS = 1000


class MemoryOutbox:
    """One store's view of its domain's outbox; of several over one truth, the first to take is the sweeper."""

    def __init__(self, truth: MemoryTruth, domain: str, clock: Clock) -> None:
        self._tables = truth.domain(domain)
        self._clock = clock

    async def take(self, *, older_than_seconds: float, limit: int) -> Sequence[Unpublished]:
        """Return the oldest rows, if this store is the elected sweeper."""
        tables = self._tables
        if tables.sweeper is None:
            tables.sweeper = self
        if tables.sweeper is not self:
            return ()
        before_ms = self._clock.now_ms() - older_than_seconds * MILLISECONDS
        rows = sorted(
            (row.at_ms, row.turn, key, first)
            for (key, first), row in tables.unpublished.items()
            if row.at_ms <= before_ms
        )
        return [self._unpublished(key, first) for _, _, key, first in rows[:limit]]

    def _unpublished(self, key: str, first: int) -> Unpublished:
        count = self._tables.unpublished[key, first].events
        return Unpublished(key, first, tuple(self._tables.events[key][first - 1 : first - 1 + count]))

    async def clear(self, published: Sequence[tuple[str, int]], mark: BrokerMark | None) -> None:
        """Forget rows that are acknowledged."""
        for row in published:
            self._tables.unpublished.pop(row, None)
        if mark is not None:
            known = self._tables.broker
            if known is None or known.born != mark.born or known.last_sequence < mark.last_sequence:
                self._tables.broker = mark

    async def waiting(self, keys: Sequence[str]) -> frozenset[str]:
        """Return which of the keys still have rows."""
        return frozenset(key for key, _ in self._tables.unpublished) & frozenset(keys)

    async def count(self) -> int:
        """Return how many rows wait."""
        return len(self._tables.unpublished)

    async def mark(self) -> BrokerMark | None:
        """Return what the broker had acknowledged."""
        return self._tables.broker

    async def put_back(self, stored: AsyncIterator[tuple[str, int]], mark: BrokerMark) -> int:
        """Put back every commit whose events are not among the stored ones."""
        last = {key: len(events) for key, events in self._tables.events.items()}  # later ones go their usual way
        known = {row async for row in stored}
        turns = {command_id: turn for turn, command_id in enumerate(self._tables.commands, 1)}
        count = 0
        for key, version in last.items():
            commits: dict[str, list[int]] = {}
            for event in self._tables.events[key][:version]:
                commits.setdefault(event.command_id, []).append(event.version)
            for command_id, versions in commits.items():
                if (key, versions[0]) not in self._tables.unpublished and any((key, v) not in known for v in versions):
                    at_ms = self._tables.events[key][versions[0] - 1].at_ms
                    self._tables.unpublished[key, versions[0]] = WaitingRow(at_ms, turns[command_id], len(versions))
                    count += 1
        self._tables.broker = mark
        return count

    def resign(self) -> None:
        """Let another store be the sweeper."""
        if self._tables.sweeper is self:
            self._tables.sweeper = None
