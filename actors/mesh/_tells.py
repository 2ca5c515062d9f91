"""Commands that were told: taken off their stream, each done once or kept with what went wrong.

Nothing that comes in can end the reading, or hold up the commands of other keys for longer than a moment. Commands of
one key that a pool takes together are done in their order; pools that share a stream may overtake one another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from actors.mesh._blueprint import Bound
from actors.mesh._dead_letters import DeadLetters
from actors.mesh._decide import decide
from actors.mesh._errors import Expired, Fault, Refused
from actors.mesh._log import get_logger
from actors.mesh._ports import Acknowledge, Again, Bus, ConsumerSpec, Delivered, Subscription, Verdict
from actors.mesh._principals import digest_of
from actors.mesh._serve import Serving, admitted, envelope_of, expire_late, note
from actors.mesh._telemetry import Span, SpanKind, parse_traceparent
from actors.mesh._telling import refuse_untellable
from schemas.envelope import COMMAND_ID, TRACEPARENT, Envelope
from schemas.message import Refusal
from schemas.principal import Principal

BATCH_MAX = 32
"""Commands taken at a time: enough for full batches of appends, few enough that requests do not feel them."""
BATCH_SECONDS = 1.0
"""How long a batch is waited for; what takes longer goes on beside and comes again, and others go ahead."""
UNDER_WAY_MAX = 64
"""Keys worked on at a time, those included that were left behind."""
DRAIN_SECONDS = 10.0
ATTEMPTS_MAX = 12
"""With the pauses between them some eight minutes: longer than a deployment, shorter than a sender's patience."""
AGAIN_SECONDS_FIRST = 0.5
AGAIN_SECONDS_MAX = 120.0
FAILURES_MAX = 4096
"""Messages whose failures are counted; others may have seen to the oldest of them."""
STRANGERS_MAX = 1000
"""Dead letters an hour of messages that nobody trusted has signed: whoever may publish must not fill the database."""
HOUR_MS = 3_600_000
UNREADABLE = frozenset({"message_invalid", "message_malformed", "message_unknown"})
"""Refusals that are no answer of the domain: a person may put the message right, or a newer release read it."""

log = get_logger()


class Told(NamedTuple):
    """A message with what is certain of it: who told it, and under which id."""

    message: Delivered
    envelope: Envelope
    principal: Principal


