"""The contract of this code, read off its declarations: messages, actors, roles, routes and topics. No list by hand."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct

from actors.__main__ import ACTORS
from actors.mesh import Refused
from actors.mesh._actor import Actor
from actors.mesh._readers import Reader, fields_read, readers, senders
from actors.mesh._serve import OWN_QUESTIONS, OwnQuestion
from actors.mesh._telling import refuse_untellable
from cli.contract import messages
from cli.contract.facts import Contract, MessageFacts, ReaderFacts, Scope
from cli.contract.fields import fields_of
from gateway.live.topics import TOPICS
from gateway.routes import ROUTES
from schemas.message import (
    Accepted,
    Command,
    Event,
    Message,
    domain_of,
    key_field,
    kind_of,
    owner_field,
    reply_type,
)
from schemas.principal import PERMISSIONS, Principal, Role, allows, confined, held, permission
from schemas.upcasts import UNCHANGED, lifts_of, schema_of, version_of, versions

ROOT = Path(__file__).resolve().parents[2]
REPLIES = (Accepted,)


def read_contract() -> Contract:
    """Return the contract of this code."""
    reading, sending = by_message(readers), by_message(senders)
    for reader in (*awaited(), *shown_live()):
        reading.setdefault(reader.message, []).append(facts_of(reader))
    for reader in routed():
        sending.setdefault(reader.message, []).append(facts_of(reader))
    found = {
        subject: of_message(kind, tuple(reading.get(kind, ())), tuple(sending.get(kind, ())))
        for subject, kind in messages().items()
    }
    for actor in ACTORS.values():
        found |= {f"{actor.name}.query.{name}": of_own(actor, name, own) for name, own in OWN_QUESTIONS.items()}
    return Contract(release=release(), messages=dict(sorted(found.items())))


def release() -> str:
    """Return the version of this code."""
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"])


def of_message(kind: type[Message], reading: tuple[ReaderFacts, ...], sending: tuple[ReaderFacts, ...]) -> MessageFacts:
    """Return the facts of one message."""
    common: dict[str, Any] = {
        "name": kind.__name__,
        "domain": domain_of(kind),
        "kind": kind_of(kind),
        "about": about(kind),
        "key": key_field(kind) or "",
        "strict": kind.__struct_config__.forbid_unknown_fields,
        "fields": fields_of(kind),
        "senders": sending,
    }
    if issubclass(kind, Event):
        private = any(kind in actor.private for actor in ACTORS.values())
        return MessageFacts(**common, **version_facts(kind), private=private, readers=reading)
    reply = reply_type(kind)
    return MessageFacts(
        **common,
        owner=owner_field(kind) or "",
        permission=permission(kind),
        roles=roles_of(kind),
        told=issubclass(kind, Command) and can_be_told(kind),
        reply=reply.__name__,
        reply_fields={} if reply in REPLIES else fields_of(reply),
        readers=(home(kind),),
    )


def about(struct: type[Struct]) -> str:
    """Return the first sentence of a docstring, empty where only msgspec's own is there."""
    return " ".join((struct.__dict__.get("__doc__") or "").split("\n\n")[0].split())


def version_facts(event: type[Event]) -> dict[str, Any]:
    """Return at which version an event is written, from which older ones it is lifted, and who reads it as it is."""
    lifts = lifts_of(event)
    return {
        "version": version_of(event),
        "since": versions(schema_of(event))[1],
        "lifted_from": tuple(at for at, lift in enumerate(lifts, 1) if lift not in UNCHANGED),
    }


def roles_of(kind: type[Message]) -> dict[str, Scope]:
    """Return the roles that may send a message: about their own only, or about all."""
    found: dict[str, Scope] = {}
    for role in PERMISSIONS:
        principal = Principal(subject="somebody", roles=(role,))
        if allows(principal, kind):
            found[role] = "own" if owner_field(kind) and confined(principal, kind) else "all"
    return found


def can_be_told(kind: type[Command[Any]]) -> bool:
    """Return whether a tool may tell it: it holds no secret, and its answer is no more than that it was accepted."""
    try:
        refuse_untellable(kind)
    except Refused:
        return False
    return True


def home(kind: type[Message]) -> ReaderFacts:
    return ReaderFacts(
        domain=domain_of(kind), part="decision" if issubclass(kind, Command) else "answer", name=kind.__name__
    )


def of_own(actor: Actor, name: str, own: OwnQuestion) -> MessageFacts:
    """Return the facts of a question that the mesh itself answers in every domain."""
    wanted = f"{actor.name}:{own.permission}" if own.permission else ""
    roles: tuple[Role, ...] = tuple(PERMISSIONS)
    return MessageFacts(
        name=own.question.__name__,
        domain=actor.name,
        kind="query",
        about=about(own.question),
        key=own.key,
        permission=wanted,
        roles={role: "all" for role in roles if wanted and held((role,), wanted)},
        strict=own.question.__struct_config__.forbid_unknown_fields,
        fields=fields_of(own.question),
        reply=own.reply.__name__,
        reply_fields=fields_of(own.reply),
        readers=(ReaderFacts(domain=actor.name, part="mesh", name=name),),
    )


def by_message(of_actor: Any) -> dict[type[Message], list[ReaderFacts]]:
    found: dict[type[Message], list[ReaderFacts]] = {}
    for actor in ACTORS.values():
        for reader in of_actor(actor):
            found.setdefault(reader.message, []).append(facts_of(reader))
    return found


def facts_of(reader: Reader) -> ReaderFacts:
    return ReaderFacts(domain=reader.domain, part=reader.part, name=reader.name, fields=fields_read(reader))


def routed() -> Iterator[Reader]:
    """Yield the routes as senders of their messages; what fills a field from path, principal or body names it all."""
    for route in ROUTES:
        every = frozenset(route.message.__struct_fields__)
        yield Reader("gateway", "route", f"{route.method} {route.path}", route.message, also=every)
        if route.settles is not None:
            shows = route.settles.shows
            yield Reader("gateway", "route", f"{route.method} {route.path}", shows, (route.settles.show,))


def awaited() -> Iterator[Reader]:
    """Yield the routes as readers of the events they wait for."""
    for route in ROUTES:
        if route.settles is None:
            continue
        name = f"{route.method} {route.path}"
        for event in route.settles.success:
            yield Reader("gateway", "route", name, event)
        for event, tell in route.settles.failure.items():
            yield Reader("gateway", "route", name, event, (tell,))


def shown_live() -> Iterator[Reader]:
    """Yield the live topics as readers of their events."""
    for topic in TOPICS:
        for event in topic.events:
            yield Reader("gateway", "topic", topic.name, event, also=frozenset(topic.shows))


def subject_with_key(subject: str, facts: MessageFacts) -> str:
    """Return where a message travels, its last part named: `orders.event.order_placed.<shard>`."""
    return f"{subject}.<{'shard' if facts.kind == 'event' else facts.key or '_'}>"
