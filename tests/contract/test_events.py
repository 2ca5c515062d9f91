"""Events are for ever: every version that was ever written stays here, and the newest code reads, folds and shows it.

A new event, or a new version of an old one, gets files of its own: run `python -m tests.contract.test_events`, look at
what it wrote, and commit it. A file that is here is never changed: those bytes are in somebody's journal.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec
import pytest

from actors.mesh import Happened, Outcomes, Refused
from actors.mesh._blueprint import second_parameter
from actors.mesh._lifting import lift_stored
from actors.mesh._readers import Reader, readers
from actors.mesh._states import opened
from schemas.envelope import SCHEMA
from schemas.message import Event, domain_of
from schemas.upcasts import UNCHANGED, lifts_of, schema_of, version_of
from tests.contract.corpus import (
    AT_MS,
    BODIES,
    EVENTS,
    STORED,
    WRITE,
    blueprint_of,
    event_of,
    files,
    filled,
    newest,
    number_of,
    privacy,
    read_kept,
    shape_changed,
    write_missing,
)
from tests.house.contract import found_actors
from tests.house.source import ROOT

STATES_MAX = 100
"""States that are tried for an event to be folded on."""
STEPS_MAX = 3
"""Events that lead to such a state."""
HAPPENED = Happened("key/one", 2, AT_MS)


def kept_and_read(file: Path) -> tuple[Any, Any]:
    """Return the content of a body, and what is left of it when the newest code has read it."""
    body = file.read_bytes()
    read = msgspec.json.decode(body, type=EVENTS[event_of(file)])
    return msgspec.json.decode(body), msgspec.json.decode(msgspec.json.encode(read))


def lost(kept: Any, read: Any) -> bool:
    """Return whether something that was kept is not there any more; what was added since is no loss."""
    if isinstance(kept, dict) and isinstance(read, dict):
        return any(name not in read or lost(value, read[name]) for name, value in kept.items())
    if isinstance(kept, list) and isinstance(read, list):
        return len(kept) != len(read) or any(lost(old, new) for old, new in zip(kept, read, strict=True))
    return bool(kept != read)


def is_lifted(file: Path) -> bool:
    """Return whether an event of this version is changed before it is read."""
    return any(lift not in UNCHANGED for lift in lifts_of(EVENTS[event_of(file)])[number_of(file) - 1 :])


@pytest.mark.parametrize("file", files(BODIES), ids=lambda file: file.stem)
def test_the_newest_code_reads_what_was_written(file: Path) -> None:
    assert event_of(file) in EVENTS, f"{event_of(file)} is in journals: an event may be left unused, never removed"
    if not is_lifted(file):
        kept, read = kept_and_read(file)
        assert not lost(kept, read), f"{file.name} reads as {read}: lift it in UPCASTS, or leave the field as it was"


@pytest.mark.parametrize("event", EVENTS)
def test_every_event_is_kept_at_the_version_it_is_written_at(event: str) -> None:
    file = newest(event)
    assert file is not None, f"{event} is new: {WRITE}"
    assert (STORED / file.name).exists(), f"{event} has no stored form: {WRITE}"
    wanted = f"raise its version by what lifts {file.name} (`with_defaults` where it has only grown), then {WRITE}"
    assert not shape_changed(event), f"{event} is written otherwise than {file.name}: {wanted}"


@pytest.mark.parametrize("file", files(STORED), ids=lambda file: file.stem)
async def test_what_a_journal_holds_is_opened_and_read(file: Path) -> None:
    event = EVENTS[event_of(file)]
    [read] = await opened(blueprint_of(domain_of(event)), privacy(), [read_kept(file)])
    if not is_lifted(file):
        plain = msgspec.json.decode((BODIES / file.name).read_bytes(), type=event)
        assert read == plain, "opened, it is what was written"
    fields = msgspec.json.decode(lift_stored(event, read_kept(file)).body)
    assert fields.keys() <= set(event.__struct_fields__) or not is_lifted(file), "a lift leaves nothing behind"


@pytest.mark.parametrize("file", [file for file in files(STORED) if number_of(file) == 1], ids=lambda file: file.stem)
async def test_what_was_stored_before_versions_were_named_is_read_alike(file: Path) -> None:
    blueprint = blueprint_of(domain_of(EVENTS[event_of(file)]))
    both = [read_kept(file), read_kept(file, with_schema_header=False)]
    one, other = await opened(blueprint, privacy(), both)
    assert SCHEMA not in both[1].headers
    assert one == other


@cache
def states_of(fold: Callable[..., Any], *more: object) -> tuple[Any, ...]:
    """Return what some of a fold's events lead to, nothing first: states it may find when the next one comes."""
    events = [filled(event) for event in second_parameter(fold)]
    found: list[Any] = [None]
    fresh: list[Any] = [None]
    for _ in range(STEPS_MAX):
        next_states = [after for state in fresh for event in events if (after := tried(fold, state, event, *more))]
        fresh = []
        for state in next_states:
            if state not in found and len(found) < STATES_MAX:
                found.append(state)
                fresh.append(state)
    return tuple(found)


