"""A decision as the commit that writes it: events sealed, the request kept, rows that go with them."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from actors.mesh._actor import Key, States, Timer
from actors.mesh._blueprint import Blueprint, Bound
from actors.mesh._chaos import Chaos
from actors.mesh._client import Client
from actors.mesh._errors import Refused
from actors.mesh._lifting import with_schema
from actors.mesh._mailbox import Mailboxes
from actors.mesh._personal import personal_fields
from actors.mesh._ports import Clock, Commit, Ids, Journal, NewEvent, Part
from actors.mesh._privacy import Privacy
from actors.mesh._states import StateCache
from actors.mesh._telemetry import Telemetry, traceparent
from schemas.envelope import DECIDED_AT, OWNER, PERSON, Envelope, derived_id
from schemas.message import Accepted, Command, Event, owner_field, sensitive_fields, subject_of, wire_name
from schemas.principal import Principal


class Deciding(NamedTuple):
    """What a decision needs of its pool."""

    blueprint: Blueprint
    journal: Journal
    states: StateCache
    mailboxes: Mailboxes
    privacy: Privacy
    client: Client
    clock: Clock
    ids: Ids
    telemetry: Telemetry
    chaos: Chaos
    outside: Mapping[type[Any], Any] = {}


WITHHELD = "[withheld]"
"""What the journal keeps of a field that nobody may keep."""


class Asked(NamedTuple):
    """One command with all that came along."""

    bound: Bound
    command: Command[Any]
    envelope: Envelope
    principal: Principal
    fingerprint: bytes
    needs: tuple[Any, ...]


def events_by_key(here: Deciding, events: Iterable[Event]) -> dict[str, list[Event]]:
    by_key: dict[str, list[Event]] = {}
    for event in events:
        by_key.setdefault(str(here.blueprint.key_of(event)), []).append(event)
    return by_key


class Draft(NamedTuple):
    """What a decision came to, on the states it saw."""

    keys: tuple[Key, ...]
    versions: Mapping[str, int]
    states: Mapping[str, Any]
    events: Sequence[Event]
    consulted: Any = None


class Written(NamedTuple):
    """The commit that writes a draft, and the reply; the commit holds no reply where that is not to be remembered.

    A refusal in the reply's place is told once the events are written.
    """

    commit: Commit
    reply: bytes | Refused


async def written(here: Deciding, asked: Asked, draft: Draft) -> Written:
    """Return the commit that writes what was decided, personal fields encrypted."""
    by_key = events_by_key(here, draft.events)
    after = states_after(here, draft, by_key)
    headers = event_headers(here, asked)
    parts = []
    for key, of_key in by_key.items():
        if key not in draft.versions:
            raise AssertionError(f"{wire_name(type(asked.command))} yields an event of {key}, which it does not hold")
        sealed = [await here.privacy.seal(event) for event in of_key]
        owned = with_owner(headers, owner_of(here, key, after[key]))
        private = here.blueprint.actor.private
        events = [
            NewEvent(wire_name(type(event)), body, with_schema(owned, type(event)), type(event) in private)
            for event, body in zip(of_key, sealed, strict=True)
        ]
        parts.append(Part(key, draft.versions[key], events))
    if parts:  # what was only read must not have changed either: two that read crosswise would both be written
        parts += [Part(key, version, ()) for key, version in draft.versions.items() if key not in by_key]
    reply = reply_of(asked, draft, by_key, after)
    commit = Commit(
        command_id=asked.envelope.command_id,
        message=subject_of(type(asked.command)),
        principal=asked.principal.person,
        fingerprint=asked.fingerprint,
        request=await sealed_request(here, asked),
        reply=reply if isinstance(reply, bytes) and asked.bound.decision.remember else b"",
        parts=parts,
        inlines=await inline_rows(here, asked, by_key, draft.versions),
    )
    return Written(commit, reply)


def states_after(here: Deciding, draft: Draft, by_key: Mapping[str, Sequence[Event]]) -> dict[str, Any]:
    """Fold the events onto the states they were decided on."""
    after = dict(draft.states)
    for key, events in by_key.items():
        evolve = here.blueprint.aggregates[key.partition("/")[0]].evolve
        for event in events:
            after[key] = evolve(after.get(key), event)
    return after


def owner_of(here: Deciding, key: str, state: Any) -> str:
    """Return the person whose entity it is, nobody where its aggregate names no owner."""
    field = here.blueprint.aggregates[key.partition("/")[0]].owner
    return (getattr(state, field) or "") if field else ""


def with_owner(headers: str, owner: str) -> str:
    if not owner:
        return headers
    return msgspec.json.encode({**msgspec.json.decode(headers, type=dict[str, str]), OWNER: owner}).decode()


def reply_of(
    asked: Asked, draft: Draft, by_key: Mapping[str, Sequence[Event]], after: Mapping[str, Any]
) -> bytes | Refused:
    """Return the reply's bytes: what the decision's own function makes, else where the command left its entity."""
    decision, first = asked.bound.decision, str(draft.keys[0])
    if decision.replies is None:
        version = draft.versions[first] + len(by_key.get(first, ()))
        return msgspec.json.encode(Accepted(entity_id=draft.keys[0].id, version=version))
    seen = after[first] if decision.keys is None else States({key: after[str(key)] for key in draft.keys})
    try:
        return msgspec.json.encode(decision.replies(seen, asked.command, draft.consulted))
    except Refused as refusal:
        if decision.remember:
            raise AssertionError(f"{wire_name(type(asked.command))} would remember a refusal as its reply") from refusal
        return refusal


async def sealed_request(here: Deciding, asked: Asked) -> bytes:
    """Return command and needs, encrypted whole; the person whose key it is stands in front, empty for the domain's."""
    owner = owner_field(type(asked.command))
    personal = personal_fields(type(asked.command))
    field = owner or (personal[0].person_field if personal else None)
    person = getattr(asked.command, field) if field else ""
    body = msgspec.json.encode({"command": withheld(asked.command), "needs": asked.needs})
    return f"{person}\n".encode() + await here.privacy.seal_bytes("request", body, person or None)


