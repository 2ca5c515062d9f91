"""The one operation that is written by hand: its answer goes on until the client, its token or the gateway ends it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, cast

import msgspec
from litestar.types import HTTPScope, Receive, Scope, Send

from actors.mesh import Fault, Refused
from actors.mesh._log import get_logger
from actors.mesh._telemetry import SpanKind, parse_traceparent
from gateway.answer import ABORT, send_answer
from gateway.endpoint import Doors, problem_answer
from gateway.errors import HttpProblem
from gateway.limits import Asked, asked_of
from gateway.live.broadcast import Broadcast
from gateway.live.feeds import Feed
from gateway.live.listeners import Listener
from gateway.live.positions import Position, read_positions
from gateway.live.topics import Topic, permitted
from gateway.reading import read_query
from gateway.routes import LIVE_PATH
from schemas.principal import Principal, confined, permission

PARAMETERS = ("last_event_id", "topics")

EVENT_STREAM = "text/event-stream"
HEADERS = [
    (b"content-type", EVENT_STREAM.encode()),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # nginx would keep events until it has a page of them
]

RETRY_MS = 1000
"""The least a client waits before it comes back; up to twice as much is added, so that not all come at once."""

GONE_SECONDS = 1.0
"""The server tells within a turn of its loop that the connection it was asked to abort is gone."""

logger = get_logger()


@dataclass(frozen=True, slots=True)
class Connection:
    """A client that was let in."""

    principal: Principal
    authorization: str
    listener: Listener
    behind: Mapping[Feed, Position]
    """Feeds it has to be brought to, from where it stands."""
    feeds: tuple[Feed, ...]


class LiveEndpoint:
    """Serves `GET LIVE_PATH`."""

    method, path = "GET", LIVE_PATH

    def __init__(self, broadcast: Broadcast, doors: Doors) -> None:
        self._broadcast = broadcast
        self._doors = doors

    async def serve(self, scope: Scope, receive: Receive, send: Send, path_fields: Mapping[str, str]) -> None:
        """Let a client in and send what it may hear. The span is that of the letting in."""
        asked = asked_of(scope)
        with ExitStack() as held:
            with self._doors.telemetry.span(
                f"{self.method} {self.path}",
                SpanKind.SERVER,
                parent=parse_traceparent(asked.headers.get("traceparent")),
                attributes={"http.request.method": self.method, "http.route": self.path},
                start_ns=asked.start_ns,
            ) as span:
                asked.trace_id = span.context.trace_id.hex()
                try:
                    connection = await self._opened(asked, cast(HTTPScope, scope)["query_string"], held)
                except Exception as error:  # noqa: BLE001 - the edge: as for every other operation
                    answer = problem_answer(error, asked, span)
                    span.set("http.response.status_code", answer.status)
                    await send_answer(send, answer)
                    return
                span.set("http.response.status_code", 200)
                await send({"type": "http.response.start", "status": 200, "headers": list(HEADERS)})
            asked.leave()
            abort = cast(dict[str, Any], scope).get(ABORT, lambda: None)
            await self._run(connection, receive, Writer(connection.listener, send, abort, self._broadcast))

    async def _opened(self, asked: Asked, query: bytes, held: ExitStack) -> Connection:
        authorization = asked.headers.get("authorization", "")
        principal = await self._doors.authenticate(authorization)
        given = read_query(query, PARAMETERS)
        topics = chosen(self._broadcast.topics, given.get("topics"), principal)
        starts = read_positions(asked.headers.get("last-event-id") or given.get("last_event_id", ""))
        held.enter_context(self._broadcast.admitted(principal.subject))
        feeds = self._broadcast.feeds_of(topics)
        for feed in feeds:
            held.enter_context(feed.held())
        await asyncio.gather(*(feed.ready() for feed in feeds))
        # From here on nothing is awaited: those who begin now begin at one moment in all streams.
        positions = {feed.domain: starts.get(feed.domain, feed.position) for feed in feeds}
        own_only = frozenset(topic.name for topic in topics if confined(principal, topic.query))
        listener = Listener(topics, principal.person, own_only, positions)
        held.enter_context(self._broadcast.known(listener))
        behind = {feed: positions[feed.domain] for feed in feeds if positions[feed.domain] != feed.position}
        for feed in feeds:
            held.callback(feed.leave, listener)
            if feed not in behind:
                feed.join(listener)
        return Connection(principal, authorization, listener, behind, tuple(feeds))

    async def _run(self, connection: Connection, receive: Receive, writer: Writer) -> None:
        beside = [
            asyncio.create_task(work, name=f"live-{name}")
            for name, work in (
                ("watch", watch(connection.listener, receive)),
                ("bring", bring(connection)),
                ("beat", self._beat(connection)),
            )
        ]
        try:
            await writer.write(beside[0])
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)

    async def _beat(self, connection: Connection) -> None:
        """Show that the connection lives, as long as the client would be let in again."""
        while True:
            await self._broadcast.clock.sleep(self._broadcast.bounds.heartbeat_seconds)
            try:
                if await self._doors.authenticate(connection.authorization) != connection.principal:
                    connection.listener.end("expired")
            except Refused:
                connection.listener.end("expired")
            except Fault:  # nobody says any more that they may listen: let them come back
                connection.listener.end("interrupted")
            connection.listener.beat()


class Writer:
    """Sends a listener's events at the client's pace, and gives up on one that takes nothing."""

    def __init__(self, listener: Listener, send: Send, abort: Any, broadcast: Broadcast) -> None:
        self._listener = listener
        self._send = send
        self._abort = abort
        self._broadcast = broadcast

    async def write(self, watching: asyncio.Task[None]) -> None:
        """Return when the connection has ended; `watching` ends when the client is gone."""
        listener = self._listener
        await self._put(self._opening())
        while listener.ending is None:
            await listener.woken.wait()
            listener.woken.clear()
            if listener.ending is None:
                await self._put(listener.take())
        if listener.ending != "gone":
            await self._put(listener.last_words(), is_last=True)
        if listener.ending == "gone":
            self._abort()
            await asyncio.wait((watching,), timeout=GONE_SECONDS)  # an answer is ended, or its client gone

    def _opening(self) -> bytes:
        retry_ms = RETRY_MS + round(2 * RETRY_MS * self._broadcast.ids.jitter())
        ready = msgspec.json.encode({"topics": sorted(self._listener.topics)})
        return b"retry: %d\nid: %b\nevent: ready\ndata: %b\n\n" % (retry_ms, self._listener.event_id.encode(), ready)

    async def _put(self, text: bytes, *, is_last: bool = False) -> None:
        try:
            async with asyncio.timeout(self._broadcast.bounds.send_seconds):
                await self._send({"type": "http.response.body", "body": text, "more_body": not is_last})
        except TimeoutError:
            self._listener.ending = "gone"  # whatever else it was to be told, it does not take it


async def watch(listener: Listener, receive: Receive) -> None:
    """End the listening when the client hangs up."""
    try:
        while (await receive())["type"] != "http.disconnect":
            pass  # a body, which nobody wants
    except HttpProblem:
        logger.info("live.body_unwanted")
    listener.end("gone")


async def bring(connection: Connection) -> None:
    """Bring a client that comes back to now, stream by stream."""
    for feed, start in connection.behind.items():
        try:
            await feed.bring(connection.listener, start)
        except Fault as error:
            logger.warning("live.catching_up_failed", domain=feed.domain, error=str(error))
            connection.listener.end("interrupted")


def chosen(topics: Iterable[Topic], names: str | None, principal: Principal) -> tuple[Topic, ...]:
    """Return the topics asked for, all that are allowed where none are; raise for what is unknown or not allowed."""
    by_name = {topic.name: topic for topic in topics}
    allowed = permitted(by_name.values(), principal)
    if names is None:
        if not allowed:
            raise Refused("permission_missing", "there is no topic you may listen to", kind="forbidden")
        return allowed
    wanted = tuple(dict.fromkeys(names.split(",")))
    for name in wanted:
        if name not in by_name:
            known = ", ".join(sorted(by_name))
            raise HttpProblem(400, "topic_unknown", f"there is no topic {name[:64]!r}: {known}", pointer="/topics")
        if by_name[name] not in allowed:
            needed = permission(by_name[name].query)
            detail = f"the topic {name} needs the permission {needed}"
            raise Refused("permission_missing", detail, kind="forbidden", pointer="/topics")
    return tuple(by_name[name] for name in wanted)
