"""What the past of a payment adds up to. Pure: no clock, no network, no store."""

from __future__ import annotations

from typing import TypeAlias

import msgspec
from msgspec.structs import replace

from schemas.payments import (
    CaptureDeclined,
    CaptureSubmitted,
    PaymentAuthorised,
    PaymentCaptured,
    PaymentDeclined,
    PaymentRefunded,
    PaymentStatus,
    PaymentSubmitted,
    PaymentVoided,
    RefundDeclined,
    RefundSubmitted,
    VoidDeclined,
    VoidSubmitted,
    VoidWanted,
)
from schemas.values import Money

RefundEvent: TypeAlias = RefundSubmitted | RefundDeclined | PaymentRefunded
PaymentEvent: TypeAlias = (
    PaymentSubmitted
    | PaymentAuthorised
    | PaymentDeclined
    | CaptureSubmitted
    | CaptureDeclined
    | PaymentCaptured
    | VoidWanted
    | VoidSubmitted
    | VoidDeclined
    | PaymentVoided
    | RefundEvent
)


class Refund(msgspec.Struct, frozen=True, kw_only=True):
    """Money on its way back; `done` once the card processor has confirmed it."""

    amount: Money
    done: bool = False


class Payment(msgspec.Struct, frozen=True, kw_only=True):
    """One payment; customer and amount are absent where the void came before the authorisation."""

    payment_id: str
    order_id: str
    status: PaymentStatus
    customer_id: str | None = None
    amount: Money | None = None
    captured_minor: int = 0
    refunds: dict[str, Refund] = {}

    @property
    def refundable_minor(self) -> int:
        """What was captured and is neither given back nor on its way."""
        return self.captured_minor - sum(refund.amount.amount_minor for refund in self.refunds.values())


def evolve(payment: Payment | None, event: PaymentEvent) -> Payment:
    if isinstance(event, PaymentSubmitted):
        return Payment(
            payment_id=event.payment_id,
            order_id=event.order_id,
            status="submitted",
            customer_id=event.customer_id,
            amount=event.amount,
        )
    if payment is None:
        assert isinstance(event, PaymentVoided), "only a void may come before the authorisation"
        return Payment(payment_id=event.payment_id, order_id=event.order_id, status="voided")
    match event:
        case PaymentAuthorised():
            return replace(payment, status="authorised")
        case PaymentDeclined():
            return replace(payment, status="declined")
        case CaptureSubmitted():
            return replace(payment, status="capturing")
        case CaptureDeclined():
            return replace(payment, status="capture_declined")
        case PaymentCaptured():
            return replace(payment, status="captured", captured_minor=event.amount.amount_minor)
        case VoidWanted():
            return replace(payment, status="void_wanted")
        case VoidSubmitted():
            return replace(payment, status="voiding")
        case VoidDeclined():
            return replace(payment, status="void_declined")
        case PaymentVoided():
            return replace(payment, status="voided")
        case RefundSubmitted() | RefundDeclined() | PaymentRefunded():
            return with_refund(payment, event)


def with_refund(payment: Payment, event: RefundEvent) -> Payment:
    # A declined one is forgotten: its money can be given back again, and its id may name it.
    refunds = {refund_id: refund for refund_id, refund in payment.refunds.items() if refund_id != event.refund_id}
    if not isinstance(event, RefundDeclined):
        refunds[event.refund_id] = Refund(amount=event.amount, done=isinstance(event, PaymentRefunded))
    pending = sum(not each.done for each in refunds.values())
    refunded_minor = sum(each.amount.amount_minor for each in refunds.values() if each.done)
    return replace(payment, refunds=refunds, status=status_of_refunds(pending, refunded_minor, payment.captured_minor))


def status_of_refunds(pending: int, refunded_minor: int, captured_minor: int) -> PaymentStatus:
    """Return where refunds leave a payment; `pending` is how many (or how much) are on their way."""
    if pending:
        return "refunding"
    return "refunded" if refunded_minor == captured_minor else "captured"
