"""CapturePayment."""

from actors.mesh.testing.given import given
from actors.payments.model.rules import capture
from actors.payments.model.state import evolve
from schemas.payments import (
    CapturePayment,
    CaptureSubmitted,
    PaymentAuthorised,
    PaymentCaptured,
    PaymentDeclined,
    PaymentSubmitted,
    PaymentVoided,
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

CAPTURE = CapturePayment(payment_id="p1", order_id="o1")


def test_money_that_is_held_is_to_be_taken() -> None:
    given(evolve, SUBMITTED, AUTHORISED).when(capture, CAPTURE).then(CAPTURING)


def test_capturing_twice_changes_nothing() -> None:
    given(evolve, SUBMITTED, AUTHORISED, CAPTURING).when(capture, CAPTURE).nothing()
    given(evolve, SUBMITTED, AUTHORISED, CAPTURING, CAPTURED).when(capture, CAPTURE).nothing()


def test_money_that_is_not_held_yet_is_not_taken() -> None:
    given(evolve, SUBMITTED).when(capture, CAPTURE).refused("payment_unauthorised")


def test_a_voided_payment_is_not_taken() -> None:
    given(evolve, SUBMITTED, AUTHORISED, VOIDING).when(capture, CAPTURE).refused("payment_voided")


def test_an_unknown_payment_is_not_taken() -> None:
    given(evolve).when(capture, CAPTURE).refused("payment_unknown", kind="not_found")
