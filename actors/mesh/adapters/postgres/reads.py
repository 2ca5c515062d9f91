"""What the journal is asked: whole keys, confirmations, pages of events, inline rows."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import msgspec

from actors.mesh._ports import Confirmation, History, Snapshot, StoredEvent
from actors.mesh.adapters.postgres.connect import Row, Sessions
from actors.mesh.adapters.postgres.judge import INSPECT, look_of
from actors.mesh.adapters.postgres.sharing import Sharing

Whole = tuple[Sequence[str], str]  # keys, and the fold whose snapshots may be used
Doubt = tuple[str, Sequence[str]]  # a command, and keys

IDENTIFIER = re.compile(r"[a-z][a-z0-9_]{0,62}")

EVENT_COLUMNS = """e.key, e.version, e.name, e.body, e.headers, e.command_id::text AS command_id,
    floor(extract(epoch FROM e.at) * 1000)::bigint AS at_ms, e.private"""

# A snapshot of a future that the journal has lost does not count. The state comes once, with the first row.
LOAD = f"""
SELECT k.number, s.version AS snapshot_version,
    CASE WHEN e.version IS NULL OR e.version = s.version + 1 THEN s.state END AS state, {EVENT_COLUMNS}
FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS k (key, code, number)
LEFT JOIN snapshots s ON s.key = k.key AND s.code = k.code
    AND (SELECT x.version FROM events x WHERE x.key = k.key AND x.version = s.version) IS NOT NULL
LEFT JOIN events e ON e.key = k.key AND e.version > coalesce(s.version, 0)
ORDER BY k.number, e.version"""  # noqa: S608 - constants only

EVENTS = f"SELECT {EVENT_COLUMNS} FROM events e WHERE key = $1 AND version > $2 ORDER BY version LIMIT $3"  # noqa: S608 - constants only

INLINE_TABLE = "SELECT to_regprocedure('inline_' || $1::text || '(jsonb)') IS NOT NULL AS known"


class Reads:
    """The journal's reads; loads and confirmations share their statements."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._loads: Sharing[Whole, Mapping[str, History]] = Sharing(self._load_all)
        self._confirmations: Sharing[Doubt, Confirmation] = Sharing(self._confirm_all)
        self._inline_tables: set[str] = set()

    async def close(self) -> None:
        """Read nothing more."""
        await self._loads.close()
        await self._confirmations.close()

    async def load(self, keys: Sequence[str], code: str) -> Mapping[str, History]:
        """Return whole keys."""
        return await self._loads.ask((keys, code))

    async def _load_all(self, questions: Sequence[Whole]) -> Sequence[Mapping[str, History]]:
        wanted = list(dict.fromkeys((key, code) for keys, code in questions for key in keys))
        rows = await self._sessions.repeat(LOAD, [key for key, _ in wanted], [code or None for _, code in wanted])
        found: list[list[Row]] = [[] for _ in wanted]
        for row in rows:
            found[row["number"] - 1].append(row)
        histories = {pair: history_of(rows) for pair, rows in zip(wanted, found, strict=True)}
        return [{key: histories[key, code] for key in keys} for keys, code in questions]

    async def confirm(self, command_id: str, keys: Sequence[str]) -> Confirmation:
        """Return whether a command was accepted and where its keys are now."""
        return await self._confirmations.ask((command_id, keys))

    async def _confirm_all(self, questions: Sequence[Doubt]) -> Sequence[Confirmation]:
        commands = list({command_id for command_id, _ in questions})
        keys = list({key for _, keys in questions for key in keys})
        look = look_of(await self._sessions.repeat(INSPECT, commands, keys, [], []))
        return [
            Confirmation(look.remembered.get(command_id), {key: look.versions[key] for key in keys})
            for command_id, keys in questions
        ]

    async def events(self, key: str, after_version: int, limit: int) -> Sequence[StoredEvent]:
        """Return some events of one key, in order."""
        return tuple([event_of(row) for row in await self._sessions.repeat(EVENTS, key, after_version, limit)])

    async def inline_rows(self, table: str, where: Mapping[str, object], limit: int) -> Sequence[Mapping[str, object]]:
        """Return rows of an inline table, equal in all given columns, as JSON has them (bytes as hexadecimal)."""
        await self._check_inline_table(table)
        for column in where:
            if not IDENTIFIER.fullmatch(column):
                raise ValueError(f"{column!r} cannot name a column")
        # The values come as one JSON object and take the types of the table's columns, so its indexes serve.
        equal = "".join(f' AND t."{column}" = w."{column}"' for column in where)
        statement = f"""SELECT to_jsonb(t)::text AS document
            FROM "{table}" t, jsonb_populate_record(NULL::"{table}", $1::text::jsonb) w WHERE true{equal} LIMIT $2"""  # noqa: S608 - checked
        rows = await self._sessions.repeat(statement, msgspec.json.encode(where).decode(), limit)
        return [msgspec.json.decode(row["document"], type=dict[str, object]) for row in rows]

    async def _check_inline_table(self, table: str) -> None:
        if table in self._inline_tables:
            return
        if not IDENTIFIER.fullmatch(table) or not (await self._sessions.repeat(INLINE_TABLE, table))[0]["known"]:
            raise ValueError(f"there is no inline table {table}")
        self._inline_tables.add(table)


def event_of(row: Row) -> StoredEvent:
    """Return a row of `events` as the value of the port."""
    return StoredEvent(
        row["key"],
        row["version"],
        row["name"],
        row["body"],
        row["headers"],
        row["command_id"],
        row["at_ms"],
        row["private"],
    )


def history_of(rows: Sequence[Row]) -> History:
    """Return one key's rows of LOAD: at least one, with its event empty where there is none after the snapshot."""
    first = rows[0]
    version = first["snapshot_version"] or 0
    snapshot = Snapshot(version, first["state"]) if version else None
    events = tuple(event_of(row) for row in rows if row["version"] is not None)
    return History(events[-1].version if events else version, snapshot, events)
