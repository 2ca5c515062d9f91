"""Events are for ever: the bytes of every version that was ever written stay here, and the newest code reads them.

A new event, or a new field of an old one, gets a file of its own: run `python -m tests.contract.test_events`, look at
what it wrote, and commit it. A file that is here is never changed: those bytes are in somebody's journal.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
import pytest

from schemas.message import ID_PATTERN, Event, marks
from tests.house.contract import of_kind

EVENTS = {event.__name__: event for event in of_kind(Event)}
FOLDER = Path(__file__).with_name("events")
NAME = re.compile(r"(?P<event>[A-Za-z]+)\.v(?P<version>[1-9][0-9]*)\.json")
WRITE = "python -m tests.contract.test_events"


def files() -> list[Path]:
    """Return the kept bytes, oldest version first."""
    return sorted(FOLDER.iterdir(), key=lambda file: (event_of(file), version_of(file)))


def event_of(file: Path) -> str:
    found = NAME.fullmatch(file.name)
    assert found, f"{file.name}: call it <Event>.v<N>.json"
    return found["event"]


def version_of(file: Path) -> int:
    return int(file.name.split(".")[1].removeprefix("v"))


def newest(event: str) -> Path | None:
    """Return the last version of an event that was kept."""
    return max((file for file in files() if event_of(file) == event), key=version_of, default=None)


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


def kept_and_read(file: Path) -> tuple[Any, Any]:
    """Return the content of a file, and what is left of it when the newest code has read it."""
    kept = file.read_bytes()
    read = msgspec.json.decode(kept, type=EVENTS[event_of(file)])
    return msgspec.json.decode(kept), msgspec.json.decode(msgspec.json.encode(read))


def lost(kept: Any, read: Any) -> bool:
    """Return whether something that was kept is not there any more; what was added since is no loss."""
    if isinstance(kept, dict) and isinstance(read, dict):
        return any(name not in read or lost(value, read[name]) for name, value in kept.items())
    if isinstance(kept, list) and isinstance(read, list):
        return len(kept) != len(read) or any(lost(old, new) for old, new in zip(kept, read, strict=True))
    return bool(kept != read)


@pytest.mark.parametrize("file", files(), ids=lambda file: file.stem)
def test_the_newest_code_reads_what_was_written(file: Path) -> None:
    assert event_of(file) in EVENTS, f"{event_of(file)} is in journals: an event may be left unused, never removed"
    kept, read = kept_and_read(file)
    assert not lost(kept, read), f"{file.name} reads as {read}: a field keeps its name and its type for ever"


@pytest.mark.parametrize("event", EVENTS)
def test_every_field_of_every_event_is_kept(event: str) -> None:
    file = newest(event)
    assert file is not None, f"{event} is new: {WRITE}"
    kept, read = kept_and_read(file)
    assert not lost(read, kept), f"{event} has grown since {file.name}: give the new field a default, then {WRITE}"


def test_a_loss_is_seen() -> None:
    assert lost({"total": {"amount_minor": 1}}, {"total": {"amount": 1}})
    assert lost({"lines": [1]}, {"lines": [1, 2]})
    assert not lost({"order_id": "a"}, {"order_id": "a", "note": ""})


def write_missing() -> list[str]:
    """Write the next version of every event that has none, or that has grown; return the names of the files."""
    written: list[str] = []
    for name, event in EVENTS.items():
        file = newest(name)
        if file is not None:
            kept, read = kept_and_read(file)
            if not lost(read, kept):
                continue
        version = version_of(file) + 1 if file else 1
        made = msgspec.json.encode(filled(event))
        (FOLDER / f"{name}.v{version}.json").write_bytes(made)
        written.append(f"{name}.v{version}.json")
    return written


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    sys.stdout.write("".join(f"written: {name}\n" for name in write_missing()) or "nothing is missing\n")
