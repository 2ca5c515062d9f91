"""RecordRefund."""

from actors.mesh.testing.given import given
from actors.payments.model.rules import record_refund, refund
from actors.payments.model.state import PaymentEvent, evolve
from schemas.payments import (
    CaptureSubmitted,
    PaymentAuthorised,
    PaymentCaptured,
    PaymentDeclined,
    PaymentRefunded,
    PaymentSubmitted,
    PaymentVoided,
    RecordRefund,
    RefundDeclined,
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


def record(refund_id: str) -> RecordRefund:
    return RecordRefund(payment_id="p1", refund_id=refund_id, approved=True, provider_reference="refund-000003")


NO = RecordRefund(payment_id="p1", refund_id="r1", approved=False, decline_code="try_again_later")


def declined(refund_id: str, amount_minor: int) -> RefundDeclined:
    return RefundDeclined(
        payment_id="p1",
        order_id="o1",
        refund_id=refund_id,
        amount=euros(amount_minor),
        decline_code="try_again_later",
    )


def test_the_money_went_back() -> None:
    given(evolve, *TAKEN, submitted("r1", 300)).when(record_refund, record("r1")).then(refunded("r1", 300))


def test_hearing_it_twice_changes_nothing() -> None:
    past = (*TAKEN, submitted("r1", 300), refunded("r1", 300))
    given(evolve, *past).when(record_refund, record("r1")).nothing()


def test_refunds_end_in_any_order() -> None:
    past = (*TAKEN, submitted("r1", 300), submitted("r2", 700), refunded("r2", 700))
    given(evolve, *past).when(record_refund, record("r1")).then(refunded("r1", 300))


def test_a_payment_is_refunded_when_all_of_it_went_back() -> None:
    past = (*TAKEN, submitted("r1", 300), submitted("r2", 700), refunded("r2", 700))
    assert status(*past) == "refunding"
    assert status(*past, refunded("r1", 300)) == "refunded"


def test_a_payment_of_which_something_is_left_is_captured() -> None:
    assert status(*TAKEN, submitted("r1", 300), refunded("r1", 300)) == "captured"


def test_a_refund_nobody_asked_for_is_refused() -> None:
    given(evolve, *TAKEN, submitted("r1", 300)).when(record_refund, record("r2")).refused("refund_unknown")
    given(evolve, *TAKEN).when(record_refund, record("r2")).refused("outcome_unasked")


def test_a_no_is_told_with_its_code() -> None:
    given(evolve, *TAKEN, submitted("r1", 300)).when(record_refund, NO).then(declined("r1", 300))


def test_money_of_a_declined_refund_can_be_given_back_under_the_same_id_or_another() -> None:
    past = (*TAKEN, submitted("r1", 1_000), declined("r1", 1_000))
    assert status(*past) == "captured"
    again = RefundPayment(payment_id="p1", refund_id="r1", amount=euros(1_000))
    given(evolve, *past).when(refund, again).then(submitted("r1", 1_000))
    other = RefundPayment(payment_id="p1", refund_id="r2", amount=euros(400))
    given(evolve, *past).when(refund, other).then(submitted("r2", 400))
    given(evolve, *past, submitted("r1", 1_000)).when(record_refund, record("r1")).then(refunded("r1", 1_000))


def test_a_no_to_one_refund_leaves_the_others_on_their_way() -> None:
    past = (*TAKEN, submitted("r1", 300), submitted("r2", 700), declined("r1", 300))
    assert status(*past) == "refunding"
    assert status(*past, refunded("r2", 700)) == "captured"


def test_a_no_after_the_yes_changes_nothing() -> None:
    past = (*TAKEN, submitted("r1", 300), refunded("r1", 300), submitted("r2", 300))
    given(evolve, *past).when(record_refund, NO).nothing()


def status(*past: PaymentEvent) -> str:
    payment = given(evolve, *past).state
    assert payment is not None
    return payment.status
