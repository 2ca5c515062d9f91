"""What the ledger is told: postings that sum to zero, debit positive, credit negative."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from schemas.payments import Account, PaymentCaptured, PaymentRefunded
from schemas.values import Money

# A slash is in no id, so no refund can be named in a way that collides with another transaction.


def captured(event: PaymentCaptured) -> Iterator[Mapping[str, object]]:
    transaction_id = f"{event.payment_id}/capture"
    yield posting(transaction_id, event.order_id, "provider_clearing", event.amount, event.amount.amount_minor)
    yield posting(transaction_id, event.order_id, "revenue", event.amount, -event.amount.amount_minor)


def refunded(event: PaymentRefunded) -> Iterator[Mapping[str, object]]:
    transaction_id = f"{event.payment_id}/refund/{event.refund_id}"
    yield posting(transaction_id, event.order_id, "refunds", event.amount, event.amount.amount_minor)
    yield posting(transaction_id, event.order_id, "provider_clearing", event.amount, -event.amount.amount_minor)


def posting(
    transaction_id: str, order_id: str, account: Account, amount: Money, amount_minor: int
) -> Mapping[str, object]:
    return {
        "transaction_id": transaction_id,
        "order_id": order_id,
        "account": account,
        "currency": amount.currency,
        "amount_minor": amount_minor,
    }
