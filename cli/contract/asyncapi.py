"""The AsyncAPI 3.0 document: what a program that joins may send, what it is answered, and what it may follow."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from typing import Any

import msgspec

from actors.mesh._blueprint import draw
from cli.contract.facts import Contract, MessageFacts
from cli.contract.json_schemas import SHARED, marked, published
from schemas import envelope
from schemas.envelope import ERROR, REPEATED, Envelope
from schemas.message import SHARDS, Failure, Refusal

VERSION = "3.0.0"
BINDING = "0.1.0"
SCHEMA_REF = "#/components/schemas/"
MESSAGE_REF = "#/components/messages/"
CORRELATION = {"$ref": "#/components/correlationIds/story"}
ON_EVENTS = "On an event: "
ON_REPLIES = "On a reply: "
ERRORS = {Refusal.__name__: "refused", Failure.__name__: "failed"}
"""What the header `Mesh-Error` of an answer says that is no reply."""
ABOUT = """Commands and queries are asked by request and reply, each by the subject of its entity; commands can also be
told to a stream, and are done once; events are kept in streams and followed. All bodies are JSON.
Strings marked `x-personal` are sealed in events."""


def document(contract: Contract) -> dict[str, Any]:
    """Return the whole document."""
    channels, operations = dict[str, Any](), dict[str, Any]()
    for subject, facts in contract.messages.items():
        channels |= dict(channels_of(subject, facts))
        operations |= dict(operations_of(subject, facts))
    return {
        "asyncapi": VERSION,
        "info": {"title": "Actor Mesh", "version": contract.release, "description": " ".join(ABOUT.split())},
        "defaultContentType": "application/json",
        "servers": {"nats": {"host": "127.0.0.1:4222", "protocol": "nats"}},
        "channels": channels,
        "operations": dict(sorted(operations.items())),
        "components": {
            "messages": messages_of(contract),
            "schemas": schemas_of(contract) | header_schemas(),
            "correlationIds": {
                "story": {
                    "description": notes()[envelope.CORRELATION_ID],
                    "location": f"$message.header#/{envelope.CORRELATION_ID}",
                }
            },
        },
    }


def id_of(subject: str, facts: MessageFacts) -> str:
    """Return what a message is called: its own name, and for a question of the mesh's own also whose."""
    is_own = bool(facts.readers) and facts.readers[0].part == "mesh"
    return f"{facts.domain}.{facts.name}" if is_own else facts.name


def channels_of(subject: str, facts: MessageFacts) -> Iterator[tuple[str, Any]]:
    """Yield the channel of a message, that of its answer, and that where it is told."""
    name = id_of(subject, facts)
    last = "shard" if facts.kind == "event" else facts.key
    channel: dict[str, Any] = {
        "address": f"{subject}.{{{last}}}" if last else f"{subject}._",
        "messages": {name: {"$ref": MESSAGE_REF + name}},
    }
    if last:
        channel["parameters"] = {last: parameter(facts)}
    if facts.kind == "event":
        channel["x-jetstream"] = stream_of(facts.domain, 0)
    yield subject, channel
    if facts.told:
        told = subject.replace(".command.", ".tell.", 1)
        address = channel["address"].replace(".command.", ".tell.", 1)
        yield told, {**channel, "address": address, "x-jetstream": stream_of(facts.domain, 1)}
    if facts.reply:
        answers = (facts.reply, *ERRORS)
        yield (
            f"{subject}.reply",
            {
                "address": None,
                "description": "The inbox that the request names.",
                "messages": {answer: {"$ref": MESSAGE_REF + answer} for answer in answers},
            },
        )


def parameter(facts: MessageFacts) -> dict[str, Any]:
    if facts.kind == "event":
        return {"description": f"FNV-1a 32 of the id in `{facts.key}`, modulo {SHARDS}: a key's events are in one."}
    return {"description": f"The same as `{facts.key}` in the body.", "location": f"$message.payload#/{facts.key}"}


def stream_of(domain: str, which: int) -> dict[str, Any]:
    """Return the stream of a domain's events, or of what it is told."""
    from actors.__main__ import ACTORS

    spec = draw(ACTORS[domain]).streams[which]
    return {"stream": spec.name, "subjects": list(spec.subjects), "workQueue": spec.is_work_queue}


