"""The OpenAPI document, written from the same table and types that serve the requests.

Not Litestar's own: the handlers are raw ASGI, and what a field may hold is said once, in the contract.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any, get_args

import msgspec

from gateway.auth import needs_nobody
from gateway.errors import PROBLEM_TYPE, ProblemDocument
from gateway.live.describing import live_operation
from gateway.live.topics import TOPICS
from gateway.reading import Reader
from gateway.routes import LIVE_PATH, Route
from schemas.message import Accepted, Command, domain_of, key_field, reply_type, sensitive_fields

VERSION = "3.1.0"
TEMPLATE = "#/components/schemas/{name}"
ID_IN_HEADER = {"type": "string", "pattern": "^[\\x21-\\x7e]{1,64}$"}
IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "Names the command, so that a repeat is the same one. Make one for each thing a person wants.",
    "schema": ID_IN_HEADER,
}
PREFER = {
    "name": "Prefer",
    "in": "header",
    "description": "`respond-async` answers 202 as soon as the command is accepted.",
    "schema": {"type": "string"},
}
HEADERS = {
    "Location": {"description": "Where the entity is found.", "schema": {"type": "string"}},
    "Retry-After": {"description": "When to try again, in seconds.", "schema": {"type": "integer"}},
    "WWW-Authenticate": {"description": "How to show who one is.", "schema": {"type": "string"}},
    "Mesh-Trace-Id": {"description": "The trace to look up.", "schema": {"type": "string"}},
    "X-Request-Id": {"description": "The request's id, given or made.", "schema": {"type": "string"}},
}
PROBLEMS = {
    "400": "Something in the request cannot be read; `pointer` names it.",
    "401": "Nobody known is asking, or what they show counts no more.",
    "403": "The roles do not allow it.",
    "404": "There is no such thing, or it is somebody else's.",
    "408": "The body did not arrive in time.",
    "409": "A rule forbids it; `code` says which.",
    "410": "It is over; `code` says what.",
    "413": "The body is too large.",
    "415": "The body is no JSON, or it is compressed.",
    "422": "The Idempotency-Key was used for another body.",
    "429": "Too much of it: try again after `Retry-After` seconds.",
    "431": "The headers are too many or too long.",
    "502": "The service failed: repeat it with the same Idempotency-Key.",
    "503": "It was not executed: try again after `Retry-After` seconds.",
    "504": "No answer in time: repeat it with the same Idempotency-Key.",
}
OF_COMMANDS = frozenset(("409", "410", "422"))
OF_BODIES = frozenset(("408",))
OF_THE_KNOWN = frozenset(("403",))
HEADERS_OF_PROBLEMS = {"401": "WWW-Authenticate", "429": "Retry-After", "503": "Retry-After"}
LIVE_PROBLEMS = ("400", "401", "403", "429", "431", "503")


def document(routes: Sequence[Route], version: str) -> dict[str, Any]:
    """Return the whole document."""
    readers = [Reader(route) for route in routes]
    types: list[Any] = [ProblemDocument, Accepted]
    for reader in readers:
        types += [reply_type(reader.message), *([reader.body] if reader.body else [])]
    _, schemas = msgspec.json.schema_components(types, ref_template=TEMPLATE)
    hide_sensitive(readers, schemas)
    paths: dict[str, dict[str, Any]] = {}
    for route, reader in zip(routes, readers, strict=True):
        paths.setdefault(route.path, {})[route.method.lower()] = operation(route, reader, links(route, readers))
    paths[LIVE_PATH] = {"get": live_operation(TOPICS, LIVE_PROBLEMS)}
    return {
        "openapi": VERSION,
        "info": {"title": "Actor Mesh", "version": version},
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}],
        "tags": [{"name": name} for name in sorted({"live", *(domain_of(route.message) for route in routes)})],
        "paths": paths,
        "components": {
            "headers": HEADERS,
            "responses": problem_responses(),
            "schemas": dict(sorted(schemas.items())),
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def hide_sensitive(readers: Sequence[Reader], schemas: dict[str, Any]) -> None:
    """Mark in the bodies what nobody may keep or show."""
    for reader in readers:
        if reader.body is not None:
            fields = schemas[reader.body.__name__]["properties"]
            for name in set(sensitive_fields(reader.message)) & fields.keys():
                fields[name] |= {"format": "password", "writeOnly": True}


def operation(route: Route, reader: Reader, linked: dict[str, Any]) -> dict[str, Any]:
    """Return what the document says about one route."""
    is_command = issubclass(route.message, Command)
    described: dict[str, Any] = {
        "operationId": route.name,
        "tags": [domain_of(route.message)],
        "summary": inspect.getdoc(route.message) or route.name,
        "x-permission": route.permission,
        "parameters": [*parameters(reader), *header_parameters(route, is_command)],
    }
    if reader.body is not None:
        described["requestBody"] = {"required": True, "content": json_of(reader.body.__name__)}
    if needs_nobody(route.message):
        described["security"] = []
    described["responses"] = responses(route, reader)
    for status, found in linked.items():
        described["responses"][status]["links"] = found
    return described


def parameters(reader: Reader) -> list[dict[str, Any]]:
    """Return the path's fields and those of the query string, in the order of the contract."""
    found = []
    for field in msgspec.structs.fields(reader.message):
        in_path = field.name in reader.path_fields
        if not in_path and field.name not in reader.query_fields:
            continue
        described = {"name": field.name, "in": "path" if in_path else "query", "required": in_path}
        if field.name == reader.owner and not in_path:
            described["description"] = "For whom; customers are always asking for themselves."
        found.append(described | {"schema": parameter_schema(reader.hints[field.name])})
    return found


