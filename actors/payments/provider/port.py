"""What a card processor does for us: the port, its answers, and how an event becomes an instruction and an outcome."""

from __future__ import annotations

from typing import Literal, Protocol

import msgspec

from schemas.payments import (
    CaptureSubmitted,
    PaymentSubmitted,
    RecordAuthorisation,
    RecordCapture,
    RecordRefund,
    RecordVoid,
    RefundSubmitted,
    VoidSubmitted,
)
from schemas.values import Money

OperationKind = Literal["authorisation", "capture", "void", "refund"]


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the card processor did; `decline_code` says why not."""

    approved: bool
    provider_reference: str = ""
    decline_code: str = ""


class CardProcessor(Protocol):
    """A card processor. The same idempotency key is the same operation, and is done once.

    A decline is an answer; `Unavailable` was not executed; after `TimedOut` and `Broken`, `find` tells.
    """

    async def authorise(self, key: str, payment_id: str, amount: Money, payment_token: str) -> Answer: ...

    async def capture(self, key: str, payment_id: str, amount: Money) -> Answer: ...

    async def void(self, key: str, payment_id: str) -> Answer: ...

    async def refund(self, key: str, payment_id: str, refund_id: str, amount: Money) -> Answer: ...

    async def find(self, key: str) -> Answer | None:
        """Return what became of an operation, None where the card processor knows nothing of it."""
        ...


async def authorise(cards: CardProcessor, event: PaymentSubmitted, effect_id: str) -> RecordAuthorisation:
    return authorisation(event, await cards.authorise(effect_id, event.payment_id, event.amount, event.payment_token))


async def find_authorisation(
    cards: CardProcessor, event: PaymentSubmitted, effect_id: str
) -> RecordAuthorisation | None:
    answer = await cards.find(effect_id)
    return authorisation(event, answer) if answer else None


async def capture(cards: CardProcessor, event: CaptureSubmitted, effect_id: str) -> RecordCapture:
    return captured(event, await cards.capture(effect_id, event.payment_id, event.amount))


async def find_capture(cards: CardProcessor, event: CaptureSubmitted, effect_id: str) -> RecordCapture | None:
    answer = await cards.find(effect_id)
    return captured(event, answer) if answer else None


async def void(cards: CardProcessor, event: VoidSubmitted, effect_id: str) -> RecordVoid:
    return voided(event, await cards.void(effect_id, event.payment_id))


async def find_void(cards: CardProcessor, event: VoidSubmitted, effect_id: str) -> RecordVoid | None:
    answer = await cards.find(effect_id)
    return voided(event, answer) if answer else None


async def refund(cards: CardProcessor, event: RefundSubmitted, effect_id: str) -> RecordRefund:
    return refunded(event, await cards.refund(effect_id, event.payment_id, event.refund_id, event.amount))


async def find_refund(cards: CardProcessor, event: RefundSubmitted, effect_id: str) -> RecordRefund | None:
    answer = await cards.find(effect_id)
    return refunded(event, answer) if answer else None


def authorisation(event: PaymentSubmitted, answer: Answer) -> RecordAuthorisation:
    return RecordAuthorisation(
        payment_id=event.payment_id,
        approved=answer.approved,
        provider_reference=answer.provider_reference,
        decline_code=answer.decline_code,
    )


def captured(event: CaptureSubmitted, answer: Answer) -> RecordCapture:
    return RecordCapture(
        payment_id=event.payment_id,
        approved=answer.approved,
        provider_reference=answer.provider_reference,
        decline_code=answer.decline_code,
    )


def voided(event: VoidSubmitted, answer: Answer) -> RecordVoid:
    return RecordVoid(
        payment_id=event.payment_id,
        approved=answer.approved,
        provider_reference=answer.provider_reference,
        decline_code=answer.decline_code,
    )


def refunded(event: RefundSubmitted, answer: Answer) -> RecordRefund:
    return RecordRefund(
        payment_id=event.payment_id,
        refund_id=event.refund_id,
        approved=answer.approved,
        provider_reference=answer.provider_reference,
        decline_code=answer.decline_code,
    )
