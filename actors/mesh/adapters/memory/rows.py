"""The ports of sagas, effects, timers, dead letters and tells in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from actors.mesh._ports import DeadLetter, EffectRow, SagaRow, SagaStatus, TellRow, TimerRow
from actors.mesh.adapters.memory.truth import MemoryTruth

UNFINISHED: tuple[SagaStatus, ...] = ("running", "undoing")


class MemorySagas:
    """Where sagas live."""

    def __init__(self, truth: MemoryTruth, domain: str) -> None:
        self._rows = truth.domain(domain).sagas

    async def load(self, saga: str, key: str) -> SagaRow | None:
        """Return the row, None where there is none."""
        return self._rows.get((saga, key))

    async def save(self, row: SagaRow) -> bool:
        """Write the row as revision + 1 if it still is at its revision."""
        known = self._rows.get((row.saga, row.key))
        if (known.revision if known else 0) != row.revision:
            return False
        self._rows[row.saga, row.key] = row._replace(revision=row.revision + 1)
        return True

    async def due(self, saga: str, now_ms: int, limit: int) -> Sequence[SagaRow]:
        """Return unfinished rows whose time has come, oldest first."""
        rows = [
            row
            for row in self._rows.values()
            if row.saga == saga and row.status in UNFINISHED and 0 < row.next_at_ms <= now_ms
        ]
        return sorted(rows, key=lambda row: (row.next_at_ms, row.key))[:limit]

    async def unfinished(self, saga: str) -> Mapping[SagaStatus, int]:
        """Return how many that have started are running and undoing."""
        rows = (row for row in self._rows.values() if row.saga == saga and row.status in UNFINISHED)
        return Counter(row.status for row in rows if row.next_at_ms > 0)


class MemoryEffects:
    """What was begun outside."""

    def __init__(self, truth: MemoryTruth, domain: str) -> None:
        self._rows = truth.domain(domain).effects
        self._finished = truth.domain(domain).effects_finished

    async def begin(self, row: EffectRow) -> bool:
        """Write the row; return whether it was new."""
        if (row.event_id, row.performer) in self._rows:
            return False
        self._rows[row.event_id, row.performer] = row
        return True

    async def lease(self, performer: str, now_ms: int, until_ms: int, limit: int) -> Sequence[EffectRow]:
        """Return unfinished rows whose time has come, put off until then."""
        due = sorted((row for row in self._open(performer) if row.next_at_ms <= now_ms), key=lambda row: row.next_at_ms)
        leased = [row._replace(attempts=row.attempts + 1, next_at_ms=until_ms) for row in due[:limit]]
        self._rows.update(((row.event_id, row.performer), row) for row in leased)
        return sorted(leased)

    async def put_off(self, row: EffectRow, next_at_ms: int) -> None:
        """Let it be leased again at that time, unless it is finished or another attempt has begun since."""
        at = (row.event_id, row.performer)
        known = self._rows.get(at)
        if known is not None and known.attempts == row.attempts and at not in self._finished:
            self._rows[at] = known._replace(next_at_ms=next_at_ms)

    async def finish(self, event_id: str, performer: str) -> None:
        """Remember that it is done; the event itself is forgotten."""
        if (row := self._rows.get((event_id, performer))) is not None:
            self._rows[event_id, performer] = row._replace(event=b"")
            self._finished.add((event_id, performer))

    async def count(self, performer: str) -> int:
        """Return how many are unfinished."""
        return len(self._open(performer))

    def _open(self, performer: str) -> list[EffectRow]:
        return [row for at, row in self._rows.items() if row.performer == performer and at not in self._finished]


class MemoryTimers:
    """Commands to send when their time comes."""

    def __init__(self, truth: MemoryTruth, domain: str) -> None:
        self._rows = truth.domain(domain).timers
        self._next_at_ms = truth.domain(domain).timers_next_at_ms

    async def lease(self, now_ms: int, until_ms: int, limit: int) -> Sequence[TimerRow]:
        """Return timers whose time has come, put off until then."""
        due = sorted((at_ms, timer_id) for timer_id, at_ms in self._next_at_ms.items() if at_ms <= now_ms)
        leased = []
        for _, timer_id in due[:limit]:
            self._rows[timer_id] = self._rows[timer_id]._replace(attempts=self._rows[timer_id].attempts + 1)
            self._next_at_ms[timer_id] = until_ms
            leased.append(self._rows[timer_id])
        return sorted(leased, key=lambda row: (row.due_at_ms, row.timer_id))

    async def finish(self, timer_id: str) -> None:
        """Forget a timer."""
        self._rows.pop(timer_id, None)
        self._next_at_ms.pop(timer_id, None)


class MemoryDeadLetters:
    """Where messages wait for a person."""

    def __init__(self, truth: MemoryTruth, domain: str) -> None:
        self._rows = truth.domain(domain).dead_letters

    async def park(self, letter: DeadLetter) -> None:
        """Keep it; the same letter id again changes nothing."""
        self._rows.setdefault(letter.letter_id, letter)

    async def list(self, after_id: str, limit: int) -> Sequence[DeadLetter]:
        """Return letters in order of their ids."""
        return [self._rows[letter_id] for letter_id in sorted(self._rows) if letter_id > after_id][:limit]

    async def count(self) -> int:
        """Return how many wait."""
        return len(self._rows)

    async def get(self, letter_id: str) -> DeadLetter | None:
        """Return one letter, None where there is none."""
        return self._rows.get(letter_id)

    async def remove(self, letter_id: str) -> bool:
        """Forget a letter; return whether it was there."""
        return self._rows.pop(letter_id, None) is not None


class MemoryTells:
    """How tells ended."""

    def __init__(self, truth: MemoryTruth, domain: str) -> None:
        self._rows = truth.domain(domain).tells

    async def keep(self, row: TellRow) -> None:
        """Keep it in the place of an earlier one."""
        self._rows[row.command_id, row.principal] = row

    async def get(self, command_id: str, principal: str) -> TellRow | None:
        """Return one row, None where there is none."""
        return self._rows.get((command_id, principal))

    async def latest(self, command_id: str) -> TellRow | None:
        """Return the latest of anybody's."""
        found = [row for row in self._rows.values() if row.command_id == command_id]
        return max(found, key=lambda row: row.at_ms, default=None)

    async def forget(self, before_ms: int, limit: int) -> int:
        """Delete rows older than that."""
        old = [at for at, row in self._rows.items() if row.at_ms < before_ms][:limit]
        for at in old:
            del self._rows[at]
        return len(old)
