"""What each command does to a payment. Pure: no clock, no network, no store."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from actors.mesh import Refused
from actors.payments.model.state import Payment, PaymentEvent
from actors.payments.model.table import due
from schemas.payments import (
    AuthorisePayment,
    CaptureDeclined,
    CapturePayment,
    CaptureSubmitted,
    PaymentAuthorised,
    PaymentCaptured,
    PaymentDeclined,
    PaymentRefunded,
    PaymentSubmitted,
    PaymentVoided,
    RecordAuthorisation,
    RecordCapture,
    RecordRefund,
    RecordVoid,
    RefundDeclined,
    RefundPayment,
    RefundSubmitted,
    VoidDeclined,
    VoidPayment,
    VoidSubmitted,
    VoidWanted,
)
from schemas.values import Money

REFUNDS_MAX = 100
"""Refunds of one payment: its state keeps each, and an order has at most fifty lines to send back."""


def authorise(payment: Payment | None, command: AuthorisePayment) -> Iterator[PaymentEvent]:
    events = due(payment, "authorise")
    asked = (command.order_id, command.customer_id, command.amount)
    if payment is not None and (payment.order_id, payment.customer_id, payment.amount) != asked:
        raise Refused("payment_exists", f"payment {command.payment_id} is of another order, customer or amount")
    if PaymentSubmitted in events:
        yield PaymentSubmitted(
            payment_id=command.payment_id,
            order_id=command.order_id,
            customer_id=command.customer_id,
            amount=command.amount,
            payment_token=command.payment_token,
        )


def record_authorisation(payment: Payment | None, command: RecordAuthorisation) -> Iterator[PaymentEvent]:
    events = due(payment, "approve" if command.approved else "decline")
    payment_id, order_id = command.payment_id, known(payment).order_id
    if PaymentAuthorised in events:
        reference = command.provider_reference
        yield PaymentAuthorised(payment_id=payment_id, order_id=order_id, provider_reference=reference)
    if PaymentDeclined in events:
        yield PaymentDeclined(payment_id=payment_id, order_id=order_id, decline_code=command.decline_code)
    if VoidSubmitted in events:
        yield VoidSubmitted(payment_id=payment_id, order_id=order_id)


def capture(payment: Payment | None, command: CapturePayment) -> Iterator[PaymentEvent]:
    if CaptureSubmitted in due(payment, "capture"):
        held = known(payment)
        yield CaptureSubmitted(payment_id=held.payment_id, order_id=held.order_id, amount=amount_of(held))


def record_capture(payment: Payment | None, command: RecordCapture) -> Iterator[PaymentEvent]:
    if PaymentCaptured not in due(payment, "captured"):
        return
    held = known(payment)
    if not command.approved:
        yield CaptureDeclined(payment_id=held.payment_id, order_id=held.order_id, decline_code=command.decline_code)
        return
    yield PaymentCaptured(
        payment_id=held.payment_id,
        order_id=held.order_id,
        amount=amount_of(held),
        provider_reference=command.provider_reference,
    )


def void(payment: Payment | None, command: VoidPayment) -> Iterator[PaymentEvent]:
    events = due(payment, "void")
    payment_id, order_id = command.payment_id, payment.order_id if payment else command.order_id
    if PaymentVoided in events:
        # A tombstone: the authorisation may be on its way still, and must find the door shut.
        yield PaymentVoided(payment_id=payment_id, order_id=order_id)
    if VoidWanted in events:
        # What became of the authorisation is not known yet, and only money that is held can be let go.
        yield VoidWanted(payment_id=payment_id, order_id=order_id)
    if VoidSubmitted in events:
        yield VoidSubmitted(payment_id=payment_id, order_id=order_id)


def record_void(payment: Payment | None, command: RecordVoid) -> Iterator[PaymentEvent]:
    if PaymentVoided not in due(payment, "voided"):
        return
    payment_id, order_id = command.payment_id, known(payment).order_id
    if not command.approved:
        yield VoidDeclined(payment_id=payment_id, order_id=order_id, decline_code=command.decline_code)
        return
    yield PaymentVoided(payment_id=payment_id, order_id=order_id)


def refund(payment: Payment | None, command: RefundPayment) -> Iterator[PaymentEvent]:
    events = due(payment, "refund")
    taken = known(payment)
    earlier = taken.refunds.get(command.refund_id)
    if earlier is not None and command.amount in (None, earlier.amount):
        return
    if earlier is not None:
        raise Refused("refund_exists", f"refund {command.refund_id} is of another amount")
    if command.amount is None and taken.refundable_minor == 0:
        yield nothing_left(taken, command.refund_id)
        return
    amount = command.amount or replace(amount_of(taken), amount_minor=taken.refundable_minor)
    refuse_unless_refundable(taken, amount)
    if RefundSubmitted in events:
        yield RefundSubmitted(
            payment_id=taken.payment_id,
            order_id=taken.order_id,
            refund_id=command.refund_id,
            amount=amount,
        )


def nothing_left(payment: Payment, refund_id: str) -> PaymentRefunded:
    """All that is left of nothing is given back at once: a free order's, or what went back before."""
    if payment.status == "refunding":
        raise Refused("refund_unfinished", "what is left is on its way back, and may be declined yet")
    return PaymentRefunded(
        payment_id=payment.payment_id,
        order_id=payment.order_id,
        refund_id=refund_id,
        amount=replace(amount_of(payment), amount_minor=0),
        provider_reference="",
    )


def record_refund(payment: Payment | None, command: RecordRefund) -> Iterator[PaymentEvent]:
    asked = payment.refunds.get(command.refund_id) if payment else None
    if asked is not None and asked.done:
        return
    events = due(payment, "refunded")
    if asked is None:
        raise Refused("refund_unknown", f"no refund {command.refund_id} was asked for", kind="not_found")
    if PaymentRefunded not in events:
        return
    order_id = known(payment).order_id
    if not command.approved:
        yield RefundDeclined(
            payment_id=command.payment_id,
            order_id=order_id,
            refund_id=command.refund_id,
            amount=asked.amount,
            decline_code=command.decline_code,
        )
        return
    yield PaymentRefunded(
        payment_id=command.payment_id,
        order_id=order_id,
        refund_id=command.refund_id,
        amount=asked.amount,
        provider_reference=command.provider_reference,
    )


def refuse_unless_refundable(payment: Payment, amount: Money) -> None:
    pointer = "/amount/amount_minor"
    if amount.currency != amount_of(payment).currency:
        raise Refused("currency_mixed", "money goes back as it came", kind="invalid", pointer="/amount/currency")
    if amount.amount_minor == 0:
        raise Refused("refund_empty", "nothing is to be given back", kind="invalid", pointer=pointer)
    if amount.amount_minor > payment.refundable_minor:
        detail = f"{amount.amount_minor} asked for, {payment.refundable_minor} left"
        raise Refused("refund_too_large", detail, pointer=pointer)
    if len(payment.refunds) >= REFUNDS_MAX:
        raise Refused("refunds_exhausted", f"a payment is refunded at most {REFUNDS_MAX} times", kind="limited")


def known(payment: Payment | None) -> Payment:
    assert payment is not None, "the table refuses what needs a payment where there is none"
    return payment


def amount_of(payment: Payment) -> Money:
    assert payment.amount is not None, "only a payment that was submitted comes this far"
    return payment.amount
