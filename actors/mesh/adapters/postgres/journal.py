"""The Journal port on PostgreSQL: group commit over an insert-only log, reads that share statements, turns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager

from actors.mesh._ports import Answer, Commit, Confirmation, History, Rejected, Snapshot, StoredEvent
from actors.mesh.adapters.commit_rules import fault_of
from actors.mesh.adapters.postgres.connect import Sessions
from actors.mesh.adapters.postgres.flusher import Flusher
from actors.mesh.adapters.postgres.reads import Reads
from actors.mesh.adapters.postgres.turns import Turns

KEEP_SNAPSHOT = """INSERT INTO snapshots AS s (key, code, version, state) VALUES ($1, $2, $3, $4)
ON CONFLICT (key, code) DO UPDATE SET version = excluded.version, state = excluded.state
WHERE s.version < excluded.version"""


class PostgresJournal:
    """One domain's journal."""

    def __init__(self, dsn: str, domain: str, sessions: Sessions, appended: Callable[[Sequence[Commit]], None]) -> None:
        self._sessions = sessions
        self._reads = Reads(sessions)
        self._turns = Turns(dsn, domain)
        self._flusher = Flusher(dsn, domain, appended)

    async def open(self) -> None:
        """Get ready; the database may still be away."""
        await self._turns.open()

    async def close(self) -> None:
        """Stop; whoever still waits is told."""
        await self._flusher.close()
        await self._reads.close()
        await self._turns.close()

    async def append(self, commit: Commit, *, in_turn: bool = False) -> Answer:
        """Write one commit; calls that arrive together share a statement."""
        if reason := fault_of(commit):
            return Rejected(reason)
        return await self._flusher.append(commit, in_turn)

    def turn(self, keys: Sequence[str], *, timeout_seconds: float) -> AbstractAsyncContextManager[None]:
        """Hold the keys alone among all processes, from load to append."""
        return self._turns.turn(keys, timeout_seconds)

    async def load(self, keys: Sequence[str], *, code: str = "") -> Mapping[str, History]:
        """Read whole keys; `code` names the fold whose snapshots may be used, empty for none."""
        return await self._reads.load(keys, code)

    async def keep_snapshot(self, key: str, code: str, snapshot: Snapshot) -> None:
        """Remember a folded state unless a later one is there."""
        await self._sessions.repeat(KEEP_SNAPSHOT, key, code, snapshot.version, snapshot.state)

    async def confirm(self, command_id: str, keys: Sequence[str]) -> Confirmation:
        """Read, in one trip, whether a command was accepted and where its keys are now."""
        return await self._reads.confirm(command_id, keys)

    async def events(self, key: str, after_version: int, limit: int) -> Sequence[StoredEvent]:
        """Read some events of one key, in order."""
        return await self._reads.events(key, after_version, limit)

    async def inline_rows(self, table: str, where: Mapping[str, object], limit: int) -> Sequence[Mapping[str, object]]:
        """Read rows of an inline table, equal in all given columns."""
        return await self._reads.inline_rows(table, where, limit)
