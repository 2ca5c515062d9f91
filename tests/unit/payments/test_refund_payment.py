"""RefundPayment."""

from actors.mesh.testing.given import given
from actors.payments.model.rules import refund
from actors.payments.model.state import evolve
from schemas.payments import (
    CaptureSubmitted,
    PaymentAuthorised,
    PaymentCaptured,
    PaymentDeclined,
    PaymentRefunded,
    PaymentSubmitted,
    PaymentVoided,
    RefundPayment,
    RefundSubmitted,
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

TAKEN = (SUBMITTED, AUTHORISED, CAPTURING, CAPTURED)


def euros(amount_minor: int) -> Money:
    return Money(amount_minor=amount_minor, currency="EUR")


def submitted(refund_id: str, amount_minor: int) -> RefundSubmitted:
    return RefundSubmitted(payment_id="p1", order_id="o1", refund_id=refund_id, amount=euros(amount_minor))


def refunded(refund_id: str, amount_minor: int) -> PaymentRefunded:
    return PaymentRefunded(
        payment_id="p1",
        order_id="o1",
        refund_id=refund_id,
        amount=euros(amount_minor),
        provider_reference="refund-000003",
    )


def refunding(refund_id: str, amount_minor: int) -> RefundPayment:
    return RefundPayment(payment_id="p1", refund_id=refund_id, amount=euros(amount_minor))


def test_all_of_the_money_can_be_given_back() -> None:
    given(evolve, *TAKEN).when(refund, refunding("r1", 1_000)).then(submitted("r1", 1_000))


def test_it_can_be_given_back_in_parts() -> None:
    past = (*TAKEN, submitted("r1", 300), refunded("r1", 300))
    given(evolve, *past).when(refund, refunding("r2", 700)).then(submitted("r2", 700))


def test_a_refund_of_more_than_was_taken_is_refused() -> None:
    outcome = given(evolve, *TAKEN).when(refund, refunding("r1", 1_001))
    outcome.refused("refund_too_large", pointer="/amount/amount_minor", naming="1000 left")


def test_what_was_given_back_counts() -> None:
    past = (*TAKEN, submitted("r1", 300), refunded("r1", 300))
    given(evolve, *past).when(refund, refunding("r2", 701)).refused("refund_too_large", naming="700 left")


def test_what_is_on_its_way_back_counts() -> None:
    given(evolve, *TAKEN, submitted("r1", 300)).when(refund, refunding("r2", 701)).refused("refund_too_large")


def test_nothing_is_left_of_a_payment_that_was_given_back() -> None:
    past = (*TAKEN, submitted("r1", 1_000), refunded("r1", 1_000))
    given(evolve, *past).when(refund, refunding("r2", 1)).refused("refund_too_large")


def test_asking_twice_changes_nothing() -> None:
    given(evolve, *TAKEN, submitted("r1", 1_000)).when(refund, refunding("r1", 1_000)).nothing()
    past = (*TAKEN, submitted("r1", 1_000), refunded("r1", 1_000))
    given(evolve, *past).when(refund, refunding("r1", 1_000)).nothing()


def test_an_id_taken_by_another_amount_is_refused() -> None:
    given(evolve, *TAKEN, submitted("r1", 300)).when(refund, refunding("r1", 400)).refused("refund_exists")


def test_nothing_is_no_refund() -> None:
    given(evolve, *TAKEN).when(refund, refunding("r1", 0)).refused("refund_empty", kind="invalid")


def test_money_goes_back_in_its_own_currency() -> None:
    dollars = RefundPayment(payment_id="p1", refund_id="r1", amount=Money(amount_minor=1, currency="USD"))
    given(evolve, *TAKEN).when(refund, dollars).refused("currency_mixed", kind="invalid")


def test_money_that_was_not_taken_is_not_given_back() -> None:
    given(evolve, SUBMITTED, AUTHORISED).when(refund, refunding("r1", 1)).refused("payment_uncaptured")


def test_a_voided_payment_is_not_given_back() -> None:
    given(evolve, VOIDED).when(refund, refunding("r1", 1)).refused("payment_voided")


REST = RefundPayment(payment_id="p1", refund_id="r9")


def test_where_no_amount_is_named_all_that_is_left_is_given_back() -> None:
    given(evolve, *TAKEN).when(refund, REST).then(submitted("r9", 1_000))
    past = (*TAKEN, submitted("r1", 300), refunded("r1", 300), submitted("r2", 100))
    given(evolve, *past).when(refund, REST).then(submitted("r9", 600))


def test_asking_for_the_rest_twice_changes_nothing() -> None:
    given(evolve, *TAKEN, submitted("r9", 1_000)).when(refund, REST).nothing()
    given(evolve, *TAKEN, submitted("r9", 1_000), refunded("r9", 1_000)).when(refund, REST).nothing()


def test_where_nothing_is_left_it_is_given_back_at_once_and_nobody_is_asked() -> None:
    nothing = PaymentRefunded(payment_id="p1", order_id="o1", refund_id="r9", amount=euros(0), provider_reference="")
    given(evolve, *TAKEN, submitted("r1", 1_000), refunded("r1", 1_000)).when(refund, REST).then(nothing)
    free = (
        PaymentSubmitted(payment_id="p1", order_id="o1", customer_id="c1", amount=euros(0), payment_token="t"),
        AUTHORISED,
        CaptureSubmitted(payment_id="p1", order_id="o1", amount=euros(0)),
        PaymentCaptured(payment_id="p1", order_id="o1", amount=euros(0), provider_reference="c"),
    )
    given(evolve, *free).when(refund, REST).then(nothing)
    state = given(evolve, *free, nothing).state
    assert state is not None
    assert state.status == "refunded"


def test_the_rest_is_not_known_while_all_of_it_is_on_its_way() -> None:
    given(evolve, *TAKEN, submitted("r1", 1_000)).when(refund, REST).refused("refund_unfinished")


def test_the_number_of_refunds_is_bounded() -> None:
    many = [submitted(f"r{number}", 1) for number in range(100)]
    given(evolve, *TAKEN, *many).when(refund, refunding("r100", 1)).refused("refunds_exhausted", kind="limited")
