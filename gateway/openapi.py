"""The OpenAPI document, written from the same table and types that serve the requests.

Not Litestar's own: the handlers are raw ASGI, and what a field may hold is said once, in the contract.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any, get_args

import msgspec

from gateway.errors import PROBLEM_TYPE, ProblemDocument
from gateway.live.describing import live_operation
from gateway.live.topics import TOPICS
from gateway.reading import Reader
from gateway.routes import LIVE_PATH, Route
from schemas.message import Accepted, Command, domain_of, reply_type

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
    "Mesh-Trace-Id": {"description": "The trace to look up.", "schema": {"type": "string"}},
    "X-Request-Id": {"description": "The request's id, given or made.", "schema": {"type": "string"}},
}
PROBLEMS = {
    "400": "Something in the request cannot be read; `pointer` names it.",
    "401": "Nobody known is asking.",
    "403": "The roles do not allow it.",
    "404": "There is no such thing, or it is somebody else's.",
    "429": "Too many at once, or too often: try again after `Retry-After` seconds.",
    "503": "It was not executed: try again after `Retry-After` seconds.",
    "504": "No answer in time: repeat it with the same Idempotency-Key.",
}
COMMAND_PROBLEMS = {
    "409": "A rule forbids it; `code` says which.",
    "413": "The body is too large.",
    "415": "The body is no JSON.",
    "422": "The Idempotency-Key was used for another body.",
}
LIVE_PROBLEMS = ("400", "401", "403", "429", "503")


def document(routes: Sequence[Route], version: str) -> dict[str, Any]:
    """Return the whole document."""
    readers = [Reader(route) for route in routes]
    types: list[Any] = [ProblemDocument, Accepted]
    for reader in readers:
        types += [reply_type(reader.message), *([reader.body] if reader.body else [])]
    _, schemas = msgspec.json.schema_components(types, ref_template=TEMPLATE)
    paths: dict[str, dict[str, Any]] = {}
    for route, reader in zip(routes, readers, strict=True):
        paths.setdefault(route.path, {})[route.method.lower()] = operation(route, reader)
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
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


def operation(route: Route, reader: Reader) -> dict[str, Any]:
    """Return what the document says about one route."""
    is_command = issubclass(route.message, Command)
    described: dict[str, Any] = {
        "operationId": route.name,
        "tags": [domain_of(route.message)],
        "summary": inspect.getdoc(route.message) or route.name,
        "parameters": [*parameters(reader), *header_parameters(route, is_command)],
    }
    if reader.body is not None:
        described["requestBody"] = {"required": True, "content": json_of(reader.body.__name__)}
    described["responses"] = responses(route, is_command)
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


def responses(route: Route, is_command: bool) -> dict[str, Any]:
    """Return every answer of an operation."""
    headers = {name: {"$ref": f"#/components/headers/{name}"} for name in ("X-Request-Id", "Mesh-Trace-Id")}
    if route.location:
        headers["Location"] = {"$ref": "#/components/headers/Location"}
    if route.settles is not None:
        view = reply_type(route.settles.shows)
        answers: dict[str, Any] = {
            "201": {"description": "Settled.", "headers": headers, "content": json_of(view.__name__)},
            "202": {"description": "Accepted; it settles later.", "headers": headers, "content": json_of("Accepted")},
        }
    else:
        reply = reply_type(route.message).__name__
        said = {200: "Done." if is_command else "Found.", 201: "Added.", 202: "Accepted."}[route.status]
        answers = {str(route.status): {"description": said, "headers": headers, "content": json_of(reply)}}
    problems = PROBLEMS | (COMMAND_PROBLEMS if is_command else {})
    return answers | {status: {"$ref": f"#/components/responses/Problem{status}"} for status in sorted(problems)}


def problem_responses() -> dict[str, Any]:
    """Return the refusals and failures that operations have in common."""
    content = {PROBLEM_TYPE: {"schema": {"$ref": TEMPLATE.format(name="ProblemDocument")}}}
    return {
        f"Problem{status}": {"description": said, "content": content}
        for status, said in sorted((PROBLEMS | COMMAND_PROBLEMS).items())
    }


def json_of(name: str) -> dict[str, Any]:
    """Return the content of a JSON body by the name of its schema."""
    return {"application/json": {"schema": {"$ref": TEMPLATE.format(name=name)}}}
