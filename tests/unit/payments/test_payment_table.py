"""Every move on a payment in every status: the whole life, cell by cell."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from actors.mesh.testing.given import given
from actors.payments.model import rules, table
from actors.payments.model.state import PaymentEvent, evolve
from schemas.message import Command, Event
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
    RefundPayment,
    RefundSubmitted,
    VoidDeclined,
    VoidPayment,
    VoidSubmitted,
    VoidWanted,
)
from schemas.values import Money

# '-' is nothing; 'a+b' are two events; a word in small letters is the code of a refusal.
EXPECTED = """
                  authorise         approve                          decline
none              PaymentSubmitted  payment_unknown                  payment_unknown
submitted         -                 PaymentAuthorised                PaymentDeclined
authorised        -                 -                                -
declined          payment_declined  VoidSubmitted                    -
capturing         -                 -                                -
capture_declined  -                 -                                -
captured          -                 -                                -
refunding         -                 -                                -
refunded          -                 -                                -
void_wanted       payment_voided    PaymentAuthorised+VoidSubmitted  PaymentDeclined
voiding           payment_voided    -                                -
void_declined     payment_voided    -                                -
voided            payment_voided    VoidSubmitted                    -

                  capture               captured         void              voided
none              payment_unknown       payment_unknown  PaymentVoided     payment_unknown
submitted         payment_unauthorised  outcome_unasked  VoidWanted        outcome_unasked
authorised        CaptureSubmitted      outcome_unasked  VoidSubmitted     outcome_unasked
declined          payment_declined      outcome_unasked  -                 outcome_unasked
capturing         -                     PaymentCaptured  payment_captured  outcome_unasked
capture_declined  CaptureSubmitted      outcome_unasked  VoidSubmitted     outcome_unasked
captured          -                     -                payment_captured  outcome_unasked
refunding         -                     -                payment_captured  outcome_unasked
refunded          -                     -                payment_captured  outcome_unasked
void_wanted       payment_voided        outcome_unasked  -                 outcome_unasked
voiding           payment_voided        outcome_unasked  -                 PaymentVoided
void_declined     payment_voided        outcome_unasked  VoidSubmitted     outcome_unasked
voided            payment_voided        outcome_unasked  -                 -

                  refund              refunded
