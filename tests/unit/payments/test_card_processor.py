"""What an event becomes at the card processor, with each magic card: the answer, the fault, and what can be found."""

import pytest

from actors import payments
from actors.mesh import Broken, TimedOut
from actors.payments import provider
from actors.payments.provider import SimulatedCards
from schemas.payments import (
    CaptureSubmitted,
    PaymentSubmitted,
    RecordAuthorisation,
    RecordCapture,
    RecordRefund,
    RecordVoid,
    RefundSubmitted,
    VoidSubmitted,
)
from schemas.values import Money

TEN_EUROS = Money(amount_minor=1_000, currency="EUR")
CAPTURE = CaptureSubmitted(payment_id="p1", order_id="o1", amount=TEN_EUROS)
VOID = VoidSubmitted(payment_id="p1", order_id="o1")
REFUND = RefundSubmitted(payment_id="p1", order_id="o1", refund_id="r1", amount=TEN_EUROS)
APPROVED = RecordAuthorisation(payment_id="p1", approved=True, provider_reference="authorisation-000001")


def submitted(token: str) -> PaymentSubmitted:
    return PaymentSubmitted(payment_id="p1", order_id="o1", customer_id="c1", amount=TEN_EUROS, payment_token=token)


def moved(cards: SimulatedCards) -> list[tuple[str, bool]]:
    return [(each.instruction.kind, each.answer.approved) for each in cards.books.operations]


async def test_card_approved() -> None:
    cards = SimulatedCards()
    assert await provider.authorise(cards, submitted("card-approved"), "e1") == APPROVED
    assert moved(cards) == [("authorisation", True)]


@pytest.mark.parametrize(
    ("token", "code"),
    [("card-declined", "do_not_honour"), ("card-insufficient-funds", "insufficient_funds")],
)
async def test_a_declined_card(token: str, code: str) -> None:
    cards = SimulatedCards()
    declined = RecordAuthorisation(payment_id="p1", approved=False, decline_code=code)
    assert await provider.authorise(cards, submitted(token), "e1") == declined
    assert await provider.find_authorisation(cards, submitted(token), "e1") == declined
    assert moved(cards) == [("authorisation", False)]


async def test_card_timeout_then_success() -> None:
    cards, event = SimulatedCards(), submitted("card-timeout-then-success")
    with pytest.raises(TimedOut):
        await provider.authorise(cards, event, "e1")
    assert await provider.find_authorisation(cards, event, "e1") == APPROVED
    assert await provider.authorise(cards, event, "e1") == APPROVED
    assert moved(cards) == [("authorisation", True)]


async def test_card_error_then_success() -> None:
    cards, event = SimulatedCards(), submitted("card-error-then-success")
    with pytest.raises(Broken):
        await provider.authorise(cards, event, "e1")
    assert await provider.find_authorisation(cards, event, "e1") == APPROVED
    assert await provider.authorise(cards, event, "e1") == APPROVED
    assert moved(cards) == [("authorisation", True)]


async def test_card_error_before() -> None:
    cards, event = SimulatedCards(), submitted("card-error-before")
    with pytest.raises(Broken):
        await provider.authorise(cards, event, "e1")
    assert await provider.find_authorisation(cards, event, "e1") is None
    assert moved(cards) == []
    assert await provider.authorise(cards, event, "e1") == APPROVED


async def test_the_same_key_is_the_same_charge() -> None:
    cards = SimulatedCards()
    first = await provider.authorise(cards, submitted("card-approved"), "e1")
    assert await provider.authorise(cards, submitted("card-approved"), "e1") == first
    assert moved(cards) == [("authorisation", True)]


async def test_the_same_key_is_never_another_instruction() -> None:
    cards = SimulatedCards()
    await provider.authorise(cards, submitted("card-approved"), "e1")
    with pytest.raises(Broken):
        await provider.capture(cards, CAPTURE, "e1")


