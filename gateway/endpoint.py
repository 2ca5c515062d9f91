"""A route -> an operation: read the message, ask the mesh, pass the reply's bytes on.

The handler is raw ASGI inside Litestar: typed ones would decode, validate and encode again what the contract and the
pool own already, at twice the cost for the whole gateway, and could not say which field was wrong.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

from litestar.exceptions import MethodNotAllowedException, NotFoundException
from litestar.handlers import ASGIRouteHandler
from litestar.types import HTTPScope, Receive, Scope, Send

from actors.mesh import TimedOut
from actors.mesh._ports.world import Clock, Ids
from actors.mesh._principals import Signer
from actors.mesh._telemetry import Span, SpanKind, Telemetry, format_traceparent, parse_traceparent
from gateway.answer import JSON_TYPE, Answer, send_answer
from gateway.auth import Authenticate, admit
from gateway.errors import HttpProblem, answer_of, problem_of
from gateway.limits import Asked, asked_of, read_body
from gateway.mesh import MeshClient, RawReply
from gateway.reading import IN_PATH, Reader
from gateway.routes import Route
from gateway.settling import settle
from schemas.envelope import Envelope, derived_id
from schemas.message import Message, key_of
from schemas.principal import Principal

PREFIX = "/v1"
"""All operations are below it; a version that breaks clients would stand beside it."""

ANY = ""
"""Stands for a field in the shape of a path: no word of a path is empty there, the limits refuse `//`."""

GRACE_SECONDS = 0.5
"""How much longer than the deadline the gateway listens: the pool's own answer about it is better than ours."""

IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,64}")


@dataclass(frozen=True, slots=True)
class Doors:
    """What every endpoint works with."""

    mesh: MeshClient
    authenticate: Authenticate
    signer: Signer
    clock: Clock
    ids: Ids
    telemetry: Telemetry


class Serves(Protocol):
    """Serves one method of one path."""

    @property
    def method(self) -> str:
        """Return the method."""
        ...

    @property
    def path(self) -> str:
        """Return the path, with its parameters in braces."""
        ...

    async def serve(self, scope: Scope, receive: Receive, send: Send, path_fields: Mapping[str, str]) -> None:
        """Answer one request, whatever happens."""
        ...


def endpoint(routes: Sequence[Route], doors: Doors, by_hand: Sequence[Serves] = ()) -> ASGIRouteHandler:
    """Return the one handler below `PREFIX`, which finds the operation in the table.

    A handler a path would be Litestar's way, but its router loses the parameters of raw ASGI routes (2.25: KeyError).
    """
    table = Table([*(Operation(route, doors) for route in routes), *by_hand])

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        operation, path_fields = table.find(str(cast(HTTPScope, scope)["method"]), asked_of(scope).path)
        await operation.serve(scope, receive, send, path_fields)

    return ASGIRouteHandler(PREFIX, is_mount=True, copy_scope=False)(handle)


class Table:
    """Finds the operation of a method and path: by the path's words first, else by the place of its parameters.

    Where two shapes fit, the one counts whose words come first: `/users/{user_id}/sessions/revoke` is no session.
    """

    def __init__(self, operations: Sequence[Serves]) -> None:
        paths: dict[tuple[str, ...], dict[str, Serves]] = {}
        for operation in operations:
            if not operation.path.startswith(f"{PREFIX}/"):
                raise ValueError(f"{operation.path} is not below {PREFIX}")
            shape = tuple(ANY if IN_PATH.fullmatch(word) else word for word in operation.path.split("/"))
            paths.setdefault(shape, {})[operation.method] = operation
        self._paths = dict(sorted(paths.items(), key=lambda path: [word == ANY for word in path[0]]))

    def find(self, method: str, path: str) -> tuple[Serves, dict[str, str]]:
        """Return the operation and its path fields; raise what Litestar raises where there is none."""
        words = tuple(path.split("/"))
        operations = self._paths.get(words)
        if operations is None:
            operations = next((found for shape, found in self._paths.items() if fits(shape, words)), None)
        if operations is None:
            raise NotFoundException
        operation = operations.get(method)
        if operation is None:
            raise MethodNotAllowedException(headers={"allow": ", ".join(sorted(operations))})
        named = zip(operation.path.split("/"), words, strict=True)
        return operation, {word[1:-1]: given for word, given in named if IN_PATH.fullmatch(word)}


def fits(shape: tuple[str, ...], words: tuple[str, ...]) -> bool:
    """Return whether a path has the shape of a route: the same words, and something wherever a field is."""
    return len(shape) == len(words) and all(
        word == given or (word == ANY and given != ANY) for word, given in zip(shape, words, strict=True)
    )


