"""RecordCapture."""

from actors.mesh.testing.given import given
from actors.payments.model.rules import capture, record_capture
from actors.payments.model.state import evolve
from schemas.payments import (
    CaptureDeclined,
    CapturePayment,
    CaptureSubmitted,
    PaymentAuthorised,
    PaymentCaptured,
    PaymentDeclined,
    PaymentSubmitted,
    PaymentVoided,
    RecordCapture,
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

RECORD = RecordCapture(payment_id="p1", approved=True, provider_reference="capture-000002")
NO = RecordCapture(payment_id="p1", approved=False, decline_code="try_again_later")
CAPTURE_DECLINED = CaptureDeclined(payment_id="p1", order_id="o1", decline_code="try_again_later")


def test_the_money_is_captured() -> None:
    given(evolve, SUBMITTED, AUTHORISED, CAPTURING).when(record_capture, RECORD).then(CAPTURED)


def test_hearing_it_twice_changes_nothing() -> None:
    given(evolve, SUBMITTED, AUTHORISED, CAPTURING, CAPTURED).when(record_capture, RECORD).nothing()


def test_a_capture_nobody_asked_for_is_refused() -> None:
    given(evolve, SUBMITTED, AUTHORISED).when(record_capture, RECORD).refused("outcome_unasked")


def test_a_no_is_told_with_its_code() -> None:
    given(evolve, SUBMITTED, AUTHORISED, CAPTURING).when(record_capture, NO).then(CAPTURE_DECLINED)


def test_a_declined_capture_can_be_asked_for_again_and_succeed() -> None:
    past = (SUBMITTED, AUTHORISED, CAPTURING, CAPTURE_DECLINED)
    given(evolve, *past).when(capture, CapturePayment(payment_id="p1", order_id="o1")).then(CAPTURING)
    given(evolve, *past, CAPTURING).when(record_capture, RECORD).then(CAPTURED)


def test_a_no_after_the_yes_changes_nothing() -> None:
    given(evolve, SUBMITTED, AUTHORISED, CAPTURING, CAPTURED).when(record_capture, NO).nothing()
