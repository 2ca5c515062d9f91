"""One message's life: decode, authorise, decide or answer, reply. Nothing that comes in can end the process."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from time import perf_counter_ns
from typing import Any, NamedTuple, Protocol

import msgspec

from actors.mesh._blueprint import Bound
from actors.mesh._commit import Deciding
from actors.mesh._decide import decide
from actors.mesh._errors import Broken, Expired, Fault, Overloaded, Refused
from actors.mesh._history import history
from actors.mesh._log import get_logger
from actors.mesh._ports import Received
from actors.mesh._read import Reader, Views
from actors.mesh._tally import Tallies
from actors.mesh._telemetry import INHERIT, Span, SpanKind, Telemetry, parse_traceparent
from actors.mesh._tell_outcomes import TellOutcomes
from schemas.envelope import ERROR, REPEATED, Envelope, read_envelope
from schemas.history import EVENTS, HistoryPage, HistoryQuestion
from schemas.located import located
from schemas.message import Command, Message, Refusal, key_field, key_of, owner_field
from schemas.principal import Principal, allows, confined, held, permission
from schemas.tells import TELL_OUTCOME, TellOutcome, TellQuestion

log = get_logger()
read_question = msgspec.json.Decoder(HistoryQuestion).decode
read_tell_question = msgspec.json.Decoder(TellQuestion).decode


class Verifies(Protocol):
    """Turns a token back into the principal it was made from."""

    def verify(self, token: str) -> Principal: ...
    def verify_only(self, token: str, digest: str, stored_at_ms: int) -> Principal: ...


class Serving(NamedTuple):
    """What serving needs of its pool."""

    deciding: Deciding
    views: Views
    verifier: Verifies
    telemetry: Telemetry
    on_bug: Callable[[Received, BaseException], Awaitable[None]]
    tallies: Tallies
    tell_outcomes: TellOutcomes


class Served(msgspec.Struct, frozen=True):
    """A reply's bytes and headers."""

    body: bytes
    headers: dict[str, str]


async def serve(serving: Serving, received: Received) -> None:
    """Answer one command or query, whatever it is."""
    began_ns = perf_counter_ns()
    reply = await life(serving, received)
    serving.tallies.count(received.subject, reply.body, reply.headers, perf_counter_ns() - began_ns)
    await received.respond(reply.body, reply.headers)


async def say(received: Received, reply: Served) -> None:
    """Send a reply."""
    await received.respond(reply.body, reply.headers)


async def life(serving: Serving, received: Received) -> Served:
    """Turn one message into its reply; every way it can go wrong has one."""
    domain, kind, name = [*received.subject.split("."), "", ""][:3]
    parent = parse_traceparent(received.headers.get("traceparent"))
    with serving.telemetry.span(
        f"{domain}.{kind}.{name}", SpanKind.SERVER, parent=parent or INHERIT, roots=True
    ) as span:
        try:
            return await handled(serving, received, kind, name, span)
        except Refused as refusal:
            span.set("mesh.refusal", refusal.code)
            return refusal_reply(refusal.refusal())
        except Fault as fault:
            span.fail(fault.code)
            return failure_reply(fault)
        except Exception as bug:
            span.fail(type(bug).__qualname__)
            log.exception("bug", subject=received.subject)
            await kept(serving, received, bug)
            return failure_reply(Broken("an error of ours; it is recorded and will be looked at"))


async def kept(serving: Serving, received: Received, bug: Exception) -> None:
    """Keep what a bug was met with; where that fails too, the log has it and the sender is answered all the same."""
    try:
        await serving.on_bug(received, bug)
    except Fault as fault:
        log.warning("a dead letter could not be kept", subject=received.subject, error=str(fault))


async def handled(serving: Serving, received: Received, kind: str, name: str, span: Span) -> Served:
    envelope = envelope_of(received.headers)
    expire_late(serving, envelope)
    principal = serving.verifier.verify(envelope.principal)
    if kind == "command" and (bound := serving.deciding.blueprint.commands.get(name)) is not None:
        note(span, received.subject, envelope)
        command = admitted(bound, received.subject, received.body, principal)
        decided = await decide(serving.deciding, bound, command, named(serving, envelope), principal)
        return Served(decided.reply, {REPEATED: "1"} if decided.repeated else {})
    if kind == "query" and (found := serving.deciding.blueprint.queries.get(name)) is not None:
        binding, decode = found
        query = decoded(decode, received.body)
        refuse_unless_addressed(received.subject, query)
        authorise(principal, query)
        answer = await binding.answer(query, Reader(serving.views, principal))
        return Served(msgspec.json.encode(answer), {})
    if kind == "query" and (own := OWN_QUESTIONS.get(name)) is not None:
        return await own.answer(serving, received, principal)
    raise Refused("message_unknown", f"{received.subject} is no message of this domain", kind="not_found")