async def test_money_that_is_held_is_captured_and_given_back() -> None:
    cards = SimulatedCards()
    await provider.authorise(cards, submitted("card-approved"), "e1")
    captured = RecordCapture(payment_id="p1", approved=True, provider_reference="capture-000002")
    refunded = RecordRefund(payment_id="p1", refund_id="r1", approved=True, provider_reference="refund-000003")
    assert await provider.find_capture(cards, CAPTURE, "e2") is None
    assert await provider.capture(cards, CAPTURE, "e2") == captured
    assert await provider.find_capture(cards, CAPTURE, "e2") == captured
    assert await provider.find_refund(cards, REFUND, "e3") is None
    assert await provider.refund(cards, REFUND, "e3") == refunded
    assert await provider.find_refund(cards, REFUND, "e3") == refunded


async def test_money_that_is_held_is_let_go() -> None:
    cards = SimulatedCards()
    await provider.authorise(cards, submitted("card-approved"), "e1")
    voided = RecordVoid(payment_id="p1", approved=True, provider_reference="void-000002")
    assert await provider.find_void(cards, VOID, "e2") is None
    assert await provider.void(cards, VOID, "e2") == voided
    assert await provider.find_void(cards, VOID, "e2") == voided
    no = RecordCapture(payment_id="p1", approved=False, decline_code="authorisation_voided")
    assert await provider.capture(cards, CAPTURE, "e3") == no


async def test_money_is_not_taken_that_nobody_holds() -> None:
    no = RecordCapture(payment_id="p1", approved=False, decline_code="capture_over_authorisation")
    assert await provider.capture(SimulatedCards(), CAPTURE, "e1") == no


async def test_money_is_not_taken_twice_under_two_keys() -> None:
    cards = SimulatedCards()
    await provider.authorise(cards, submitted("card-approved"), "e1")
    await provider.capture(cards, CAPTURE, "e2")
    no = RecordCapture(payment_id="p1", approved=False, decline_code="capture_over_authorisation")
    assert await provider.capture(cards, CAPTURE, "e3") == no


async def test_more_is_not_given_back_than_was_taken() -> None:
    no = RecordRefund(payment_id="p1", refund_id="r1", approved=False, decline_code="refund_over_capture")
    assert await provider.refund(SimulatedCards(), REFUND, "e1") == no


async def test_card_capture_declined() -> None:
    cards = SimulatedCards()
    await provider.authorise(cards, submitted("card-capture-declined"), "e1")
    no = RecordCapture(payment_id="p1", approved=False, decline_code="try_again_later")
    assert await provider.capture(cards, CAPTURE, "e2") == no
    assert await provider.capture(cards, CAPTURE, "e2") == no, "the same key is the same answer"
    assert await provider.find_capture(cards, CAPTURE, "e2") == no
    assert (await provider.capture(cards, CAPTURE, "e3")).approved


async def test_card_void_declined() -> None:
    cards = SimulatedCards()
    await provider.authorise(cards, submitted("card-void-declined"), "e1")
    no = RecordVoid(payment_id="p1", approved=False, decline_code="try_again_later")
    assert await provider.void(cards, VOID, "e2") == no
    assert await provider.find_void(cards, VOID, "e2") == no
    assert (await provider.void(cards, VOID, "e3")).approved


async def test_card_refund_declined() -> None:
    cards = SimulatedCards()
    await provider.authorise(cards, submitted("card-refund-declined"), "e1")
    await provider.capture(cards, CAPTURE, "e2")
    no = RecordRefund(payment_id="p1", refund_id="r1", approved=False, decline_code="try_again_later")
    assert await provider.refund(cards, REFUND, "e3") == no
    assert await provider.find_refund(cards, REFUND, "e3") == no
    assert (await provider.refund(cards, REFUND, "e4")).approved


def test_each_wish_to_the_card_processor_is_performed_and_can_be_asked_about() -> None:
    assert {each.event: (each.do, each.ask) for each in payments.actor.performances} == {
        PaymentSubmitted: (provider.authorise, provider.find_authorisation),
        CaptureSubmitted: (provider.capture, provider.find_capture),
        VoidSubmitted: (provider.void, provider.find_void),
        RefundSubmitted: (provider.refund, provider.find_refund),
    }