def parameter_schema(hint: Any) -> dict[str, Any]:
    """Return the schema of a field, without the null that a query string cannot say."""
    (schema,), _ = msgspec.json.schema_components([hint], ref_template=TEMPLATE)
    if type(None) in get_args(hint) or "anyOf" in schema or None in schema.get("enum", ()):
        choices = [choice for choice in schema.get("anyOf", ()) if choice != {"type": "null"}]
        schema = choices[0] if len(choices) == 1 else schema
        if "enum" in schema:
            schema = schema | {"enum": [value for value in schema["enum"] if value is not None]}
    return schema


def header_parameters(route: Route, is_command: bool) -> list[dict[str, Any]]:
    """Return the headers that change what an operation does."""
    if not is_command:
        return []
    return [IDEMPOTENCY_KEY, PREFER] if route.settles else [IDEMPOTENCY_KEY]


def responses(route: Route, reader: Reader) -> dict[str, Any]:
    """Return every answer of an operation."""
    headers = {name: {"$ref": f"#/components/headers/{name}"} for name in ("X-Request-Id", "Mesh-Trace-Id")}
    if route.location:
        headers["Location"] = {"$ref": "#/components/headers/Location"}
    answers = {
        status: {"description": said, "headers": headers, "content": json_of(reply.__name__)}
        for status, (said, reply) in replies(route).items()
    }
    return answers | {status: {"$ref": f"#/components/responses/Problem{status}"} for status in refusals(route, reader)}


def replies(route: Route) -> dict[str, tuple[str, Any]]:
    """Return the good answers of an operation by status: what is said, and the type of it."""
    if route.settles is not None:
        settled = ("Settled.", reply_type(route.settles.shows))
        return {"201": settled, "202": ("Accepted; it settles later.", reply_type(route.message))}
    done = "Done." if issubclass(route.message, Command) else "Found."
    return {str(route.status): ({200: done, 201: "Added.", 202: "Accepted."}[route.status], reply_type(route.message))}


def refusals(route: Route, reader: Reader) -> list[str]:
    """Return the statuses an operation may refuse or fail with."""
    never = frozenset[str]()
    never |= OF_COMMANDS if not issubclass(route.message, Command) else never
    never |= OF_BODIES if reader.body is None else never
    never |= OF_THE_KNOWN if needs_nobody(route.message) else never
    return sorted(PROBLEMS.keys() - never)


def links(route: Route, readers: Sequence[Reader]) -> dict[str, dict[str, Any]]:
    """Return by status what can be asked next about an entity that was made, and where its id is in the answer."""
    key = key_field(route.message)
    if route.status != 201 or key is None:
        return {}
    return {
        status: {
            reader.route.name: link(reader, key, reply)
            for reader in readers
            if key in reader.path_fields and set(reader.path_fields) == {key}
        }
        for status, (_, reply) in replies(route).items()
    }


def link(reader: Reader, key: str, reply: Any) -> dict[str, Any]:
    """Return how an operation is asked about what an answer shows, with a body where the answer has all of it."""
    holds = reply.__struct_fields__
    found: dict[str, Any] = {"operationId": reader.route.name}
    found["parameters"] = {key: f"$response.body#/{key if key in holds else 'entity_id'}"}
    if reader.body is not None and set(reader.body.__struct_fields__) <= set(holds):
        found["requestBody"] = {name: f"$response.body#/{name}" for name in reader.body.__struct_fields__}
    return found


def problem_responses() -> dict[str, Any]:
    """Return the refusals and failures that operations have in common."""
    content = {PROBLEM_TYPE: {"schema": {"$ref": TEMPLATE.format(name="ProblemDocument")}}}
    found: dict[str, Any] = {}
    for status, said in PROBLEMS.items():
        found[f"Problem{status}"] = {"description": said, "content": content}
        if (name := HEADERS_OF_PROBLEMS.get(status)) is not None:
            found[f"Problem{status}"]["headers"] = {name: {"$ref": f"#/components/headers/{name}"}}
    return found


def json_of(name: str) -> dict[str, Any]:
    """Return the content of a JSON body by the name of its schema."""
    return {"application/json": {"schema": {"$ref": TEMPLATE.format(name=name)}}}
