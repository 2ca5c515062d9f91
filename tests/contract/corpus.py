"""The events that were ever emitted, version by version: their plain bodies, and how journals and streams hold them.

`events/<Event>.v<N>.json` is the body as that version's code wrote it. `stored/<Event>.v<N>.json` is the same event as
a journal holds it: its key, its headers, its body with personal texts sealed under the keys in `stored/keys.json`.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from collections.abc import Iterator
from functools import cache
from itertools import count
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from actors.mesh._blueprint import Blueprint, draw
from actors.mesh._commit import with_owner
from actors.mesh._lifting import with_schema
from actors.mesh._ports import StoredEvent
from actors.mesh._privacy import Privacy
from actors.mesh.adapters.memory.data_keys import MemoryDataKeys
from actors.mesh.testing.memory_mesh import HMAC_KEY, MASTER_KEY
from schemas.envelope import DECIDED_AT, PERSON, SCHEMA, Envelope
from schemas.message import ID_PATTERN, Event, domain_of, marks, wire_name
from schemas.upcasts import version_of
from tests.house.contract import found_actors, of_kind

EVENTS = {event.__name__: event for event in of_kind(Event)}
BODIES = Path(__file__).with_name("events")
STORED = Path(__file__).with_name("stored")
KEYS = STORED / "keys.json"
NAME = re.compile(r"(?P<event>[A-Za-z]+)\.v(?P<version>[1-9][0-9]*)\.json")
WRITE = "python -m tests.contract.test_events"
AT_MS = 1_764_000_000_000
PERSON_ID = "customer-1"


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """One event of a journal. `body` and `headers` are exact."""

    key: str
    name: str
    headers: str
    body: str
    private: bool = False


def files(folder: Path) -> list[Path]:
    """Return the kept events, oldest version first."""
    found = [file for file in folder.glob("*.json") if file != KEYS]
    return sorted(found, key=lambda file: (event_of(file), number_of(file)))


def event_of(file: Path) -> str:
    found = NAME.fullmatch(file.name)
    assert found, f"{file.name}: call it <Event>.v<N>.json"
    return found["event"]


def number_of(file: Path) -> int:
    return int(file.name.split(".")[1].removeprefix("v"))


def newest(event: str) -> Path | None:
    """Return the body of the last version of an event that was kept."""
    return max((file for file in files(BODIES) if event_of(file) == event), key=number_of, default=None)


def example(hint: Any, name: str) -> Any:
    """Return a value of a type, the same at every call; texts tell which field they stand in."""
    origin, inside = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return f"{name.removesuffix('_id')}-1" if is_id(hint) else example(inside[0], name)
    if origin is Literal:
        return inside[0]
    if origin in (Union, UnionType):
        return example(next(part for part in inside if part is not type(None)), name)
    if origin is tuple:
        return (example(inside[0], name),)
    if origin is dict:
        return {"name": example(inside[1], name)}
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return filled(hint)
    return {str: name.replace("_", " "), int: 3, bool: True}[hint]


def is_id(hint: Any) -> bool:
    return any(getattr(mark, "pattern", None) == ID_PATTERN for mark in marks(hint))


def filled(struct: type[msgspec.Struct]) -> Any:
    hints = get_type_hints(struct, include_extras=True)
    return struct(**{name: example(hints[name], name) for name in struct.__struct_fields__})


@cache
def blueprint_of(domain: str) -> Blueprint:
    return draw(next(actor for actor in found_actors() if actor.name == domain))


def privacy(seed: str = "") -> Privacy:
    """Return what opens the corpus; with a seed, what it seals is the same at every call."""
    wrapped = msgspec.json.decode(KEYS.read_bytes(), type=dict[str, str]) if KEYS.exists() else {}
    keys = MemoryDataKeys()
    keys._wrapped |= {person: base64.b64decode(key) for person, key in wrapped.items()}
    numbers = count()

    def drawn(length: int) -> bytes:
        return hashlib.shake_256(f"{seed} {next(numbers)}".encode()).digest(length)

    return Privacy(keys, master_key=MASTER_KEY, hmac_key=HMAC_KEY, now_ms=lambda: AT_MS, random_bytes=drawn)


def stored_headers(event: Event, owner: str) -> str:
    """Return what a pool keeps beside an event."""
    envelope = Envelope(
        cause_id="01a21f10-c34f-764b-a905-222980d496a0",
        correlation_id="01a21f10-c34f-764b-a905-222980d496a0",
        issued_at_ms=AT_MS,
        traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    )
    own = {PERSON: PERSON_ID, DECIDED_AT: str(AT_MS)}
    headers = msgspec.json.encode({**envelope.headers(), **own}).decode()
    return with_schema(with_owner(headers, owner), type(event))


async def kept(event: Event) -> Kept:
    """Return an event as its domain's journal would hold it."""
    blueprint = blueprint_of(domain_of(type(event)))
    sealing = privacy(type(event).__name__)
    body = await sealing.seal(event)
    keys: Any = sealing._keys
    KEYS.write_bytes(pretty({person: base64.b64encode(key).decode() for person, key in keys._wrapped.items()}))
    return Kept(
        key=str(blueprint.key_of(event)),
        name=wire_name(type(event)),
        headers=stored_headers(event, PERSON_ID if blueprint.aggregate_of[type(event)].owner else ""),
        body=body.decode(),
        private=type(event) in blueprint.actor.private,
    )


def read_kept(file: Path, *, with_schema_header: bool = True) -> StoredEvent:
    """Return an event of the corpus; without its schema header as those were stored that came before there was one."""
    found = msgspec.json.decode(file.read_bytes(), type=Kept)
    headers = found.headers
    if not with_schema_header:
        named = msgspec.json.decode(headers, type=dict[str, str])
        headers = msgspec.json.encode({name: value for name, value in named.items() if name != SCHEMA}).decode()
    return StoredEvent(found.key, 1, found.name, found.body.encode(), headers, "", AT_MS, found.private)


def pretty(value: Any) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"


def shape_changed(event: str) -> bool:
    """Return whether an event is written otherwise than its newest kept body was."""
    file = newest(event)
    assert file is not None
    if number_of(file) != version_of(EVENTS[event]):
        return True
    body = file.read_bytes()
    try:
        return msgspec.json.encode(msgspec.json.decode(body, type=EVENTS[event])) != body
    except msgspec.ValidationError:
        return True


def write_missing() -> Iterator[str]:
    """Write what is missing of every event at the version this code writes; yield what was written, or why not."""
    STORED.mkdir(exist_ok=True)
    for name, event in EVENTS.items():
        file, version = newest(name), version_of(event)
        if file is not None and version <= number_of(file) and shape_changed(name):
            yield f"not written: {name} has changed under version {number_of(file)}: add the change to UPCASTS\n"
            continue
        for folder in (BODIES, STORED):
            path = folder / f"{name}.v{version}.json"
            if not path.exists():
                made = (
                    msgspec.json.encode(filled(event)) if folder is BODIES else pretty(asyncio.run(kept(filled(event))))
                )
                path.write_bytes(made)
                yield f"written: {folder.name}/{path.name}\n"
