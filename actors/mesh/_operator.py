"""What an operator's tools ask of a running mesh, past the answers of its domains."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar

import msgspec

from actors.mesh._client import ASK_TIMEOUT_SECONDS, Client, reply_error
from actors.mesh._errors import Broken
from actors.mesh._followed import UNREADABLE
from actors.mesh._ports import BrokerSurvey, Bus, Clock, Received, Subscription
from actors.mesh._ports.subjects import matcher
from actors.mesh._service_api import PREFIX, Info, Stats, Verb
from actors.mesh._shown import shown
from actors.mesh._telemetry import SpanKind, Telemetry, parse_traceparent, traceparent
from schemas.envelope import KEY, PERSON, PRINCIPAL, PRIVATE, SCHEMA, TRACEPARENT, Envelope
from schemas.history import EVENTS, HistoryPage, HistoryQuestion
from schemas.message import Event, Message
from schemas.upcasts import lifted

GATHER_SECONDS = 2.0
STALL_SECONDS = 0.3
INSTANCES_MAX = 1000
HEARD_MAX = 10_000
"""Messages heard and not yet taken; past that they are counted and dropped: a flood must not fill the memory."""
SHOWN_KINDS = frozenset({"command", "query", "event", "tell"})
TOKEN_BYTES_MAX = 8192

Answer = TypeVar("Answer", Info, Stats)


class Published(NamedTuple):
    """Where a message went: a stream and its sequence there (0 for what was told), or nowhere that keeps it."""

    stream: str
    sequence: int


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """A message as it passed by. `who` is what its token claims, on an event whose wish it was.

    `body` is None where it could not be decoded, or is private.
    """

    at_ms: int
    subject: str
    key: str
    trace_id: str
    who: str
    on_behalf_of: str
    size: int
    private: bool = False
    body: Any = None


class Operator:
    """Looks at a mesh from outside, in the name of its client's identity."""

    def __init__(self, bus: Bus, client: Client, clock: Clock, telemetry: Telemetry) -> None:
        self._bus, self._clock, self._telemetry = bus, clock, telemetry
        self.client = client

    def now_ms(self) -> int:
        """Return the time of this machine, Unix milliseconds."""
        return self._clock.now_ms()

    def within(self, envelope: Envelope, seconds: float) -> Envelope:
        """Return the envelope with a deadline so far from now."""
        return msgspec.structs.replace(envelope, deadline_ms=self._clock.now_ms() + round(seconds * 1000))

    @contextmanager
    def trace(self, name: str) -> Iterator[str]:
        """Begin a trace that what is asked meanwhile belongs to; give its id."""
        with self._telemetry.span(name, SpanKind.CLIENT, parent=None) as span:
            yield span.context.trace_id.hex()

    async def infos(self) -> Sequence[Info]:
        """Return every instance of every service, by name."""
        return await self._asked_all("INFO", Info)

    async def stats(self) -> Sequence[Stats]:
        """Return how every instance of every service fares, by name."""
        return await self._asked_all("STATS", Stats)

    async def _asked_all(self, verb: Verb, shape: type[Answer]) -> Sequence[Answer]:
        replies = await self._bus.gather(
            f"{PREFIX}.{verb}",
            b"",
            {},
            timeout_seconds=GATHER_SECONDS,
            stall_seconds=STALL_SECONDS,
            replies_max=INSTANCES_MAX,
        )
        found: list[Answer] = []
        for reply in replies:
            try:
                found.append(msgspec.json.decode(reply.body, type=shape))
            except msgspec.MsgspecError:
                continue  # a service of somebody else's that answers in its own way
        return sorted(found, key=lambda each: (each.name, each.id))

    async def survey(self) -> BrokerSurvey:
        """Return the broker with its streams and consumers."""
        return await self._bus.survey()

    async def history(self, domain: str, question: HistoryQuestion) -> HistoryPage:
        """Ask the owner what happened to an entity; raise `Refused` or a `Fault`."""
        subject = f"{domain}.query.{EVENTS}.{question.entity_id}"
        headers = self.client.envelope().request_headers(is_command=False)
        body = msgspec.json.encode(question)
        reply = await self._bus.request(subject, body, headers, timeout_seconds=ASK_TIMEOUT_SECONDS)
        if (error := reply_error(reply)) is not None:
            raise error
        try:
            return msgspec.json.decode(reply.body, type=HistoryPage)
        except msgspec.MsgspecError as error:
            raise Broken(f"the reply to {subject} cannot be read: {error}") from None

    async def publish(self, subject: str, body: bytes, command_id: str = "") -> Published:
        """Send any bytes, signed; where a stream takes the subject, wait until it has."""
        stream = await self._stream_of(subject)
        if stream and subject.split(".")[1:2] == ["tell"]:
            # Told messages are signed each for itself alone: a stream keeps them, and its readers would trust a copy.
            await self.client.tell_bytes(subject, body, Envelope(command_id=command_id))
            return Published(stream, 0)
        filled = self.client.envelope(Envelope(command_id=command_id))
        headers = filled.request_headers(is_command=True)
        if (parent := traceparent()) is not None:
            headers[TRACEPARENT] = parent
        if not stream:
            await self._bus.publish(subject, body, headers)
            return Published("", 0)
        return Published(stream, await self._bus.store(subject, body, headers, message_id=filled.command_id))

    async def _stream_of(self, subject: str) -> str:
        for stream in (await self.survey()).streams:
            if any(matcher(pattern)(subject) for pattern in stream.subjects):
                return stream.name
        return ""

    async def tap(self, pattern: str, types: Mapping[str, type[Message]]) -> Tap:
        """Hear what passes by from now on; `types` are the messages by subject without key."""
        tap = Tap(types, self._clock)
        tap.subscription = await self._bus.listen(pattern, tap.hear)
        return tap


