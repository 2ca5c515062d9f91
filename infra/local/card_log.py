"""The card simulator's log of truth: one row an operation in SQLite, committed before anybody is answered."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import msgspec

from actors.payments.provider import Operation

_COLUMNS = "key, kind, payment_id, refund_id, amount_minor, currency, outcome, decline_code"
_TABLE = """
CREATE TABLE IF NOT EXISTS operations (
    number INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    payment_id TEXT NOT NULL,
    refund_id TEXT NOT NULL,
    amount_minor INTEGER,
    currency TEXT,
    outcome TEXT NOT NULL,
    decline_code TEXT NOT NULL,
    document BLOB NOT NULL
) STRICT
"""


class LogRow(msgspec.Struct, frozen=True, kw_only=True):
    """An operation as checkers read it; a void has no amount."""

    key: str
    kind: str
    payment_id: str
    refund_id: str
    amount_minor: int | None
    currency: str | None
    outcome: str
    decline_code: str


class CardLog:
    """The rows of one file."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(path, isolation_level=None)
        # With a write-ahead log, what is committed outlives the process; only a power cut could take the last rows.
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = NORMAL")
        self._database.execute(_TABLE)

    def close(self) -> None:
        self._database.close()

    def keep(self, operation: Operation) -> None:
        """Write one row; it is there for good when this returns."""
        instruction, answer = operation.instruction, operation.answer
        self._database.execute(
            f"INSERT INTO operations ({_COLUMNS}, document) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608  own names
            (
                operation.key,
                instruction.kind,
                instruction.payment_id,
                instruction.refund_id,
                instruction.amount.amount_minor if instruction.amount else None,
                instruction.amount.currency if instruction.amount else None,
                "approved" if answer.approved else "declined",
                answer.decline_code,
                msgspec.json.encode(operation),
            ),
        )

    def operations(self) -> list[Operation]:
        """Return every operation, in order."""
        rows = self._database.execute("SELECT document FROM operations ORDER BY number")
        return [msgspec.json.decode(document, type=Operation) for (document,) in rows]

    def rows(self) -> list[LogRow]:
        """Return every row as checkers read it, in order."""
        rows = self._database.execute(f"SELECT {_COLUMNS} FROM operations ORDER BY number")  # noqa: S608  own names
        names = _COLUMNS.split(", ")
        return [LogRow(**dict(zip(names, row, strict=True))) for row in rows]
