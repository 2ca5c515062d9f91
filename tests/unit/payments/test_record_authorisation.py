"""RecordAuthorisation."""

from actors.mesh.testing.given import given
from actors.payments.model.rules import record_authorisation
from actors.payments.model.state import evolve
from schemas.payments import (
    CaptureSubmitted,
    PaymentAuthorised,
    PaymentCaptured,
    PaymentDeclined,
    PaymentSubmitted,
    PaymentVoided,
    RecordAuthorisation,
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

APPROVE = RecordAuthorisation(payment_id="p1", approved=True, provider_reference="authorisation-000001")
DECLINE = RecordAuthorisation(payment_id="p1", approved=False, decline_code="do_not_honour")


def test_an_approval_authorises() -> None:
    given(evolve, SUBMITTED).when(record_authorisation, APPROVE).then(AUTHORISED)


def test_a_decline_declines() -> None:
    given(evolve, SUBMITTED).when(record_authorisation, DECLINE).then(DECLINED)


def test_hearing_it_twice_changes_nothing() -> None:
    given(evolve, SUBMITTED, AUTHORISED).when(record_authorisation, APPROVE).nothing()
    given(evolve, SUBMITTED, DECLINED).when(record_authorisation, DECLINE).nothing()


def test_money_approved_after_a_void_was_wanted_is_let_go() -> None:
    given(evolve, SUBMITTED, VOID_WANTED).when(record_authorisation, APPROVE).then(AUTHORISED, VOIDING)


def test_a_decline_after_a_void_was_wanted_is_all_there_is_to_do() -> None:
    given(evolve, SUBMITTED, VOID_WANTED).when(record_authorisation, DECLINE).then(DECLINED)


def test_money_approved_after_the_tombstone_is_let_go() -> None:
    given(evolve, VOIDED).when(record_authorisation, APPROVE).then(VOIDING)


def test_money_approved_after_a_decline_is_let_go() -> None:
    given(evolve, SUBMITTED, DECLINED).when(record_authorisation, APPROVE).then(VOIDING)


def test_nobody_asked_for_a_payment_that_is_not_there() -> None:
    given(evolve).when(record_authorisation, APPROVE).refused("payment_unknown", kind="not_found")
