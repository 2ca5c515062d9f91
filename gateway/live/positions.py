"""How far a client has come, as the id of an event: its place in every stream the connection shows, opaque to it.

`inventory:55@9f86d081,orders:123@2c26b46b`: the domain, the sequence, and a mark of the stream's incarnation, for in
a stream that was made anew the same number is another event.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import NamedTuple

from gateway.errors import HttpProblem

CHARACTERS_MAX = 512
"""A dozen streams; nobody shows so many."""

PART = re.compile(r"([a-z_]{1,32}):([0-9]{1,15})@([0-9a-f]{8})", re.ASCII)


class Position(NamedTuple):
    """A place in one stream: everything up to the sequence has been dealt with."""

    mark: str
    sequence: int


Positions = Mapping[str, Position]
"""By domain."""


def mark_of(born: str) -> str:
    """Return the mark of a stream's incarnation."""
    return sha256(born.encode()).hexdigest()[:8]


def written(positions: Positions) -> str:
    """Return the positions as an event id."""
    return ",".join(f"{domain}:{sequence}@{mark}" for domain, (mark, sequence) in positions.items())


def read_positions(event_id: str) -> dict[str, Position]:
    """Return what an event id says, nothing for an empty one; raise HttpProblem where it is none of ours."""
    if not event_id:
        return {}
    parts = [PART.fullmatch(part) for part in event_id.split(",")] if len(event_id) <= CHARACTERS_MAX else [None]
    found = {part[1]: Position(part[3], int(part[2])) for part in parts if part is not None}
    if len(found) < len(parts):
        detail = "send the id of an event as it came, or none to begin now"
        raise HttpProblem(400, "last_event_id_invalid", detail, pointer="/last_event_id")
    return found
