"""AuthorisePayment."""

from actors.mesh.testing.given import given
from actors.payments.model.rules import authorise
from actors.payments.model.state import evolve
from schemas.payments import (
    AuthorisePayment,
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

AUTHORISE = AuthorisePayment(
    payment_id="p1", order_id="o1", customer_id="c1", amount=TEN_EUROS, payment_token="card-approved"
)


def test_the_card_processor_is_to_be_asked() -> None:
    given(evolve).when(authorise, AUTHORISE).then(SUBMITTED)


def test_asking_twice_changes_nothing() -> None:
    given(evolve, SUBMITTED).when(authorise, AUTHORISE).nothing()


def test_asking_again_after_the_money_was_taken_changes_nothing() -> None:
    given(evolve, SUBMITTED, AUTHORISED, CAPTURING, CAPTURED).when(authorise, AUTHORISE).nothing()


def test_a_void_that_came_first_refuses_it_for_ever() -> None:
    given(evolve, VOIDED).when(authorise, AUTHORISE).refused("payment_voided", kind="conflict")


def test_a_void_that_is_wanted_refuses_it() -> None:
    given(evolve, SUBMITTED, VOID_WANTED).when(authorise, AUTHORISE).refused("payment_voided")


def test_a_declined_payment_stays_declined() -> None:
    given(evolve, SUBMITTED, DECLINED).when(authorise, AUTHORISE).refused("payment_declined")


def test_an_id_taken_by_another_amount_is_refused() -> None:
    dearer = AuthorisePayment(
        payment_id="p1",
        order_id="o1",
        customer_id="c1",
        amount=Money(amount_minor=1_001, currency="EUR"),
        payment_token="card-approved",
    )
    given(evolve, SUBMITTED).when(authorise, dearer).refused("payment_exists")
