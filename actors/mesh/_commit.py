"""A decision as the commit that writes it: events sealed, the request kept, rows that go with them."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from actors.mesh._actor import Key
from actors.mesh._blueprint import Blueprint, Bound
from actors.mesh._chaos import Chaos
from actors.mesh._client import Client
from actors.mesh._mailbox import Mailboxes
from actors.mesh._personal import personal_fields
from actors.mesh._ports import Clock, Commit, Ids, Journal, NewEvent, Part
from actors.mesh._privacy import Privacy
from actors.mesh._states import StateCache
from actors.mesh._telemetry import Telemetry, traceparent
from schemas.envelope import DECIDED_AT, PERSON, Envelope, derived_id
from schemas.message import Accepted, Command, Event, owner_field, subject_of, wire_name
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


async def written(
    here: Deciding, asked: Asked, keys: tuple[Key, ...], versions: Mapping[str, int], events: Sequence[Event]
) -> Commit:
    """Return the commit that writes these events, personal fields encrypted."""
    by_key = events_by_key(here, events)
    headers = event_headers(here, asked)
    parts = []
    for key, of_key in by_key.items():
        if key not in versions:
            raise AssertionError(f"{wire_name(type(asked.command))} yields an event of {key}, which it does not hold")
        sealed = [await here.privacy.seal(event) for event in of_key]
        private = here.blueprint.actor.private
        parts.append(
            Part(
                key,
                versions[key],
                [
                    NewEvent(wire_name(type(event)), body, headers, type(event) in private)
                    for event, body in zip(of_key, sealed, strict=True)
                ],
            )
        )
    if parts:  # what was only read must not have changed either: two that read crosswise would both be written
        parts += [Part(key, version, ()) for key, version in versions.items() if key not in by_key]
    first = str(keys[0])
    reply = msgspec.json.encode(Accepted(entity_id=keys[0].id, version=versions[first] + len(by_key.get(first, ()))))
    return Commit(
        command_id=asked.envelope.command_id,
        message=subject_of(type(asked.command)),
        principal=asked.principal.person,
        fingerprint=asked.fingerprint,
        request=await sealed_request(here, asked),
        reply=reply,
        parts=parts,
        inlines=await inline_rows(here, asked, by_key, versions),
    )


async def sealed_request(here: Deciding, asked: Asked) -> bytes:
    """Return command and needs, encrypted whole; the person whose key it is stands in front, empty for the domain's."""
    owner = owner_field(type(asked.command))
    personal = personal_fields(type(asked.command))
    field = owner or (personal[0].person_field if personal else None)
    person = getattr(asked.command, field) if field else ""
    body = msgspec.json.encode({"command": asked.command, "needs": asked.needs})
    return f"{person}\n".encode() + await here.privacy.seal_bytes("request", body, person or None)


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
    """Return the rows that are written with the events: postings and timers."""
    actor, rows = here.blueprint.actor, dict[str, list[Mapping[str, object]]]()
    for key, events in by_key.items():
        for version, event in enumerate(events, versions[key] + 1):
            for posting in actor.postings:
                if posting.event is type(event):
                    rows.setdefault(posting.table, []).extend(posting.rows(event))
            for timer in actor.timers:
                if timer.event is type(event):
                    command = timer.then(event)
                    rows.setdefault("timers", []).append(
                        {
                            "timer_id": derived_id(f"{key}@{version}", "timer", wire_name(type(command))),
                            "due_at_ms": here.clock.now_ms() + int(timer.delay_seconds * 1000),
                            "message": subject_of(type(command)),
                            "body": base64.b64encode(await here.privacy.seal(command)).decode(),
                            "headers": event_headers(here, asked),
                        }
                    )
    return rows
