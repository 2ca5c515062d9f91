"""What happened to one entity, as its owner tells it to an operator: `<domain>.query.events`, answered by the mesh."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from schemas.message import Id

EVENTS = "events"
"""The question's name: `orders.query.events.<entity id>`, and the permission `orders:events`."""

PAGE_MAX = 200


class HistoryQuestion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Ask for the events after a version; `aggregate` is needed only where two kinds of entity have the id."""

    entity_id: Id
    aggregate: Annotated[str, msgspec.Meta(max_length=64)] = ""
    after_version: Annotated[int, msgspec.Meta(ge=0, le=2**53)] = 0
    limit: Annotated[int, msgspec.Meta(ge=1, le=PAGE_MAX)] = 50


class Change(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One field of the state that an event changed: `lines/0/quantity`. None where it was, or is, not there."""

    field: str
    before: Any = None
    after: Any = None


class HistoryEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One event. What is personal or secret is hidden, in the body as in the changes; a private event has no body.

    `person` is whose wish it was, `trace_id` the trace it was decided in. `cut` says that body and changes were left
    out because they are too large for a message.
    """

    version: int
    name: str
    at_ms: int
    command_id: str
    person: str = ""
    trace_id: str = ""
    private: bool = False
    cut: bool = False
    body: Any = None
    changes: tuple[Change, ...] = ()


class HistoryPage(msgspec.Struct, frozen=True, kw_only=True):
    """Events in order, oldest first. `next_after_version` is what to ask after for more, 0 at the end."""

    key: str
    entries: tuple[HistoryEntry, ...]
    next_after_version: int = 0
