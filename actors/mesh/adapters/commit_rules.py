"""What every journal refuses to write, whatever it is made of: looked at before a commit meets its neighbours."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

import msgspec

from actors.mesh._ports import Commit, Part

VERSION_MAX = 2**63 - 1  # bigint
CLAIMS = "claims"  # the inline table of unique values: rows {scope, value, key}, with "free" to give one back
TIMERS = "timers"  # the inline table of commands to send later

Claim = tuple[str, str]


def fault_of(commit: Commit) -> str:
    """Return why this commit can never be written, empty where nothing is wrong with it."""
    try:
        if str(UUID(commit.command_id)) != commit.command_id:
            return "the command id is not a canonical lower-case UUID"
        _check_texts((commit.message, commit.principal))
        _check_parts(commit.parts)
        _check_inlines(commit)
    except (ValueError, TypeError) as error:  # UnicodeEncodeError is a ValueError
        return str(error)
    return ""


def _check_parts(parts: Iterable[Part]) -> None:
    keys: set[str] = set()
    for part in parts:
        if part.key in keys:
            raise ValueError("a key occurs in two parts of one commit")
        keys.add(part.key)
        if not 0 <= part.expected <= VERSION_MAX - len(part.events):
            raise ValueError("a version is out of range")
        _check_texts((part.key,))
        for event in part.events:
            _check_texts((event.name, event.headers))


def _check_texts(texts: Iterable[str]) -> None:
    for text in texts:
        if "\0" in text:
            raise ValueError("a text holds a NUL, which PostgreSQL cannot store")
        if not text.isascii():
            text.encode()  # a lone surrogate cannot be written


def _check_inlines(commit: Commit) -> None:
    if commit.inlines:
        for table in commit.inlines:
            if not table.isidentifier():
                raise ValueError("an inline table has no proper name")
        if rb"\u0000" in msgspec.json.encode(commit.inlines).replace(rb"\\", b""):
            raise ValueError("an inline row holds a NUL, which PostgreSQL cannot store")
        for row in commit.inlines.get(CLAIMS, ()):
            if not all(isinstance(row.get(column), str) for column in ("scope", "value", "key")):
                raise ValueError("a claim needs the texts scope, value and key")


def wanted_claims(commit: Commit) -> dict[Claim, str]:
    """Return the unique values the commit takes, with their holder to be."""
    return {
        (str(row["scope"]), str(row["value"])): str(row["key"])
        for row in commit.inlines.get(CLAIMS, ())
        if row.get("free") is not True
    }


def freed_claims(commit: Commit) -> dict[Claim, str]:
    """Return the unique values the commit gives back, with their holder so far."""
    return {
        (str(row["scope"]), str(row["value"])): str(row["key"])
        for row in commit.inlines.get(CLAIMS, ())
        if row.get("free") is True
    }
