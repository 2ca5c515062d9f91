"""GetPayment."""

from actors import payments
from actors.mesh.testing.given import given_actor
from actors.payments.model.state import PaymentEvent
from schemas.payments import (
    CaptureDeclined,
    CaptureSubmitted,
    GetPayment,
    PaymentAuthorised,
    PaymentCaptured,
    PaymentDeclined,
    PaymentRefunded,
    PaymentSubmitted,
    PaymentView,
    PaymentVoided,
    RefundDeclined,
    RefundSubmitted,
    VoidDeclined,
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
        payment_id="p1", order_id="o1", refund_id=refund_id, amount=euros(amount_minor), provider_reference="r"
    )


def shown(*past: PaymentEvent) -> PaymentView:
    reply = given_actor(payments.actor, *past).asked(GetPayment(payment_id="p1")).reply
    assert isinstance(reply, PaymentView)
    return reply


def test_a_payment_is_shown_to_its_customer() -> None:
    view = PaymentView(payment_id="p1", order_id="o1", status="captured", customer_id="c1", amount=TEN_EUROS)
    asked = given_actor(payments.actor, *TAKEN).asked(GetPayment(payment_id="p1", customer_id="c1"))
    asked.answered(view)


def test_a_declined_payment_says_why() -> None:
    assert (shown(SUBMITTED, DECLINED).status, shown(SUBMITTED, DECLINED).decline_code) == ("declined", "do_not_honour")


def test_the_way_to_a_void_is_shown() -> None:
    past = (SUBMITTED, VOID_WANTED, AUTHORISED, VOIDING, VOIDED)
    assert [shown(*past[:length]).status for length in (1, 2, 4, 5)] == [
        "submitted",
        "void_wanted",
        "voiding",
        "voided",
    ]


def test_a_refund_is_shown_on_its_way_and_when_it_came() -> None:
    steps = (submitted("r1", 300), submitted("r2", 700), refunded("r2", 700), refunded("r1", 300))
    views = [shown(*TAKEN, *steps[:length]) for length in (1, 2, 3, 4)]
    assert [(view.status, view.refunding_minor, view.refunded_minor) for view in views] == [
        ("refunding", 300, 0),
        ("refunding", 1_000, 0),
        ("refunding", 300, 700),
        ("refunded", 0, 1_000),
    ]


def test_the_card_processors_no_is_shown_until_it_says_yes() -> None:
    no = "try_again_later"
    capture = CaptureDeclined(payment_id="p1", order_id="o1", decline_code=no)
    void = VoidDeclined(payment_id="p1", order_id="o1", decline_code=no)
    refund = RefundDeclined(payment_id="p1", order_id="o1", refund_id="r1", amount=euros(300), decline_code=no)
    held = (SUBMITTED, AUTHORISED)
    views = [
        shown(*held, CAPTURING, capture),
        shown(*held, CAPTURING, capture, CAPTURING, CAPTURED),
        shown(*held, VOIDING, void),
        shown(*held, VOIDING, void, VOIDING, VOIDED),
        shown(*TAKEN, submitted("r1", 300), refund),
        shown(*TAKEN, submitted("r1", 300), refund, submitted("r1", 300), refunded("r1", 300)),
    ]
    assert [(view.status, view.decline_code, view.refunding_minor, view.refunded_minor) for view in views] == [
        ("capture_declined", no, 0, 0),
        ("captured", "", 0, 0),
        ("void_declined", no, 0, 0),
        ("voided", "", 0, 0),
        ("captured", no, 0, 0),
        ("captured", "", 0, 300),
    ]


def test_a_tombstone_knows_neither_customer_nor_amount() -> None:
    assert shown(VOIDED) == PaymentView(payment_id="p1", order_id="o1", status="voided")


def test_somebody_elses_payment_is_as_one_that_does_not_exist() -> None:
    query = GetPayment(payment_id="p1", customer_id="c2")
    given_actor(payments.actor, *TAKEN).asked(query).refused("payment_unknown", kind="not_found")
    given_actor(payments.actor).asked(query).refused("payment_unknown", kind="not_found")
    given_actor(payments.actor, VOIDED).asked(query).refused("payment_unknown", kind="not_found")
