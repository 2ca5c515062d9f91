"""The ledger: what a capture and a refund post, GetOrderLedger and GetBalances."""

from collections import Counter

import pytest

from actors import payments
from actors.mesh.testing.given import given_actor
from actors.payments.model import postings
from schemas.message import Event
from schemas.payments import (
    Balance,
    Balances,
    CaptureSubmitted,
    GetBalances,
    GetOrderLedger,
    OrderLedger,
    PaymentAuthorised,
    PaymentCaptured,
    PaymentRefunded,
    PaymentSubmitted,
    Posting,
    RefundSubmitted,
)
from schemas.values import Currency, Money


def paid(name: str, amount_minor: int, currency: Currency) -> tuple[Event, ...]:
    amount = Money(amount_minor=amount_minor, currency=currency)
    return (
        PaymentSubmitted(payment_id=name, order_id=name, customer_id="c1", amount=amount, payment_token="t"),
        PaymentAuthorised(payment_id=name, order_id=name, provider_reference="a"),
        CaptureSubmitted(payment_id=name, order_id=name, amount=amount),
        PaymentCaptured(payment_id=name, order_id=name, amount=amount, provider_reference="c"),
    )


def given_back(name: str, refund_id: str, amount_minor: int, currency: Currency) -> tuple[Event, ...]:
    amount = Money(amount_minor=amount_minor, currency=currency)
    return (
        RefundSubmitted(payment_id=name, order_id=name, refund_id=refund_id, amount=amount),
        PaymentRefunded(payment_id=name, order_id=name, refund_id=refund_id, amount=amount, provider_reference="r"),
    )


PAST = given_actor(
    payments.actor, *paid("o1", 1_000, "EUR"), *given_back("o1", "r1", 300, "EUR"), *paid("o2", 500, "USD")
)
POSTED = [
    Posting(
        transaction_id="o1/capture", order_id="o1", account="provider_clearing", currency="EUR", amount_minor=1_000
    ),
    Posting(transaction_id="o1/capture", order_id="o1", account="revenue", currency="EUR", amount_minor=-1_000),
    Posting(transaction_id="o1/refund/r1", order_id="o1", account="refunds", currency="EUR", amount_minor=300),
    Posting(
        transaction_id="o1/refund/r1", order_id="o1", account="provider_clearing", currency="EUR", amount_minor=-300
    ),
]


def test_an_order_shows_what_it_posted() -> None:
    PAST.asked(GetOrderLedger(order_id="o1")).answered(OrderLedger(order_id="o1", postings=tuple(POSTED)))


def test_an_order_that_posted_nothing_shows_nothing() -> None:
    PAST.asked(GetOrderLedger(order_id="o9")).answered(OrderLedger(order_id="o9", postings=()))


def test_the_trial_balance_sums_to_zero_by_currency() -> None:
    balances = Balances(
        balances=(
            Balance(account="provider_clearing", currency="EUR", amount_minor=700),
            Balance(account="provider_clearing", currency="USD", amount_minor=500),
            Balance(account="refunds", currency="EUR", amount_minor=300),
            Balance(account="revenue", currency="EUR", amount_minor=-1_000),
            Balance(account="revenue", currency="USD", amount_minor=-500),
        )
    )
    PAST.asked(GetBalances()).answered(balances)
    sums: Counter[str] = Counter()
    for balance in balances.balances:
        sums[balance.currency] += balance.amount_minor
    assert set(sums.values()) == {0}


def test_the_balance_of_one_currency_can_be_asked() -> None:
    PAST.asked(GetBalances(currency="USD")).answered(
        Balances(
            balances=(
                Balance(account="provider_clearing", currency="USD", amount_minor=500),
                Balance(account="revenue", currency="USD", amount_minor=-500),
            )
        )
    )


@pytest.mark.parametrize("amount_minor", [0, 1, 999, 10**12])
def test_each_transaction_sums_to_zero(amount_minor: int) -> None:
    amount = Money(amount_minor=amount_minor, currency="EUR")
    captured = PaymentCaptured(payment_id="p1", order_id="o1", amount=amount, provider_reference="c")
    refunded = PaymentRefunded(payment_id="p1", order_id="o1", refund_id="r1", amount=amount, provider_reference="r")
    for rows in (list(postings.captured(captured)), list(postings.refunded(refunded))):
        assert len(rows) == 2
        assert len({row["transaction_id"] for row in rows}) == 1
        assert sum(row["amount_minor"] for row in rows if isinstance(row["amount_minor"], int)) == 0


def test_no_refund_can_be_named_like_another_transaction() -> None:
    amount = Money(amount_minor=1, currency="EUR")
    captured = PaymentCaptured(payment_id="p1", order_id="o1", amount=amount, provider_reference="c")
    mean = PaymentRefunded(payment_id="p1", order_id="o1", refund_id="capture", amount=amount, provider_reference="r")
    ids = {row["transaction_id"] for event in (captured,) for row in postings.captured(event)}
    assert ids.isdisjoint(row["transaction_id"] for row in postings.refunded(mean))


def test_both_movements_of_money_are_posted() -> None:
    assert {posting.event: posting.table for posting in payments.actor.postings} == {
        PaymentCaptured: "ledger",
        PaymentRefunded: "ledger",
    }