class Operation:
    """Serves the requests of one route."""

    def __init__(self, route: Route, doors: Doors) -> None:
        self.route = route
        self.method, self.path = route.method, route.path
        self.doors = doors
        self.reader = Reader(route)
        self.span_name = f"{route.method} {route.path}"

    async def serve(self, scope: Scope, receive: Receive, send: Send, path_fields: Mapping[str, str]) -> None:
        """Answer one request, whatever happens, within one server span."""
        asked = asked_of(scope)
        with self.doors.telemetry.span(
            self.span_name,
            SpanKind.SERVER,
            parent=parse_traceparent(asked.headers.get("traceparent")),
            attributes={"http.request.method": self.route.method, "http.route": self.route.path},
            start_ns=asked.start_ns,
        ) as span:
            asked.trace_id = span.context.trace_id.hex()
            try:
                answer = await self._answer(asked, scope["query_string"], path_fields, receive, span)
            except Exception as error:  # noqa: BLE001 - the edge: a client gets a problem document, not a closed socket
                answer = problem_answer(error, asked, span)
            span.set("http.response.status_code", answer.status)
            await send_answer(send, answer)

    async def _answer(
        self, asked: Asked, query: bytes, path_fields: Mapping[str, str], receive: Receive, span: Span
    ) -> Answer:
        authorization = asked.headers.get("authorization", "")
        principal = await admit(self.doors.authenticate, authorization, self.route.message)
        command_id = self._command_id(principal, asked)
        body = await read_json(asked, receive) if self.reader.body is not None else b""
        message = self.reader.read(principal, path_fields, query, body, command_id)
        envelope = self._envelope(principal, command_id, span)
        if self.route.settles is None:
            reply = await self._ask(message, envelope, self.route.deadline_seconds)
            return Answer(self.route.status, reply.body, self._found_at(message))
        return await settle(
            self.route.settles,
            message,
            mesh=self.doors.mesh,
            clock=self.doors.clock,
            send=lambda: self._ask(message, envelope, self.route.deadline_seconds),
            ask=lambda question, seconds: self._ask_after(envelope, question, seconds),
            location=self._found_at(message),
            waits="respond-async" not in asked.headers.get("prefer", "").lower(),
        )

    def _command_id(self, principal: Principal, asked: Asked) -> str:
        """A client's key names the command: the same key, principal and operation are the same command."""
        key = asked.headers.get("idempotency-key")
        if key is None:
            return self.doors.ids.new()
        if not IDEMPOTENCY_KEY.fullmatch(key):
            raise HttpProblem(400, "idempotency_key_invalid", "an Idempotency-Key is 1 to 64 visible characters")
        return derived_id(principal.subject, self.route.name, key)

    def _envelope(self, principal: Principal, command_id: str, span: Span) -> Envelope:
        now_ms = self.doors.clock.now_ms()
        return Envelope(
            command_id=command_id,
            correlation_id=command_id,
            issued_at_ms=now_ms,
            deadline_ms=now_ms + round(self.route.deadline_seconds * 1000),
            principal=self.doors.signer.sign(principal),
            traceparent=format_traceparent(span.context),
        )

    async def _ask_after(self, command: Envelope, question: Message, seconds: float) -> RawReply:
        """Ask what became of a command, in the name of whoever sent it."""
        now_ms = self.doors.clock.now_ms()
        envelope = Envelope(
            command_id=self.doors.ids.new(),
            cause_id=command.command_id,
            correlation_id=command.correlation_id,
            issued_at_ms=now_ms,
            deadline_ms=now_ms + round(seconds * 1000),
            principal=command.principal,
            traceparent=command.traceparent,
        )
        return await self._ask(question, envelope, seconds)

    async def _ask(self, message: Message, envelope: Envelope, seconds: float) -> RawReply:
        try:
            async with asyncio.timeout(seconds + GRACE_SECONDS):
                return await self.doors.mesh.ask_raw(message, envelope)
        except TimeoutError:
            raise TimedOut("the mesh did not answer within the deadline") from None

    def _found_at(self, message: Message) -> tuple[tuple[str, str], ...]:
        return (("location", self.route.location.format(key_of(message))),) if self.route.location else ()


def problem_answer(error: Exception, asked: Asked, span: Span) -> Answer:
    """Return what a client is told about an error, and note it on the span."""
    problem = problem_of(error)
    span.set("mesh.refusal" if problem.status < 500 else "error.type", problem.code)
    if problem.status >= 500:
        span.fail(problem.code)
    return answer_of(problem, asked.request_id)


async def read_json(asked: Asked, receive: Receive) -> bytes:
    """Return the body of a request that says it is JSON."""
    media_type = asked.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != JSON_TYPE:
        raise HttpProblem(415, "media_type_unknown", f"send {JSON_TYPE}")
    return await read_body(receive)
