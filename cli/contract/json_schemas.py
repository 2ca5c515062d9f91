"""JSON Schemas (2020-12): one a message, another for its answer, each complete in itself and named for ever."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct

from actors.mesh._personal import Inside, personal_fields
from actors.mesh._serve import OWN_QUESTIONS
from cli.contract import messages
from cli.contract.facts import Contract
from schemas.message import Accepted, Event, Failure, Message, Refusal, owner_field, reply_type, sensitive_fields
from schemas.upcasts import version_of

DIALECT = "https://json-schema.org/draft/2020-12/schema"
ID = "urn:actor-mesh:"
"""What every `$id` begins with: a name, no address, so that it stays when files move."""
SHARED: tuple[type[Struct], ...] = (Accepted, Refusal, Failure)
"""What answers any message: accepted, refused by a rule, failed."""


def schema_files(contract: Contract) -> dict[str, bytes]:
    """Return every schema by the name of its file: `orders.command.place_order.json`."""
    found = {f"{struct.__name__.lower()}.json": schema_of(struct, struct.__name__.lower()) for struct in SHARED}
    for name, struct, version in published(contract):
        suffix = f".v{version}" if version else ""
        found[f"{name}{suffix}.json"] = schema_of(struct, f"{name}:{version}" if version else name)
    return {name: pretty(schema) for name, schema in sorted(found.items())}


def published(contract: Contract) -> Iterator[tuple[str, type[Struct], int]]:
    """Yield every message and answer that has a schema of its own; an event with the version it is written at."""
    known = messages()
    for subject, facts in contract.messages.items():
        kind = known.get(subject)
        if kind is None:
            own = OWN_QUESTIONS[subject.rpartition(".")[2]]
            yield subject, own.question, 0
            yield f"{subject}.reply", own.reply, 0
            continue
        yield subject, kind, version_of(kind) if issubclass(kind, Event) else 0
        if facts.reply and (reply := reply_type(kind)) not in SHARED:
            yield f"{subject}.reply", reply, 0


def schema_of(struct: type[Struct], name: str) -> dict[str, Any]:
    """Return a schema that refers to nothing outside itself."""
    _, components = msgspec.json.schema_components([struct], ref_template="#/$defs/{name}")
    marked(components, struct)
    own = components.pop(struct.__name__)
    schema = {"$schema": DIALECT, "$id": ID + name, **own}
    return schema | ({"$defs": dict(sorted(components.items()))} if components else {})


def marked(components: dict[str, Any], struct: type[Struct]) -> None:
    """Write the marks of a struct's fields into its schema, and into those of the structs inside it.

    `x-personal` names the field of the outermost message that holds the person's id: stored and published, such a
    text is sealed.
    """
    for path in personal_fields(struct):
        inside = [step for step in path.steps if isinstance(step, Inside)][-1]
        properties_of(components, inside.struct)[inside.encoded]["x-personal"] = path.person_field
    if not issubclass(struct, Message):
        return
    if owner := owner_field(struct):
        properties_of(components, struct)[owner]["x-owner"] = True
    for name in sensitive_fields(struct):
        properties_of(components, struct)[name] |= {"format": "password", "writeOnly": True, "x-sensitive": True}


def properties_of(components: dict[str, Any], struct: type[Struct]) -> dict[str, Any]:
    properties: dict[str, Any] = components[struct.__name__]["properties"]
    return properties


def pretty(value: Any) -> bytes:
    """Return JSON as it is committed: indented, a line break at the end."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"
