"""How anybody asks the mesh: a message in, its reply or an error out. Used by the gateway, pools, sagas and tools."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping
from contextlib import aclosing, contextmanager, suppress
from functools import cache
from types import ModuleType
from typing import Any, Protocol, overload

import msgspec
from typing_extensions import TypeVar

from actors.mesh._awaiting import Awaiting, Settled
from actors.mesh._errors import Broken, Expired, MeshError, Refused, Unavailable, fault, refused
from actors.mesh._followed import After, Followed, followed, selection
from actors.mesh._ports import Bus, BusReply, Clock, Ids, Received, Subscription
from actors.mesh._telemetry import SpanKind, Telemetry, traceparent
from actors.mesh._telling import SignsOnly, Telling, refuse_untellable, telling_id
from schemas.envelope import CANONICAL_UUID, ERROR, REPEATED, SCHEMA, Envelope
from schemas.message import (
    ID_PATTERN,
    Accepted,
    Command,
    Event,
    Failure,
    Message,
    Query,
    Refusal,
    domain_of,
    key_of,
    reply_type,
    subject_of,
    tell_subject_of,
)
from schemas.principal import Principal
from schemas.tells import TELL_OUTCOME, TellOutcome, TellQuestion
from schemas.upcasts import SchemaUnknown, lifted

R = TypeVar("R")
E = TypeVar("E", bound=Event)

ASK_TIMEOUT_SECONDS = 5.0
"""How long an asker waits who names no deadline."""
PROBE_TIMEOUT_SECONDS = 1.0
AT_THE_DOOR = frozenset({
    "envelope_invalid", "key_mismatch", "message_invalid", "message_malformed", "message_unknown",
    "permission_missing", "principal_expired", "principal_invalid", "principal_missing",
})  # fmt: skip
"""What a pool refuses before any rule is asked."""
IN_SUBJECT = re.compile(ID_PATTERN)


class Signs(SignsOnly, Protocol):
    """Turns a principal into a token that pools accept."""

    def sign(self, principal: Principal, lifetime_seconds: int = ...) -> str: ...


class RawReply(msgspec.Struct, frozen=True):
    """A reply's bytes, not decoded; `repeated` where the command had been done before."""

    body: bytes
    repeated: bool