none              payment_unknown     payment_unknown
submitted         payment_uncaptured  outcome_unasked
authorised        payment_uncaptured  outcome_unasked
declined          payment_declined    outcome_unasked
capturing         payment_uncaptured  outcome_unasked
capture_declined  payment_uncaptured  outcome_unasked
captured          RefundSubmitted     outcome_unasked
refunding         RefundSubmitted     PaymentRefunded
refunded          refund_too_large    outcome_unasked
void_wanted       payment_voided      outcome_unasked
voiding           payment_voided      outcome_unasked
void_declined     payment_voided      outcome_unasked
voided            payment_voided      outcome_unasked
"""

TEN_EUROS = Money(amount_minor=1_000, currency="EUR")
SUBMITTED = PaymentSubmitted(
    payment_id="p1", order_id="o1", customer_id="c1", amount=TEN_EUROS, payment_token="card-approved"
)
AUTHORISED = PaymentAuthorised(payment_id="p1", order_id="o1", provider_reference="authorisation-000001")
DECLINED = PaymentDeclined(payment_id="p1", order_id="o1", decline_code="do_not_honour")
CAPTURING = CaptureSubmitted(payment_id="p1", order_id="o1", amount=TEN_EUROS)
CAPTURED = PaymentCaptured(payment_id="p1", order_id="o1", amount=TEN_EUROS, provider_reference="capture-000002")
VOID_WANTED = VoidWanted(payment_id="p1", order_id="o1")
VOIDING = VoidSubmitted(payment_id="p1", order_id="o1")
VOIDED = PaymentVoided(payment_id="p1", order_id="o1")
NO_CAPTURE = CaptureDeclined(payment_id="p1", order_id="o1", decline_code="try_again_later")
NO_VOID = VoidDeclined(payment_id="p1", order_id="o1", decline_code="try_again_later")
SOME_BACK = RefundSubmitted(
    payment_id="p1", order_id="o1", refund_id="r1", amount=Money(amount_minor=400, currency="EUR")
)
ALL_BACK = RefundSubmitted(payment_id="p1", order_id="o1", refund_id="r9", amount=TEN_EUROS)
GIVEN_BACK = PaymentRefunded(
    payment_id="p1", order_id="o1", refund_id="r9", amount=TEN_EUROS, provider_reference="refund-000003"
)
TAKEN = (SUBMITTED, AUTHORISED, CAPTURING, CAPTURED)
PASTS: dict[str, tuple[PaymentEvent, ...]] = {
    "none": (),
    "submitted": (SUBMITTED,),
    "authorised": (SUBMITTED, AUTHORISED),
    "declined": (SUBMITTED, DECLINED),
    "capturing": (SUBMITTED, AUTHORISED, CAPTURING),
    "capture_declined": (SUBMITTED, AUTHORISED, CAPTURING, NO_CAPTURE),
    "captured": TAKEN,
    "refunding": (*TAKEN, SOME_BACK),
    "refunded": (*TAKEN, ALL_BACK, GIVEN_BACK),
    "void_wanted": (SUBMITTED, VOID_WANTED),
    "voiding": (SUBMITTED, AUTHORISED, VOIDING),
    "void_declined": (SUBMITTED, AUTHORISED, VOIDING, NO_VOID),
    "voided": (SUBMITTED, AUTHORISED, VOIDING, VOIDED),
}
AUTHORISE = AuthorisePayment(
    payment_id="p1", order_id="o1", customer_id="c1", amount=TEN_EUROS, payment_token="card-approved"
)
MOVES: dict[str, tuple[Callable[..., Iterable[Event]], Command[Any]]] = {
    "authorise": (rules.authorise, AUTHORISE),
    "approve": (rules.record_authorisation, RecordAuthorisation(payment_id="p1", approved=True)),
    "decline": (rules.record_authorisation, RecordAuthorisation(payment_id="p1", approved=False)),
    "capture": (rules.capture, CapturePayment(payment_id="p1", order_id="o1")),
    "captured": (rules.record_capture, RecordCapture(payment_id="p1", approved=True, provider_reference="c")),
    "void": (rules.void, VoidPayment(payment_id="p1", order_id="o1")),
    "voided": (rules.record_void, RecordVoid(payment_id="p1", approved=True, provider_reference="v")),
    "refund": (
        rules.refund,
        RefundPayment(payment_id="p1", refund_id="r2", amount=Money(amount_minor=600, currency="EUR")),
    ),
    "refunded": (
        rules.record_refund,
        RecordRefund(payment_id="p1", refund_id="r1", approved=True, provider_reference="r"),
    ),
}


def cells() -> list[tuple[str, str, str]]:
    found = []
    for block in EXPECTED.strip().split("\n\n"):
        head, *rows = (line.split() for line in block.splitlines())
        found += [(status, move, cell) for status, *row in rows for move, cell in zip(head, row, strict=True)]
    return found


@pytest.mark.parametrize(("status", "move", "expected"), cells())
def test_each_move_in_each_status(status: str, move: str, expected: str) -> None:
    decide, command = MOVES[move]
    outcome = given(evolve, *PASTS[status]).when(decide, command)
    if expected.islower():
        outcome.refused(expected, kind="not_found" if expected == "payment_unknown" else "conflict")
    else:
        assert outcome.refusal is None
        assert [type(event).__name__ for event in outcome.events] == ([] if expected == "-" else expected.split("+"))


def test_no_cell_is_left_out() -> None:
    assert len(set(cells())) == len(table.TABLE) * len(table.MOVES)
    assert {(status, move) for status, move, _ in cells()} == {
        (status or "none", move) for status in table.TABLE for move in table.MOVES
    }


@pytest.mark.parametrize("status", [status for status in PASTS if status != "none"])
def test_each_past_leads_to_its_status(status: str) -> None:
    payment = given(evolve, *PASTS[status]).state
    assert payment is not None
    assert payment.status == status