def withheld(command: Command[Any]) -> Command[Any]:
    """Return the command without what nobody may keep, not even as a digest that could be tried against."""
    given = {name: WITHHELD for name in sensitive_fields(type(command)) if getattr(command, name)}
    return msgspec.structs.replace(command, **given) if given else command


def event_headers(here: Deciding, asked: Asked) -> str:
    """Return what an event carries of the command that caused it, as a JSON object."""
    envelope = Envelope(
        cause_id=asked.envelope.command_id,
        correlation_id=asked.envelope.correlation_id,
        issued_at_ms=asked.envelope.issued_at_ms,
        traceparent=traceparent() or "",
        tracestate=asked.envelope.tracestate,
    )
    own = {PERSON: asked.principal.person, DECIDED_AT: str(here.clock.now_ms())}
    return msgspec.json.encode({**envelope.headers(), **own}).decode()


async def inline_rows(
    here: Deciding, asked: Asked, by_key: Mapping[str, Sequence[Event]], versions: Mapping[str, int]
) -> dict[str, list[Mapping[str, object]]]:
    """Return the rows that are written with the events: postings, unique values and timers."""
    actor, rows = here.blueprint.actor, dict[str, list[Mapping[str, object]]]()
    for key, events in by_key.items():
        for version, event in enumerate(events, versions[key] + 1):
            for posting in actor.postings:
                if posting.event is type(event):
                    rows.setdefault(posting.table, []).extend(posting.rows(event))
            for row in claim_rows(here, key, event):
                rows.setdefault("claims", []).append(row)
            for timer in actor.timers:
                if timer.event is type(event):
                    row = await timer_row(here, asked, f"{key}@{version}", timer, event)
                    rows.setdefault("timers", []).append(row)
    return rows


def claim_rows(here: Deciding, key: str, event: Event) -> Iterator[Mapping[str, object]]:
    for claim in here.blueprint.actor.claims:
        if claim.event is not type(event):
            continue
        for choose, free in ((claim.frees, True), (claim.takes, False)):
            if choose is not None and (value := choose(event)) is not None:
                index = here.privacy.blind_index(claim.scope, value)
                yield {"scope": claim.scope, "value": index, "key": key} | ({"free": True} if free else {})


async def timer_row(here: Deciding, asked: Asked, event_id: str, timer: Timer, event: Event) -> Mapping[str, object]:
    command = timer.then(event)
    return {
        "timer_id": derived_id(event_id, "timer", wire_name(type(command))),
        "due_at_ms": here.clock.now_ms() + int(timer.delay_seconds * 1000),
        "message": subject_of(type(command)),
        "body": base64.b64encode(await here.privacy.seal(command)).decode(),
        "headers": event_headers(here, asked),
    }
