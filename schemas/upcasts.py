"""Older versions of an event, lifted to the newest one when they are read. What is stored never changes.

A module of the contract says how its events have changed, oldest change first:

    UPCASTS: Upcasts = {OrderPlaced: (with_defaults, delivery_named)}

The event is at version 3 then. `docs/changing-a-contract.md` shows each kind of change.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from typing import Any

import msgspec

from schemas.message import Event, subject_of

Fields = dict[str, Any]
Lift = Callable[[Fields], Fields]
"""From the decoded JSON of one version to that of the next. Pure; may change what it is given, which is its own.

A personal text in it is sealed: it may be moved, copied or dropped, and says nothing to whoever looks into it.
"""
Upcasts = Mapping[type[Event], tuple[Lift, ...]]

TABLE = "UPCASTS"
"""What a module of the contract calls its table."""
SCHEMA = re.compile(r"(?P<version>[1-9][0-9]{0,5})(; since=(?P<since>[1-9][0-9]{0,5}))?")
LIFTINGS_MAX = 1024
"""Headers come from the wire: what is remembered about them is bounded."""
FIRST = 1
"""The version of an event that names none: it was written before events named theirs."""


class SchemaUnknown(ValueError):
    """The event is of a version that only newer code can read."""


def with_defaults(fields: Fields) -> Fields:
    """Lift what only gained fields that have defaults: it is read as it is, by older code too."""
    return fields


def as_before(fields: Fields) -> Fields:
    """Lift what is read as it is, though older code cannot read what is written now: a choice gained a value."""
    return fields


UNCHANGED = (with_defaults, as_before)
"""What a body goes through unchanged."""


@cache
def lifts_of(event: type[Event]) -> tuple[Lift, ...]:
    """Return what lifts each older version of an event to the next, the oldest first."""
    table: Upcasts = getattr(sys.modules[event.__module__], TABLE, {})
    return tuple(table.get(event, ()))


@cache
def version_of(event: type[Event]) -> int:
    """Return the version at which this code writes an event."""
    return FIRST + len(lifts_of(event))


@cache
def schema_of(event: type[Event]) -> str:
    """Return what an event's header `Mesh-Schema` says: `3`, or `3; since=2` where code that knows 2 reads it too."""
    version, since = version_of(event), version_of(event)
    for lift in reversed(lifts_of(event)):
        if lift is not with_defaults:
            break
        since -= 1
    return str(version) if since == version else f"{version}; since={since}"


@lru_cache(maxsize=LIFTINGS_MAX)
def lifting(event: type[Event], schema: str) -> tuple[Lift, ...]:
    """Return what a stored body must go through, nothing where this code reads it as it is.

    `schema` is its header, empty where there is none. Raises `SchemaUnknown` where only newer code can read it, and
    ValueError where the header cannot be read.
    """
    written, since = versions(schema)
    known = version_of(event)
    if since > known:
        raise SchemaUnknown(f"{subject_of(event)} is at version {written} here, and this code knows {known}")
    lifts = lifts_of(event)[written - FIRST :]
    return () if all(lift in UNCHANGED for lift in lifts) else lifts


def versions(schema: str) -> tuple[int, int]:
    """Return the version that a header names, and the oldest one whose code reads it."""
    if not schema:
        return FIRST, FIRST
    found = SCHEMA.fullmatch(schema)
    if found is None:
        raise ValueError(f"{schema[:40]!r} is no version of an event")
    return int(found["version"]), int(found["since"] or found["version"])


def lifted(event: type[Event], schema: str, body: bytes) -> bytes:
    """Return a stored body as the newest version has it: the same bytes where there is nothing to do."""
    lifts = lifting(event, schema)
    if not lifts:
        return body
    fields: Fields = msgspec.json.decode(body, type=dict[str, Any])
    for lift in lifts:
        fields = lift(fields)
    return msgspec.json.encode(fields)