class Tap:
    """What was heard and not yet taken."""

    def __init__(self, types: Mapping[str, type[Message]], clock: Clock) -> None:
        self._types, self._clock = types, clock
        self._heard: asyncio.Queue[Heard] = asyncio.Queue(HEARD_MAX)
        self._ids: OrderedDict[str, None] = OrderedDict()
        self.dropped = 0
        self.subscription: Subscription | None = None

    def hear(self, received: Received) -> None:
        """Keep a message for whoever takes it; answers and what is not the mesh's pass by."""
        if [*received.subject.split("."), ""][1] not in SHOWN_KINDS or self._seen(received):
            return
        if self._heard.full():
            self.dropped += 1
        else:
            self._heard.put_nowait(heard(received, self._types, self._clock.now_ms()))

    def _seen(self, received: Received) -> bool:
        # Under `>` an event comes again with each delivery to a reader, which is to an inbox but under its own subject.
        message_id = received.headers.get("Nats-Msg-Id", "")
        if not message_id:
            return False
        known = message_id in self._ids
        self._ids[message_id] = None
        self._ids.move_to_end(message_id)
        if len(self._ids) > HEARD_MAX:
            self._ids.popitem(last=False)
        return known

    async def next(self) -> Heard:
        """Return the next message, when there is one."""
        return await self._heard.get()

    async def stop(self) -> None:
        if self.subscription is not None:
            await self.subscription.stop()


def heard(received: Received, types: Mapping[str, type[Message]], at_ms: int) -> Heard:
    """Return a message as it may be shown."""
    headers, subject = received.headers, received.subject
    kind, last = subject.split(".")[1], subject.rpartition(".")[2]
    context = parse_traceparent(headers.get(TRACEPARENT))
    claims = claimed(headers.get(PRINCIPAL, ""))
    return Heard(
        at_ms=at_ms,
        subject=subject,
        key=headers.get(KEY, "") if kind == "event" else last,
        trace_id="" if context is None else context.trace_id.hex(),
        who=str(claims.get("sub") or headers.get(PERSON, "")),
        on_behalf_of=str(claims.get("obo", "")),
        size=len(received.body),
        private=PRIVATE in headers,
        body=None if PRIVATE in headers else body_of(received, types),
    )


def body_of(received: Received, types: Mapping[str, type[Message]]) -> Any:
    """Return a body decoded as the message it says it is, to be shown; None where it is not that."""
    without_key = received.subject.rpartition(".")[0].replace(".tell.", ".command.", 1)
    kind: type[msgspec.Struct] | None = types.get(without_key)
    if kind is None and without_key.endswith(f".query.{EVENTS}"):
        kind = HistoryQuestion
    if kind is None:
        return None
    try:
        # Decoded as its type first: of any other shape nobody knows what in it is personal.
        body = received.body
        if issubclass(kind, Event):
            body = lifted(kind, received.headers.get(SCHEMA, ""), body)
        return shown(kind, msgspec.to_builtins(msgspec.json.decode(body, type=kind)))
    except UNREADABLE:
        return None


def claimed(token: str) -> Mapping[str, Any]:
    """Return what a token says, its signature not looked at; nothing where it says nothing."""
    parts = token.split(".")
    if len(parts) != 3 or len(token) > TOKEN_BYTES_MAX:
        return {}
    try:
        claims = msgspec.json.decode(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError, msgspec.MsgspecError, RecursionError):
        return {}
    return claims if isinstance(claims, dict) else {}
