"""What the local mailbox took: mails, text and push messages in SQLite, committed before the sender is answered."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec

KEPT_MAX = 10_000
"""Mails, and other messages, that are kept; the oldest go."""
MessageKind = Literal["sms", "push"]

_TABLES = """
CREATE TABLE IF NOT EXISTS mails (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    message_id TEXT NOT NULL,
    address TEXT NOT NULL,
    times INTEGER NOT NULL,
    document BLOB NOT NULL,
    UNIQUE (message_id, address)
) STRICT;
CREATE INDEX IF NOT EXISTS mails_address ON mails (address, number);
CREATE TABLE IF NOT EXISTS messages (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    address TEXT NOT NULL,
    times INTEGER NOT NULL,
    document BLOB NOT NULL,
    UNIQUE (kind, key)
) STRICT;
"""
_FIND_MAILS = """SELECT number, times, document FROM mails
WHERE (?1 = '' OR address = ?1) AND (?2 = '' OR message_id = ?2) ORDER BY number DESC LIMIT ?3"""
_FIND_MESSAGES = """SELECT key, times, document FROM messages
WHERE kind = ?1 AND (?2 = '' OR address = ?2) ORDER BY number DESC LIMIT ?3"""


class Mail(msgspec.Struct, frozen=True, kw_only=True):
    """A mail as it came; `text` and `html` are its two bodies, decoded."""

    message_id: str
    sender: str
    to: str
    subject: str
    text: str
    html: str
    headers: dict[str, str]
    received_at_ms: int


class KeptMail(msgspec.Struct, frozen=True, kw_only=True):
    """A mail as it is kept; `times` says how often it came under the same message id."""

    id: int
    times: int
    mail: Mail


class KeptMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A text or push message, and how often it came under the same key."""

    key: str
    times: int
    message: Mapping[str, object]


class MailboxLog:
    """The rows of one file."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(path, isolation_level=None)
        path.chmod(0o600)  # codes to confirm an address with are in it
        # With a write-ahead log, what is committed outlives the process; only a power cut could take the last rows.
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = NORMAL")
        self._database.executescript(_TABLES)

    def close(self) -> None:
        self._database.close()

    def keep_mail(self, mail: Mail) -> int:
        """Keep a mail, or count one that is there already; return its number."""
        (row,) = self._database.execute(
            "INSERT INTO mails (message_id, address, times, document) VALUES (?, ?, 1, ?)"
            " ON CONFLICT DO UPDATE SET times = times + 1 RETURNING number",
            (mail.message_id, mail.to, msgspec.json.encode(mail)),
        ).fetchall()
        self._database.execute("DELETE FROM mails WHERE number <= ?", (row[0] - KEPT_MAX,))
        return int(row[0])

    def mails(self, *, to: str = "", message_id: str = "", limit: int = 100) -> list[KeptMail]:
        """Return mails, newest first."""
        rows = self._database.execute(_FIND_MAILS, (to, message_id, limit))
        return [kept_mail(*row) for row in rows]

    def mail(self, number: int) -> KeptMail | None:
        rows = self._database.execute("SELECT number, times, document FROM mails WHERE number = ?", (number,))
        return next((kept_mail(*row) for row in rows), None)

    def keep_message(self, kind: MessageKind, key: str, address: str, message: Mapping[str, object]) -> None:
        """Keep a message, or count one that is there already."""
        (row,) = self._database.execute(
            "INSERT INTO messages (kind, key, address, times, document) VALUES (?, ?, ?, 1, ?)"
            " ON CONFLICT DO UPDATE SET times = times + 1 RETURNING number",
            (kind, key, address, msgspec.json.encode(message)),
        ).fetchall()
        self._database.execute("DELETE FROM messages WHERE number <= ?", (row[0] - KEPT_MAX,))

    def messages(self, kind: MessageKind, *, to: str = "", limit: int = 100) -> list[KeptMessage]:
        """Return messages of a kind, newest first."""
        rows = self._database.execute(_FIND_MESSAGES, (kind, to, limit))
        return [KeptMessage(key=key, times=times, message=msgspec.json.decode(kept)) for key, times, kept in rows]

    def has_message(self, kind: MessageKind, key: str) -> bool:
        rows = self._database.execute("SELECT 1 FROM messages WHERE kind = ? AND key = ?", (kind, key))
        return rows.fetchone() is not None


def kept_mail(number: int, times: int, document: bytes) -> KeptMail:
    return KeptMail(id=number, times=times, mail=msgspec.json.decode(document, type=Mail))