class Tells:
    """Does what one domain is told."""

    def __init__(self, serving: Serving, letters: DeadLetters) -> None:
        self._serving, self._letters = serving, letters
        self._clock, self._ids = serving.deciding.clock, serving.deciding.ids
        self._under_way: dict[str, asyncio.Task[list[Verdict]]] = {}
        self._failures: dict[int, int] = {}
        self._hour = self._strangers = 0
        self._follower: Subscription | None = None

    async def start(self, bus: Bus, consumer: ConsumerSpec) -> None:
        """Begin to read."""
        self._reader = consumer.name
        self._follower = await bus.follow(consumer, self.handle, batch_max=BATCH_MAX)

    async def stop(self) -> None:
        """Take nothing more; finish what was taken, as far as there is time."""
        if self._follower is not None:
            await self._follower.stop()
        if self._under_way:
            await asyncio.wait(tuple(self._under_way.values()), timeout=DRAIN_SECONDS)

    async def handle(self, batch: Sequence[Delivered]) -> Sequence[Verdict]:
        """Work on a batch, several keys at a time; a key that takes too long is left to itself and comes again."""
        while len(self._under_way) >= UNDER_WAY_MAX:
            await asyncio.wait(tuple(self._under_way.values()), return_when=asyncio.FIRST_COMPLETED)
        by_key: dict[str, list[int]] = {}
        for index, message in enumerate(batch):
            by_key.setdefault(key_in(message.subject), []).append(index)
        chains = {
            key: self._begun(key, [batch[index] for index in indexes])
            for key, indexes in by_key.items()
            if key not in self._under_way
        }
        await self._wait_for(tuple(chains.values()))
        verdicts: list[Verdict] = [self._again(1)] * len(batch)
        for key, chain in chains.items():
            for index, verdict in zip(by_key[key], chain.result() if chain.done() else (), strict=False):
                verdicts[index] = verdict
        return verdicts

    def _begun(self, key: str, messages: Sequence[Delivered]) -> asyncio.Task[list[Verdict]]:
        task = asyncio.create_task(self._in_order(messages), name=f"tells of {key}")
        self._under_way[key] = task
        task.add_done_callback(lambda _: self._under_way.pop(key))
        return task

    async def _wait_for(self, chains: Sequence[asyncio.Task[list[Verdict]]]) -> None:
        if not chains:
            return
        done = asyncio.ensure_future(asyncio.wait(chains))
        late = asyncio.ensure_future(self._clock.sleep(BATCH_SECONDS))
        try:
            await asyncio.wait((done, late), return_when=asyncio.FIRST_COMPLETED)
        finally:
            done.cancel()
            late.cancel()

    async def _in_order(self, messages: Sequence[Delivered]) -> list[Verdict]:
        verdicts: list[Verdict] = []
        failed: Again | None = None
        for message in messages:
            # What follows a failed one of its key waits for it, and as long.
            verdict = failed or await self._judged(message)
            failed = verdict if isinstance(verdict, Again) else None
            verdicts.append(verdict)
        return verdicts

    async def _judged(self, message: Delivered) -> Verdict:
        """Do what one message says, and say what is to become of it; whatever happens, there is a verdict."""
        domain, kind, name = [*message.subject.split("."), "", ""][:3]
        parent = parse_traceparent(message.headers.get(TRACEPARENT))
        with self._serving.telemetry.span(f"{domain}.{kind}.{name}", SpanKind.CONSUMER, parent=parent) as span:
            try:
                verdict = await self._dealt_with(message, name, span)
            except Exception as error:
                # Its end could not be written down: then it has not ended.
                log.warning("a told command comes again", subject=message.subject, error=repr(error))
                span.fail(type(error).__qualname__)
                verdict = self._again(self._failed(message))
        if isinstance(verdict, Acknowledge):
            self._failures.pop(message.sequence, None)
        return verdict

    async def _dealt_with(self, message: Delivered, name: str, span: Span) -> Verdict:
        try:
            told = self._trusted(message)
        except Refused as refusal:
            span.set("mesh.refusal", refusal.code)
            await self._set_aside(message, refusal)
            return Acknowledge()
        try:
            await self._done(told, name, span)
        except Refused as refusal:
            span.set("mesh.refusal", refusal.code)
            await self._refused(told, refusal)
        except Expired:
            await self._refused(told, Refused("deadline_passed", "it was not done before its deadline", kind="gone"))
        except Fault as fault:
            span.fail(fault.code)
            failures = self._failed(message)
            if failures < ATTEMPTS_MAX:
                log.warning("a told command comes again", subject=message.subject, error=str(fault))
                return self._again(failures)
            await self._died(told, fault, Refusal(code=fault.code, detail=fault.detail))
        except Exception as bug:
            span.fail(type(bug).__qualname__)
            await self._died(told, bug, Refusal(code="command_failed", detail="an error of ours"))
        return Acknowledge()

    def _trusted(self, message: Delivered) -> Told:
        """Return who told it, by a token that fits this message and was good when the stream took it."""
        envelope = envelope_of(message.headers)
        if not envelope.command_id:
            raise Refused("command_id_missing", f"a told command needs a {COMMAND_ID}", kind="invalid")
        digest = digest_of(message.subject, envelope.command_id, message.body)
        verifier = self._serving.verifier
        return Told(message, envelope, verifier.verify_only(envelope.principal, digest, message.stored_at_ms))

    async def _done(self, told: Told, name: str, span: Span) -> None:
        message, envelope, principal = told
        deciding = self._serving.deciding
        note(span, message.subject, envelope)
        expire_late(self._serving, envelope)
        bound = deciding.blueprint.commands.get(name)
        if bound is None:
            raise Refused("message_unknown", f"{message.subject} is no command of this domain", kind="not_found")
        refuse_if_secret(bound)
        command = admitted(bound, message.subject, message.body, principal)
        await decide(deciding, bound, command, envelope, principal)

    async def _refused(self, told: Told, refused: Refused) -> None:
        if refused.code in UNREADABLE:
            await self._died(told, refused, refused.refusal())
            return
        log.info("a told command was refused", subject=told.message.subject, code=refused.code)
        message, envelope, principal = told
        outcomes = self._serving.tell_outcomes
        await outcomes.keep(message.subject, envelope, principal, "refused", refused.refusal())

    async def _died(self, told: Told, error: Exception, refusal: Refusal) -> None:
        message, envelope, principal = told
        await self._park(message, error)
        await self._serving.tell_outcomes.keep(message.subject, envelope, principal, "dead", refusal)

    async def _set_aside(self, message: Delivered, refusal: Refused) -> None:
        """Keep what nobody trusted has signed, as far as there is room for that: nobody can be told of it."""
        hour = self._clock.now_ms() // HOUR_MS
        if hour != self._hour:
            self._hour, self._strangers = hour, 0
        self._strangers += 1
        if self._strangers <= STRANGERS_MAX:
            await self._park(message, refusal)
        elif self._strangers == STRANGERS_MAX + 1:
            log.error("unsigned messages are dropped until the hour is over", reader=self._reader, kept=STRANGERS_MAX)

    async def _park(self, message: Delivered, error: Exception) -> None:
        attempts = self._failures.get(message.sequence, 0) or 1
        identity = f"{message.sequence} {message.stored_at_ms}"  # its headers are the sender's to choose
        await self._letters.park(
            message.subject, message.headers, message.body,
            reader=self._reader, error=error, attempts=attempts, identity=identity,
        )  # fmt: skip

    def _failed(self, message: Delivered) -> int:
        """Count one more attempt that failed: the stream's own count includes those it was only waiting its turn."""
        failures = self._failures.pop(message.sequence, 0) + 1
        if len(self._failures) >= FAILURES_MAX:
            del self._failures[next(iter(self._failures))]
        self._failures[message.sequence] = failures
        return failures

    def _again(self, failures: int) -> Again:
        longest = min(AGAIN_SECONDS_MAX, AGAIN_SECONDS_FIRST * 2 ** min(failures, 10))
        return Again(longest * (0.5 + self._ids.jitter() / 2))


def key_in(subject: str) -> str:
    """Return the part of a subject that names the entity."""
    return subject.split(".", 3)[3] if subject.count(".") >= 3 else ""


def refuse_if_secret(bound: Bound) -> None:
    """Refuse what the sender should have refused already."""
    refuse_untellable(bound.decision.command)
    if not bound.decision.remember:
        raise Refused("answer_lost", "its answer is told once, and a told command has nobody to tell it to")