async def told_history(serving: Serving, received: Received, principal: Principal) -> Served:
    """Answer what happened to an entity: the mesh's own question, for those who operate it."""
    views = serving.views
    wanted = f"{views.blueprint.name}:{EVENTS}"
    if not held(principal.roles, wanted):
        raise Refused("permission_missing", f"this needs {wanted}", kind="forbidden")
    question = decoded(read_question, received.body)
    refuse_unless_about(received.subject, "entity_id", question.entity_id)
    page = await history(views.blueprint, views.journal, question)
    return Served(msgspec.json.encode(page), {})


async def told_outcome(serving: Serving, received: Received, principal: Principal) -> Served:
    """Answer what became of a told command, to whoever told it."""
    question = decoded(read_tell_question, received.body)
    refuse_unless_about(received.subject, "command_id", question.command_id)
    return Served(msgspec.json.encode(await serving.tell_outcomes.outcome(question.command_id, principal)), {})


class OwnQuestion(NamedTuple):
    """What the mesh itself answers in every domain. An empty permission: whoever it is about, or has told it."""

    question: type[msgspec.Struct]
    reply: type[msgspec.Struct]
    key: str
    permission: str
    answer: Callable[[Serving, Received, Principal], Awaitable[Served]]


OWN_QUESTIONS: Mapping[str, OwnQuestion] = {
    EVENTS: OwnQuestion(HistoryQuestion, HistoryPage, "entity_id", EVENTS, told_history),
    TELL_OUTCOME: OwnQuestion(TellQuestion, TellOutcome, "command_id", "", told_outcome),
}


def note(span: Span, subject: str, envelope: Envelope) -> None:
    """Let a command's span be found by its entity and by the story it belongs to."""
    span.set("mesh.key", subject.rpartition(".")[2])
    span.set("mesh.correlation_id", envelope.correlation_id)


def admitted(bound: Bound, subject: str, body: bytes, principal: Principal) -> Command[Any]:
    """Return the command that a body holds; refuse what is malformed, addressed to another entity or not allowed."""
    command: Command[Any] = decoded(bound.decode, body)
    refuse_unless_addressed(subject, command)
    authorise(principal, command)
    return command


def envelope_of(headers: Mapping[str, str]) -> Envelope:
    """Read the envelope."""
    try:
        return read_envelope(headers)
    except ValueError as error:
        raise Refused("envelope_invalid", str(error), kind="invalid") from None


def expire_late(serving: Serving, envelope: Envelope) -> None:
    """What is too late is not begun."""
    if envelope.deadline_ms and envelope.deadline_ms <= serving.deciding.clock.now_ms():
        raise Expired("the deadline had passed when the message was taken up")


def named(serving: Serving, envelope: Envelope) -> Envelope:
    """Give a command without an id one: its sender cannot repeat it safely, but it is served."""
    if envelope.command_id:
        return envelope
    command_id = serving.deciding.ids.new()
    correlation_id = envelope.correlation_id or command_id
    return msgspec.structs.replace(envelope, command_id=command_id, correlation_id=correlation_id)


def decoded(decode: Callable[[bytes], Any], body: bytes) -> Any:
    """Decode a body strictly; say which field is wrong."""
    try:
        return decode(body)
    except msgspec.ValidationError as error:
        detail, pointer = located(str(error))
        raise Refused("message_invalid", detail, kind="invalid", pointer=pointer) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused("message_malformed", str(error)[:200], kind="invalid") from None


def refuse_unless_addressed(subject: str, message: Message) -> None:
    """A permission to publish is given by subject, so the body may not be about another entity than it says."""
    refuse_unless_about(subject, key_field(type(message)), key_of(message))


def refuse_unless_about(subject: str, field: str | None, key: str) -> None:
    if subject.split(".", 3)[3:] != [key]:
        detail = f"the subject must end in the id of the body, which is {key}"
        raise Refused("key_mismatch", detail, kind="invalid", pointer=f"/{field}" if field else "")


def authorise(principal: Principal, message: Message) -> None:
    """Refuse what the principal's roles do not hold, and what is somebody else's."""
    if not allows(principal, type(message)):
        raise Refused("permission_missing", f"this needs {permission(type(message))}", kind="forbidden")
    owner = owner_field(type(message))
    if owner is not None and confined(principal, type(message)) and getattr(message, owner) != principal.subject:
        raise Refused("owner_mismatch", f"{owner} must be your own id", kind="forbidden", pointer=f"/{owner}")


def refusal_reply(refusal: Refusal) -> Served:
    return Served(msgspec.json.encode(refusal), {ERROR: "refused"})


def failure_reply(fault: Fault) -> Served:
    return Served(msgspec.json.encode(fault.failure()), {ERROR: "failed"})


OVERLOADED = failure_reply(Overloaded("this pool is full", retry_after_seconds=1))
"""The answer when a message cannot even be taken: made once, because it is given when there is no time."""
