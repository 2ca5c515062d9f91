"""VoidPayment."""

from actors.mesh.testing.given import given
from actors.payments.model.rules import void
from actors.payments.model.state import evolve
from schemas.payments import (
    CaptureSubmitted,
    PaymentAuthorised,
    PaymentCaptured,
    PaymentDeclined,
    PaymentSubmitted,
    PaymentVoided,
    VoidPayment,
    VoidSubmitted,
    VoidWanted,
)
from schemas.values import Money

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

VOID = VoidPayment(payment_id="p1", order_id="o1")


def test_money_that_is_held_is_to_be_let_go() -> None:
    given(evolve, SUBMITTED, AUTHORISED).when(void, VOID).then(VOIDING)


def test_a_void_that_comes_first_leaves_a_tombstone() -> None:
    given(evolve).when(void, VOID).then(VOIDED)


def test_a_void_is_wanted_while_the_outcome_is_not_known() -> None:
    given(evolve, SUBMITTED).when(void, VOID).then(VOID_WANTED)


def test_voiding_twice_changes_nothing() -> None:
    given(evolve, VOIDED).when(void, VOID).nothing()
    given(evolve, SUBMITTED, VOID_WANTED).when(void, VOID).nothing()
    given(evolve, SUBMITTED, AUTHORISED, VOIDING).when(void, VOID).nothing()


def test_of_a_declined_payment_there_is_nothing_to_let_go() -> None:
    given(evolve, SUBMITTED, DECLINED).when(void, VOID).nothing()


def test_money_that_is_taken_is_refunded_not_voided() -> None:
    given(evolve, SUBMITTED, AUTHORISED, CAPTURING).when(void, VOID).refused("payment_captured")
    given(evolve, SUBMITTED, AUTHORISED, CAPTURING, CAPTURED).when(void, VOID).refused("payment_captured")
