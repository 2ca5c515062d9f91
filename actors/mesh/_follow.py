"""A durable consumer read message by message: what fails for now comes again, what is broken becomes a dead letter."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from actors.mesh._dead_letters import DeadLetters
from actors.mesh._errors import Fault
from actors.mesh._log import get_logger
from actors.mesh._ports import Acknowledge, Again, Bus, ConsumerSpec, Delivered, StoredEvent, Subscription, Verdict
from actors.mesh._telemetry import SpanKind, Telemetry, parse_traceparent
from schemas.envelope import COMMAND_ID, KEY, PRIVATE, TRACEPARENT, VERSION, read_envelope

AGAIN_SECONDS_MAX = 30.0
AGAIN_SECONDS_FIRST = 0.25

log = get_logger()


class Following(NamedTuple):
    """What reading streams needs of its pool."""

    bus: Bus
    telemetry: Telemetry
    dead_letters: DeadLetters


class Inbound(NamedTuple):
    """An event as it was delivered. `domain` is whose it is."""

    domain: str
    event: StoredEvent
    headers: Mapping[str, str]

    @property
    def event_id(self) -> str:
        return f"{self.event.key}@{self.event.version}"


def inbound(delivered: Delivered) -> Inbound:
    """Read what was delivered; raise ValueError or KeyError naming what is missing."""
    domain, _, name = delivered.subject.split(".")[:3]
    envelope = read_envelope(delivered.headers)
    stored = StoredEvent(
        key=delivered.headers[KEY],
        version=int(delivered.headers[VERSION]),
        name=name,
        body=delivered.body,
        headers=msgspec.json.encode(delivered.headers).decode(),
        command_id=delivered.headers.get(COMMAND_ID, envelope.cause_id),
        at_ms=envelope.issued_at_ms,
        private=PRIVATE in delivered.headers,
    )
    return Inbound(domain, stored, delivered.headers)


async def follow_each(
    following: Following, consumer: ConsumerSpec, handle: Callable[[Inbound], Awaitable[None]]
) -> Subscription:
    """Hand over each message, those of one key in order; several keys at a time."""

    async def handle_key(messages: Sequence[Delivered]) -> list[Verdict]:
        verdicts: list[Verdict] = []
        failed: Again | None = None
        for message in messages:
            # What follows a failed one of its key waits for it, and as long.
            verdict = failed or await judged(following, consumer, message, handle)
            failed = verdict if isinstance(verdict, Again) else None
            verdicts.append(verdict)
        return verdicts

    async def handle_batch(batch: Sequence[Delivered]) -> Sequence[Verdict]:
        by_key: dict[str, list[int]] = {}
        for index, message in enumerate(batch):
            by_key.setdefault(message.headers.get(KEY, ""), []).append(index)
        done = await asyncio.gather(*(handle_key([batch[index] for index in indexes]) for indexes in by_key.values()))
        verdicts: list[Verdict] = [Acknowledge()] * len(batch)
        for indexes, of_key in zip(by_key.values(), done, strict=True):
            for index, verdict in zip(indexes, of_key, strict=True):
                verdicts[index] = verdict
        return verdicts

    return await following.bus.follow(consumer, handle_batch)


async def judged(
    following: Following, consumer: ConsumerSpec, message: Delivered, handle: Callable[[Inbound], Awaitable[None]]
) -> Verdict:
    """Handle one message and say what is to become of it."""
    domain, kind, name = [*message.subject.split("."), "", ""][:3]
    parent = parse_traceparent(message.headers.get(TRACEPARENT))
    try:
        if parent is None:
            await handle(inbound(message))
        else:
            span = f"{consumer.name} {domain}.{kind}.{name}"
            with following.telemetry.span(span, SpanKind.CONSUMER, parent=parent):
                await handle(inbound(message))
    except Fault as fault:
        log.warning("will be delivered again", consumer=consumer.name, subject=message.subject, error=str(fault))
        return Again(min(AGAIN_SECONDS_MAX, AGAIN_SECONDS_FIRST * 2 ** min(message.deliveries, 10)))
    except Exception as bug:
        await following.dead_letters.park(
            message.subject, message.headers, message.body, reader=consumer.name, error=bug, attempts=message.deliveries
        )
    return Acknowledge()


async def has_failed(work: Awaitable[None]) -> bool:
    """Do the work of a batch; return whether it failed, for now or by a bug: then its messages are tried one by one."""
    try:
        await work
    except Fault as fault:
        log.warning("a batch failed; its messages are tried one by one", error=str(fault))
        return True
    except Exception:
        log.exception("a batch failed; its messages are tried one by one")
        return True
    return False