def tried(fold: Callable[..., Any], state: Any, event: Event, *more: object) -> Any:
    try:
        return fold(state, event, *more)
    except Exception:  # noqa: BLE001 - it is tried on every state, those it cannot follow among them
        return None


@pytest.mark.parametrize("file", files(STORED), ids=lambda file: file.stem)
async def test_what_a_journal_holds_is_folded_into_a_state(file: Path) -> None:
    event = EVENTS[event_of(file)]
    blueprint = blueprint_of(domain_of(event))
    [read] = await opened(blueprint, privacy(), [read_kept(file)])
    evolve = blueprint.aggregate_of[event].evolve
    assert any(tried(evolve, state, read) for state in states_of(evolve)), f"no state takes {file.name}"


@pytest.mark.parametrize("file", files(STORED), ids=lambda file: file.stem)
async def test_what_a_journal_holds_is_read_by_everybody_who_follows_it(file: Path) -> None:
    event = EVENTS[event_of(file)]
    [read] = await opened(blueprint_of(domain_of(event)), privacy(), [read_kept(file)])
    for reader in followers(event):
        failed = [one.__name__ for one in reader.functions if not deals_with(reader, one, read)]
        assert not failed, f"{reader.domain} {reader.part} {reader.name} cannot read {file.name}: {failed}"


def followers(event: type[Event]) -> Iterator[Reader]:
    for actor in found_actors():
        yield from (reader for reader in readers(actor) if reader.message is event and reader.part in HOW)


def deals_with(reader: Reader, function: Callable[..., Any], event: Event) -> bool:
    """Return whether a function takes the event in one of the ways it can meet it."""
    for arguments in HOW[reader.part](reader, event):
        try:
            made = function(*arguments)
            if isinstance(made, Iterator):
                tuple(made)
        except Refused:
            return True
        except Exception:  # noqa: BLE001 - a fold meets states here that its event never follows
            continue
        return True
    return False


def onto_views(reader: Reader, event: Event) -> Iterator[tuple[Any, ...]]:
    [fold] = reader.functions
    yield from ((view, event, HAPPENED) for view in states_of(fold, HAPPENED))


def with_all_outcomes(reader: Reader, event: Event) -> Iterator[tuple[Any, ...]]:
    [saga] = [one for one in blueprint_of(reader.domain).actor.sagas if one.name == reader.name]
    outcomes = Outcomes({**{one: filled(one) for one in saga.events}, type(event): event})
    start = event if isinstance(event, saga.starts_on) else filled(saga.starts_on)
    yield (start, outcomes)
    yield (start, outcomes, Refused("order_cancelled"))


HOW: dict[str, Callable[[Reader, Event], Iterator[tuple[Any, ...]]]] = {
    "view": onto_views,
    "saga": with_all_outcomes,
    "reaction": lambda _reader, event: iter([(event, HAPPENED)]),
    "rows": lambda _reader, event: iter([(event,)]),
    "claim": lambda _reader, event: iter([(event,)]),
    "timer": lambda _reader, event: iter([(event,)]),
}
"""What each part of a table is called with. A performer calls the world: it is given the event and no more."""


@pytest.mark.parametrize("file", files(BODIES), ids=lambda file: file.stem)
def test_the_published_schema_of_a_version_takes_what_that_version_wrote(file: Path) -> None:
    event = EVENTS[event_of(file)]
    name = f"{domain_of(event)}.event.{read_kept(STORED / file.name).name}.v{number_of(file)}.json"
    published = ROOT / "docs" / "contract" / "schemas" / name
    schema = jsonschema_rs.Draft202012Validator(msgspec.json.decode(published.read_bytes()))
    assert schema.is_valid(msgspec.json.decode(file.read_bytes()))
    stored = msgspec.json.decode(read_kept(STORED / file.name).body)
    assert schema.is_valid(stored), "sealed texts are texts too"


@pytest.mark.parametrize("file", files(STORED), ids=lambda file: file.stem)
def test_a_stored_event_names_its_version(file: Path) -> None:
    headers = msgspec.json.decode(read_kept(file).headers, type=dict[str, str])
    assert headers[SCHEMA].partition(";")[0] == str(number_of(file))
    if number_of(file) == version_of(EVENTS[event_of(file)]):
        assert headers[SCHEMA] == schema_of(EVENTS[event_of(file)])


def test_a_loss_is_seen() -> None:
    assert lost({"total": {"amount_minor": 1}}, {"total": {"amount": 1}})
    assert lost({"lines": [1]}, {"lines": [1, 2]})
    assert not lost({"order_id": "a"}, {"order_id": "a", "note": ""})


if __name__ == "__main__":
    sys.stdout.write("".join(write_missing()) or "nothing is missing\n")