class Client:
    """Asks in the name of one identity; watches events as they pass by."""

    def __init__(
        self, bus: Bus, signer: Signs, identity: Principal, *, clock: Clock, ids: Ids, telemetry: Telemetry
    ) -> None:
        self._bus, self._signer, self._identity = bus, signer, identity
        self._clock, self._ids, self._telemetry = clock, ids, telemetry
        self._telling = Telling(signer, identity, clock, ids)
        self._waiting: dict[tuple[type[Event], str], set[Awaiting]] = {}
        self._watched: dict[type[Event], Subscription] = {}

    @property
    def connected(self) -> bool:
        return self._bus.connected

    @overload
    async def ask(self, message: Command[R], envelope: Envelope | None = None, *, on_behalf_of: str = "") -> R: ...
    @overload
    async def ask(self, message: Query[R], envelope: Envelope | None = None, *, on_behalf_of: str = "") -> R: ...
    async def ask(self, message: Any, envelope: Envelope | None = None, *, on_behalf_of: str = "") -> Any:
        """Ask and return the decoded reply; raise `Refused` or a `Fault`."""
        kind: type[Message] = type(message)
        # A question needs no id of its own: nothing comes of it that could be repeated.
        filled = self._filled(envelope or Envelope(), on_behalf_of, self._ids.new if issubclass(kind, Command) else str)
        reply = await self.ask_raw(message, filled)
        try:
            return reply_decoder(kind)(reply.body)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise Broken(f"the reply to {subject_of(kind)} cannot be read: {error}") from None

    async def ask_raw(self, message: Message, envelope: Envelope) -> RawReply:
        """Ask and return the reply's bytes; raise `Refused` or a `Fault`."""
        is_command = isinstance(message, Command)
        body = msgspec.json.encode(message)
        return await self._asked(subject_of(type(message)), addressed(message), body, envelope, is_command=is_command)

    async def _asked(self, subject: str, key: str, body: bytes, envelope: Envelope, *, is_command: bool) -> RawReply:
        left = self._left_seconds(envelope)
        # Only what changes an entity is found by its id: its readers would bury the story under their own traces.
        with self._telemetry.span(
            f"ask {subject}", SpanKind.CLIENT, attributes={"mesh.key": key} if is_command else None
        ):
            headers = envelope.request_headers(is_command=is_command)
            if (parent := traceparent()) is not None:
                headers["traceparent"] = parent
            reply = await self._bus.request(f"{subject}.{key}", body, headers, timeout_seconds=left)
            if (error := reply_error(reply)) is not None:
                raise error
        return RawReply(reply.body, REPEATED in reply.headers)

    async def tell(self, command: Command[Accepted], envelope: Envelope | None = None) -> str:
        """Have a command done when its domain comes to it, and return its id once a stream has it.

        It is done once, whoever tells it how often, however long the domain is away; what became of it,
        `outcome_of_tell` says. A deadline holds only where the envelope names one. Raises `Refused` for what cannot be
        told (ids, size, secrets), `TimedOut` and `Unavailable`: then tell it again under the same id.
        """
        refuse_untellable(type(command))
        key = addressed(command)
        return await self.tell_bytes(f"{tell_subject_of(type(command))}.{key}", msgspec.json.encode(command), envelope)

    async def tell_bytes(self, subject: str, body: bytes, envelope: Envelope | None = None) -> str:
        """Tell a body as it is, for instance one that was put right by hand."""
        domain, kind, name = [*subject.split("."), "", ""][:3]
        with self._telemetry.span(f"tell {domain}.{kind}.{name}", SpanKind.PRODUCER):
            sealed = self._telling.sealed(subject, body, envelope or Envelope())
            headers = sealed.request_headers(is_command=True)
            await self._bus.store(subject, body, headers, message_id=telling_id(subject, body, sealed))
        return sealed.command_id

    async def outcome_of_tell(self, of: type[Command[Any]] | str, command_id: str, *, since_ms: int = 0) -> TellOutcome:
        """Ask a domain, named or by a command of it, what became of a command that was told.

        How an earlier telling was refused or died counts as pending: one whose `issued_at_ms` is before `since_ms`.
        """
        subject = f"{of if isinstance(of, str) else domain_of(of)}.query.{TELL_OUTCOME}"
        if not CANONICAL_UUID.fullmatch(command_id):
            raise Refused("command_id_invalid", "a command's id is a UUID, in lower case with dashes", kind="invalid")
        body, envelope = msgspec.json.encode(TellQuestion(command_id=command_id)), self._filled(Envelope(), "", str)
        reply = await self._asked(subject, command_id, body, envelope, is_command=False)
        try:
            outcome = msgspec.json.decode(reply.body, type=TellOutcome)
            is_earlier = outcome.refusal is not None and outcome.issued_at_ms < since_ms
            return TellOutcome(ending="pending") if is_earlier else outcome
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise Broken(f"the reply to {subject} cannot be read: {error}") from None

    @overload
    def follow(self, events: ModuleType, *, after: After) -> AsyncGenerator[Followed[Event], None]: ...
    @overload
    def follow(self, events: type[E] | tuple[type[E], ...], *, after: After) -> AsyncGenerator[Followed[E], None]: ...
    async def follow(self, events: Any, *, after: After) -> AsyncGenerator[Followed[Any], None]:
        """Yield events in the order their domain published them, those that are there and those to come, for ever.

        `events` is a module of the contract (`schemas.orders`: all events of the domain, also those it does not know)
        or event types of one domain. Whoever keeps the last `position` goes on after it. Raises `Unavailable` where
        the stream is not there or was made anew: then begin at the start, knowing facts by their key and version.
        """
        stream, subjects, known = selection(events)
        after_sequence = {"start": 0, "now": None}[after] if isinstance(after, str) else after
        async with aclosing(self._bus.tail(stream, subjects, after_sequence=after_sequence)) as tail:
            async for delivered in tail:
                yield followed(delivered, known)

    async def carry(self, command: Command[Any], envelope: Envelope) -> None:
        """Send a command of the mesh's own making; raise `Refused` only where a rule of the domain says no.

        What its door refuses (a body it cannot read, a principal it does not trust) is the trouble of a deployment
        under way: `Unavailable`, to be tried again, because nothing that has begun may be given up for it.
        """
        try:
            await self.ask_raw(command, envelope)
        except Refused as refusal:
            if refusal.code in AT_THE_DOOR:
                raise Unavailable(f"turned away at the door: {refusal}") from None
            raise

    def envelope(self, given: Envelope | None = None, on_behalf_of: str = "") -> Envelope:
        """Return an envelope with what is missing filled in: id, times, the identity's signature."""
        return self._filled(given or Envelope(), on_behalf_of, self._ids.new)

    def _filled(self, given: Envelope, on_behalf_of: str, new_id: Callable[[], str]) -> Envelope:
        now = self._clock.now_ms()
        command_id = given.command_id or new_id()
        principal = given.principal
        if not principal:
            identity = self._identity
            if on_behalf_of and on_behalf_of != identity.subject:
                identity = msgspec.structs.replace(identity, on_behalf_of=on_behalf_of)
            principal = self._signer.sign(identity)
        return msgspec.structs.replace(
            given,
            command_id=command_id,
            correlation_id=given.correlation_id or command_id,
            issued_at_ms=given.issued_at_ms or now,
            deadline_ms=given.deadline_ms or now + int(ASK_TIMEOUT_SECONDS * 1000),
            principal=principal,
        )

    def _left_seconds(self, envelope: Envelope) -> float:
        if not envelope.deadline_ms:
            return ASK_TIMEOUT_SECONDS
        left = (envelope.deadline_ms - self._clock.now_ms()) / 1000
        if left <= 0:
            raise Expired("the deadline had passed before the question was sent")
        return left

    async def watch(self, events: Iterable[type[Event]]) -> None:
        """Follow some event types as they pass by, so that `awaiting` can wait for them."""
        for event in events:
            if event not in self._watched:
                self._watched[event] = await self._bus.listen(f"{subject_of(event)}.*", self._arrived(event))

    @contextmanager
    def awaiting(self, events: tuple[type[Event], ...], key: str) -> Iterator[Awaiting]:
        """Wait for one of some watched events of one key; open it before the command that causes them is sent."""
        for event in events:
            if event not in self._watched:
                raise LookupError(f"{event.__name__} is not watched")
        waiting = Awaiting()
        for event in events:
            self._waiting.setdefault((event, key), set()).add(waiting)
        try:
            yield waiting
        finally:
            for event in events:
                others = self._waiting[event, key]
                others.discard(waiting)
                if not others:
                    del self._waiting[event, key]

    def _arrived(self, event: type[Event]) -> Any:
        decode = msgspec.json.Decoder(event).decode

        def handle(received: Received) -> None:
            key, _, version = received.headers.get("Nats-Msg-Id", "").rpartition("@")
            for waiting in self._waiting.get((event, key.partition("/")[2]), ()):
                if not waiting.future.done():
                    # Whoever waits for what this code cannot read yet looks into the view instead, after a while.
                    with suppress(SchemaUnknown):
                        body = lifted(event, received.headers.get(SCHEMA, ""), received.body)
                        waiting.future.set_result(Settled(decode(body), int(version)))

        return handle

    async def probe(self, domains: Iterable[str]) -> Mapping[str, str]:
        """Return, for the bus and each domain, `ok` or what is wrong."""
        names = tuple(domains)
        answers = await asyncio.gather(*(self._probe_one(domain) for domain in names))
        return {"nats": "ok" if self._bus.connected else "disconnected", **dict(zip(names, answers, strict=True))}

    async def _probe_one(self, domain: str) -> str:
        try:
            reply = await self._bus.request(f"{domain}.ready", b"", {}, timeout_seconds=PROBE_TIMEOUT_SECONDS)
        except MeshError as error:
            return str(error)
        return reply.body.decode(errors="replace")

    async def close(self) -> None:
        for subscription in self._watched.values():
            await subscription.stop()
        self._watched.clear()


def addressed(message: Message) -> str:
    """Return the key a message is sent to; refuse one that would change the subject."""
    key = key_of(message)
    if key != "_" and not IN_SUBJECT.match(key):
        raise Refused("id_invalid", "an id is 1 to 64 letters, digits, - and _", kind="invalid")
    return key


@cache
def reply_decoder(kind: type[Message]) -> Callable[[bytes], Any]:
    """Return what reads the replies to one type of message."""
    decode: Callable[[bytes], Any] = msgspec.json.Decoder(reply_type(kind)).decode
    return decode


def reply_error(reply: BusReply) -> MeshError | None:
    """Return the error that a reply stands for, if it does."""
    kind = reply.headers.get(ERROR)
    if kind is None:
        return None
    try:
        if kind == "refused":
            return refused(msgspec.json.decode(reply.body, type=Refusal))
        return fault(msgspec.json.decode(reply.body, type=Failure))
    except msgspec.MsgspecError:
        return Broken("an error reply cannot be read")
