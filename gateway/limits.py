"""What any request may be: how large, how slow, how many at once; and the id it is known by."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, cast

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPReceiveMessage, Message, Receive, Scope, Send

from actors.mesh._ports.world import Clock, Ids
from gateway.answer import send_answer
from gateway.errors import RETRY_AFTER_SECONDS, HttpProblem, answer_of

REQUEST_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")
ONCE = frozenset(
    ("authorization", "content-length", "content-type", "host", "idempotency-key", "last-event-id", "x-request-id")
)
"""Headers of which a second one would let two readers see two different requests."""
ALWAYS_SERVED = frozenset(("/healthz", "/readyz"))
"""A full process is alive: whoever asks must be told so, or it is killed for its success."""
SCOPE_KEY = "mesh.asked"

POLICY = 1008
"""WebSocket's "not allowed here"."""

SENT_ALWAYS = ((b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store"))
CLOSE = (("connection", "close"),)
"""The rest of such a request is not read, so the connection cannot be used again."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """The limits of one process."""

    headers: int = 64
    header_bytes: int = 8 * 1024
    """A browser sends a tenth of it; both servers take 200 KB."""
    body_bytes: int = 64 * 1024
    """An order of fifty lines is 4 KB."""
    body_seconds: float = 10.0
    """Time for the whole body: a phone in a tunnel makes it, one who holds connections open does not."""
    running: int = 512
    """More than a core serves within a deadline: what comes on top would only wait and expire."""


@dataclass(slots=True)
class Asked:
    """What is known about a request before it is routed, and for its answer."""

    request_id: str
    path: str
    """As it was asked for; Litestar cuts the scope's at a mount."""
    headers: dict[str, str] = field(default_factory=dict)
    start_ns: int = 0
    trace_id: str = ""
    leave: Callable[[], None] = lambda: None
    """Count no more among those that are running: an answer that goes on for hours is no work that others wait for."""


def asked_of(scope: Scope) -> Asked:
    """Return what `Limits` noted about the request."""
    return cast(Asked, cast(dict[str, Any], scope)[SCOPE_KEY])


class Limits:
    """Wraps the whole app, so that what is refused here has cost next to nothing."""

    def __init__(self, app: ASGIApp, *, clock: Clock, ids: Ids, bounds: Bounds) -> None:
        self._app = app
        self._clock = clock
        self._ids = ids
        self._bounds = bounds
        self._running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await send({"type": "websocket.close", "code": POLICY, "reason": "there are no sockets here"})
            return
        asked = Asked(self._ids.new(), scope["path"], start_ns=self._clock.now_ns())
        cast(dict[str, Any], scope)[SCOPE_KEY] = asked
        stamped = self._stamped(send, asked)
        asked.leave = self._entered()
        try:
            asked.headers = read_headers(scope["headers"], self._bounds)
            if REQUEST_ID.fullmatch(given := asked.headers.get("x-request-id", "")):
                asked.request_id = given
            self._admit(scope["path"], asked.headers)
        except HttpProblem as problem:
            await send_answer(stamped, answer_of(problem, asked.request_id))
        else:
            await self._app(scope, self._bounded(receive), stamped)
        finally:
            asked.leave()

    def _entered(self) -> Callable[[], None]:
        self._running += 1
        is_in = True

        def leave() -> None:
            nonlocal is_in
            self._running -= is_in
            is_in = False

        return leave

    def _admit(self, path: str, headers: dict[str, str]) -> None:
        if self._running > self._bounds.running and path not in ALWAYS_SERVED:
            wait = (("retry-after", str(RETRY_AFTER_SECONDS)),)
            raise HttpProblem(503, "overloaded", "too much waits already; it was not executed", headers=wait)
        if "//" in path or (path.endswith("/") and path != "/"):
            raise HttpProblem(404, "path_unknown", "a path has one spelling")
        if headers.get("content-encoding", "identity").lower() != "identity":
            raise HttpProblem(415, "encoding_unknown", "send the body as it is", headers=CLOSE)
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit()):
            raise HttpProblem(400, "request_malformed", "the content length is no number", headers=CLOSE)
        if len(length) > 12 or int(length) > self._bounds.body_bytes:
            raise self._too_large()

    def _too_large(self) -> HttpProblem:
        detail = f"a body has at most {self._bounds.body_bytes} bytes"
        return HttpProblem(413, "body_too_large", detail, headers=CLOSE)

    def _bounded(self, receive: Receive) -> Receive:
        """Count what is received, and end it in time; after the body only a disconnect can come, and that may wait."""
        seen = 0
        deadline: float | None = None
        whole = False

        async def bounded() -> HTTPReceiveMessage:
            nonlocal seen, deadline, whole
            if whole:
                return cast(HTTPReceiveMessage, await receive())
            if deadline is None:
                deadline = asyncio.get_running_loop().time() + self._bounds.body_seconds
            try:
                async with asyncio.timeout_at(deadline):
                    message = cast(HTTPReceiveMessage, await receive())
            except TimeoutError:
                detail = f"the body did not arrive within {self._bounds.body_seconds:g} s"
                raise HttpProblem(408, "body_too_slow", detail, headers=CLOSE) from None
            if message["type"] == "http.request":
                seen += len(message.get("body", b""))
                whole = not message.get("more_body", False)
                if seen > self._bounds.body_bytes:
                    raise self._too_large()
            return message

        return bounded

    def _stamped(self, send: Send, asked: Asked) -> Send:
        async def stamped(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = {name for name, _ in message["headers"]}
                added = [(name, value) for name, value in SENT_ALWAYS if name not in own]
                added.append((b"x-request-id", asked.request_id.encode()))
                if asked.trace_id:
                    added.append((b"mesh-trace-id", asked.trace_id.encode()))
                message["headers"] = [*message["headers"], *added]
            await send(message)

        return stamped


def read_headers(raw: Iterable[tuple[bytes, bytes]], bounds: Bounds) -> dict[str, str]:
    """Return the headers by lower-case name; raise HttpProblem where they are too many, too long or ambiguous."""
    headers: dict[str, str] = {}
    size = 0
    for count, (name_bytes, value) in enumerate(raw, 1):
        size += len(name_bytes) + len(value)
        if count > bounds.headers or size > bounds.header_bytes:
            raise HttpProblem(431, "headers_too_large", "send fewer or shorter headers", headers=CLOSE)
        name = name_bytes.decode("latin-1").lower()
        if name in headers and name in ONCE:
            raise HttpProblem(400, "header_repeated", f"give {name} once", headers=CLOSE)
        headers[name] = value.decode("latin-1")
    return headers


async def read_body(receive: Receive) -> bytes:
    """Return the whole body; what `Limits` counts bounds it."""
    chunks: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise HttpProblem(400, "request_malformed", "the body ended early", headers=CLOSE)
        chunks.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(chunks)
