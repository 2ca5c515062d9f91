"""Events as a tool follows them: decoded where its code knows them, personal fields masked."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any, Generic, Literal, NamedTuple

import msgspec
from typing_extensions import TypeVar

from actors.mesh._personal import MASK, changed, personal_fields
from actors.mesh._ports import Delivered
from schemas.envelope import DECIDED_AT, KEY, PRIVATE, SCHEMA, VERSION, milliseconds
from schemas.message import Event, domain_of, subject_of, wire_name
from schemas.upcasts import lifted

UNREADABLE = (msgspec.MsgspecError, ValueError, LookupError, TypeError, AttributeError, RecursionError)
"""What lifting and decoding raise over bytes from the wire, a version that is not known yet among them."""

E = TypeVar("E", bound=Event, covariant=True)

After = int | Literal["start", "now"]
"""Where to begin: behind a position that was read before, with the first event that is kept, with the next to come."""


class Followed(NamedTuple, Generic[E]):
    """One event of a domain. `position` is where to go on after it; `key` and `version` say which fact it is.

    `event` is None where this code cannot read it: it does not know the type, or the content is private. Personal
    texts are masked, because only their domain can open them. `at_ms` is when it was decided, Unix milliseconds.
    """

    event: E | None
    name: str  # 'stock_received'
    key: str  # 'item/cup-blue'
    version: int
    position: int
    at_ms: int
    headers: Mapping[str, str]


class Selection(NamedTuple):
    """What is followed: a stream, the subjects in it (none: all), and the types by name."""

    stream: str
    subjects: tuple[str, ...]
    known: Mapping[str, type[Event]]


def selection(events: ModuleType | type[Event] | tuple[type[Event], ...]) -> Selection:
    """Return what a module of the contract, or some of its events, select; raise ValueError where that is nothing."""
    if isinstance(events, ModuleType):
        every = [value for value in vars(events).values() if isinstance(value, type) and issubclass(value, Event)]
        own = {wire_name(event): event for event in every if event.__module__ == events.__name__}
        return Selection(events.__name__.rpartition(".")[2].upper(), (), own)
    some = events if isinstance(events, tuple) else (events,)
    domains = sorted({domain_of(event) for event in some})
    if len(domains) != 1:
        raise ValueError(f"events of one domain can be followed together, not of {', '.join(domains) or 'none'}")
    subjects = tuple(f"{subject_of(event)}.*" for event in some)
    return Selection(domains[0].upper(), subjects, {wire_name(event): event for event in some})


def followed(delivered: Delivered, known: Mapping[str, type[Event]]) -> Followed[Any]:
    """Read one message of an event stream. Nothing that stands in it can end the reading."""
    headers = delivered.headers
    name = [*delivered.subject.split("."), "", ""][2]
    version = headers.get(VERSION, "")
    return Followed(
        event=None if PRIVATE in headers else readable(known.get(name), headers.get(SCHEMA, ""), delivered.body),
        name=name,
        key=headers.get(KEY, ""),
        version=int(version) if version.isascii() and version.isdigit() else 0,
        position=delivered.sequence,
        at_ms=decided_at_ms(delivered),
        headers=headers,
    )


def readable(kind: type[Event] | None, schema: str, body: bytes) -> Event | None:
    """Return an event with what is personal masked; None where it is not one that this code knows."""
    if kind is None:
        return None
    try:
        event = msgspec.json.decode(lifted(kind, schema, body), type=kind)
    except UNREADABLE:
        return None
    for path in personal_fields(kind):
        event = changed(event, path, lambda _text, _where: MASK)
    return event


def decided_at_ms(delivered: Delivered) -> int:
    try:
        return milliseconds(delivered.headers, DECIDED_AT) or delivered.stored_at_ms
    except ValueError:
        return delivered.stored_at_ms
