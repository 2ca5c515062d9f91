"""Stored events as today's code reads them: the version a header names, lifted, and where sealed texts came from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from actors.mesh._errors import Unavailable
from actors.mesh._ports import StoredEvent
from schemas.envelope import SCHEMA
from schemas.message import Event
from schemas.upcasts import SchemaUnknown, lifted, lifting, schema_of

SEALED_PREFIX = "~p1."
"""What a text begins with that was sealed under a person's key."""

_IN_JSON = f'"{SCHEMA}":"'

Places = Mapping[str, tuple[str, ...]]
"""Where sealed texts stood before they were moved: by the text, every reading of its path (`lines[2].note`)."""
NOTHING_MOVED: Places = {}


class Lifted(NamedTuple):
    """A body of the newest version, and where its sealed texts were sealed."""

    body: bytes
    places: Places


def lift(event: type[Event], schema: str, body: bytes) -> Lifted:
    """Return a stored body as this code reads it; `Unavailable` where only newer code can: it is tried again."""
    if schema == schema_of(event):
        return Lifted(body, NOTHING_MOVED)
    try:
        if not lifting(event, schema):
            return Lifted(body, NOTHING_MOVED)
    except SchemaUnknown as newer:
        raise Unavailable(f"{newer}: a newer release writes here, wait for it or roll forward") from None
    return Lifted(lifted(event, schema, body), dict(sealed_texts(msgspec.json.decode(body))))


def lift_stored(event: type[Event], stored: StoredEvent) -> Lifted:
    """Return the body of an event of a journal or a stream as this code reads it."""
    return lift(event, written_schema(stored.headers), stored.body)


def written_schema(headers: str) -> str:
    """Return the version that stored headers name: cut out, not decoded, for every event of every fold asks."""
    start = headers.find(_IN_JSON)
    if start < 0:
        return ""
    start += len(_IN_JSON)
    return headers[start : headers.index('"', start)]


def with_schema(headers: str, event: type[Event]) -> str:
    """Return an event's headers, a JSON object that is not empty, with the version this code writes it at."""
    return f'{headers[:-1]},{_IN_JSON}{schema_of(event)}"}}'


def sealed_texts(value: Any, paths: tuple[str, ...] = ("",)) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield every sealed text in decoded JSON with the paths it may have been sealed under.

    An object may have been a struct (`address.street`) or a mapping (`parameters[name]`): JSON does not say which.
    """
    if isinstance(value, str):
        if value.startswith(SEALED_PREFIX):
            yield value, paths
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from sealed_texts(inner, tuple(way for path in paths for way in ways(path, name)))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from sealed_texts(inner, tuple(f"{path}[{index}]" for path in paths))


def ways(path: str, name: str) -> tuple[str, ...]:
    return (f"{path}.{name}", f"{path}[{name}]") if path else (name,)
