"""A message of an event stream -> what listeners are sent of it. Made once, whoever listens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from actors.mesh._log import get_logger
from actors.mesh._ports.bus import Delivered
from actors.mesh._telemetry import parse_traceparent
from gateway.live.topics import Topic
from schemas.envelope import DECIDED_AT, KEY, OWNER, PRIVATE, SCHEMA, TRACEPARENT, VERSION, milliseconds
from schemas.upcasts import lifted

logger = get_logger()


class Shown(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The data of a server-sent event: `key` and `version` name it for ever, `at_ms` is when it was decided."""

    topic: str
    event: str
    key: str
    version: int
    at_ms: int
    data: dict[str, Any]
    trace_id: str = ""


class Moment(NamedTuple):
    """An event as it is sent, but for its id, and who may have it."""

    topic: Topic
    owner: str
    text: bytes


def moment_of(topics: Mapping[str, Topic], message: Delivered) -> Moment | None:
    """Return what is shown of a message, None where that is nothing: no topic has it, or it cannot be read."""
    subject = message.subject.rpartition(".")[0]
    topic = topics.get(subject)
    if topic is None or PRIVATE in message.headers:
        return None
    try:
        shown = shown_of(topic, subject, message)
    except (msgspec.MsgspecError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        # Skipped, not fatal: the views are where a broken event is mended, and here it would block the others.
        logger.warning("live.event_unreadable", subject=subject, sequence=message.sequence, error=repr(error))
        return None
    return Moment(topic, message.headers.get(OWNER, ""), said(topic.name, shown))


def shown_of(topic: Topic, subject: str, message: Delivered) -> Shown:
    """Return the fields that the topic shows, and where the event stands in its entity's history."""
    headers = message.headers
    body = lifted(topic.event_on(subject), headers.get(SCHEMA, ""), message.body)
    fields = msgspec.json.decode(body, type=dict[str, Any])
    trace = None if topic.is_public else parse_traceparent(headers.get(TRACEPARENT))
    return Shown(
        topic=topic.name,
        event=subject.rpartition(".")[2],
        key=headers[KEY],
        version=int(headers[VERSION]),
        at_ms=milliseconds(headers, DECIDED_AT),
        data={name: fields[name] for name in topic.shows if name in fields},
        trace_id=trace.trace_id.hex() if trace is not None else "",
    )


def said(event: str, data: Any) -> bytes:
    """Return a server-sent event without its id. Encoded JSON holds no line break, so none can be smuggled in."""
    return b"event: %b\ndata: %b\n\n" % (event.encode(), msgspec.json.encode(data))