def operations_of(subject: str, facts: MessageFacts) -> Iterator[tuple[str, Any]]:
    """Yield what the mesh does with a message: it takes commands and queries, and sends and follows events."""
    name = id_of(subject, facts)
    if facts.kind == "event":
        yield name, operation("send", subject, name, about=facts.about)
        for domain in dict.fromkeys(reader.domain for reader in facts.readers):
            own = [reader for reader in facts.readers if reader.domain == domain]
            followed = operation("receive", subject, name, about=f"{domain} follows {name}.")
            yield f"{domain}.follows.{name}", followed | {"x-readers": [f"{one.part} {one.name}" for one in own]}
        return
    reply, answers = f"{subject}.reply", (facts.reply, *ERRORS)
    allowed = {"x-permission": facts.permission, "x-roles": facts.roles} if facts.permission else {}
    queue = {"bindings": {"nats": {"queue": facts.domain, "bindingVersion": BINDING}}}
    answered = {
        "channel": {"$ref": f"#/channels/{reply}"},
        "messages": [{"$ref": f"#/channels/{reply}/messages/{answer}"} for answer in answers],
    }
    yield name, operation("receive", subject, name, about=facts.about) | allowed | queue | {"reply": answered}
    if facts.told:
        told = subject.replace(".command.", ".tell.", 1)
        yield f"Tell{name}", operation("receive", told, name, about=facts.about) | allowed


def operation(action: str, channel: str, message: str, *, about: str) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        **({"summary": about} if about else {}),
        "messages": [{"$ref": f"#/channels/{channel}/messages/{message}"}],
    }


def messages_of(contract: Contract) -> dict[str, Any]:
    """Return every message and every answer."""
    found: dict[str, Any] = {}
    for subject, facts in contract.messages.items():
        name = id_of(subject, facts)
        found[name] = message(facts.name, facts.kind, about=facts.about)
        if facts.kind == "event":
            found[name] |= {"x-version": facts.version, "x-private": facts.private}
        if facts.reply and facts.reply not in ERRORS:
            found.setdefault(facts.reply, message(facts.reply, "reply"))
    found |= {name: message(name, kind) for name, kind in ERRORS.items()}
    return dict(sorted(found.items()))


def message(name: str, kind: str, *, about: str = "") -> dict[str, Any]:
    story = {} if kind in ("query", "reply", *ERRORS.values()) else {"correlationId": CORRELATION}
    return {
        "name": name,
        **({"summary": about} if about else {}),
        "headers": {"$ref": f"{SCHEMA_REF}headers.{kind}"},
        "payload": {"$ref": SCHEMA_REF + name},
        **story,
    }


def schemas_of(contract: Contract) -> dict[str, Any]:
    """Return every schema once, those inside others too."""
    structs = dict.fromkeys([*SHARED, *(struct for _, struct, _ in published(contract))])
    _, found = msgspec.json.schema_components(structs, ref_template=SCHEMA_REF + "{name}")
    for struct in structs:
        marked(found, struct)
    return dict(sorted(found.items()))


def header_schemas() -> dict[str, Any]:
    """Return what each kind of message carries beside its body."""
    full = Envelope(
        command_id="-", cause_id="-", correlation_id="+", issued_at_ms=1, deadline_ms=1, principal="-",
        traceparent="-", tracestate="-",
    )  # fmt: skip
    stored = msgspec.structs.replace(full, command_id="", deadline_ms=0, principal="").headers()
    kinds = {
        "command": [*full.request_headers(is_command=True)],
        "query": [*full.request_headers(is_command=False)],
        "event": [*stored, *(name for name, note in notes().items() if note.startswith(ON_EVENTS))],
        "reply": [REPEATED],
    }
    found = {f"headers.{kind}": headers(names) for kind, names in kinds.items()}
    for kind in ERRORS.values():
        error = headers([ERROR])
        error["properties"][ERROR]["const"] = kind
        found[f"headers.{kind}"] = error | {"required": [ERROR]}
    return found


def headers(names: list[str]) -> dict[str, Any]:
    told = notes()
    properties = {
        name: {"type": "string", "description": capital(told[name].removeprefix(ON_EVENTS).removeprefix(ON_REPLIES))}
        for name in names
    }
    return {"type": "object", "properties": properties}


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]


@cache
def notes() -> dict[str, str]:
    """Return what `schemas/envelope.py` says of each header."""
    body = ast.parse(inspect.getsource(envelope)).body
    found: dict[str, str] = {}
    for at, told in pairwise(body):
        match at, told:
            case (
                ast.Assign(value=ast.Constant(value=str(name))),
                ast.Expr(value=ast.Constant(value=str(note))),
            ):
                found[name] = " ".join(note.split())
    return found
