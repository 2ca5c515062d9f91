"""What can be asked about payments and the ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import msgspec
from msgspec.structs import replace

from actors.mesh import Happened, Read, Refused
from actors.payments.model.state import PaymentEvent, RefundEvent, status_of_refunds
from schemas.payments import (
    Account,
    Balance,
    Balances,
    CaptureDeclined,
    CaptureSubmitted,
    GetBalances,
    GetOrderLedger,
    GetPayment,
    OrderLedger,
    PaymentAuthorised,
    PaymentCaptured,
    PaymentDeclined,
    PaymentRefunded,
    PaymentSubmitted,
    PaymentView,
    PaymentVoided,
    Posting,
    RefundDeclined,
    RefundSubmitted,
    VoidDeclined,
    VoidSubmitted,
    VoidWanted,
)

ORDER_POSTINGS_MAX = 1_000
"""Two a capture and two a refund, of which a payment has at most a hundred."""
BALANCE_POSTINGS_MAX = 200_000
"""More than this is not summed on the way of a query: a wrong balance is worse than none."""


def payment_view(view: PaymentView | None, event: PaymentEvent, happened: Happened) -> PaymentView:
    if isinstance(event, PaymentSubmitted):
        return PaymentView(
            payment_id=event.payment_id,
            order_id=event.order_id,
            status="submitted",
            customer_id=event.customer_id,
            amount=event.amount,
        )
    if view is None:
        return PaymentView(payment_id=event.payment_id, order_id=event.order_id, status="voided")
    match event:
        case PaymentAuthorised():
            return replace(view, status="authorised")
        case PaymentDeclined():
            return replace(view, status="declined", decline_code=event.decline_code)
        case CaptureSubmitted():
            return replace(view, status="capturing")
        case CaptureDeclined():
            return replace(view, status="capture_declined", decline_code=event.decline_code)
        case PaymentCaptured():
            return replace(view, status="captured", decline_code="")
        case VoidWanted():
            return replace(view, status="void_wanted")
        case VoidSubmitted():
            return replace(view, status="voiding")
        case VoidDeclined():
            return replace(view, status="void_declined", decline_code=event.decline_code)
        case PaymentVoided():
            return replace(view, status="voided", decline_code="")
        case RefundSubmitted() | RefundDeclined() | PaymentRefunded():
            return with_refund(view, event)


def with_refund(view: PaymentView, event: RefundEvent) -> PaymentView:
    assert view.amount is not None, "only what was submitted can be refunded"
    refunding_minor, refunded_minor, decline_code = view.refunding_minor, view.refunded_minor, view.decline_code
    match event:
        case RefundSubmitted():
            refunding_minor += event.amount.amount_minor
        case RefundDeclined():
            refunding_minor -= event.amount.amount_minor
            decline_code = event.decline_code
        case PaymentRefunded():
            refunding_minor -= event.amount.amount_minor
            refunded_minor += event.amount.amount_minor
            decline_code = ""
    status = status_of_refunds(refunding_minor, refunded_minor, view.amount.amount_minor)
    return replace(
        view,
        status=status,
        refunding_minor=refunding_minor,
        refunded_minor=refunded_minor,
        decline_code=decline_code,
    )


async def get_payment(query: GetPayment, read: Read) -> PaymentView:
    payment = await read.one(PaymentView, query.payment_id, at_least_version=query.at_least_version)
    if query.customer_id not in (None, payment.customer_id):
        # Somebody else's payment is answered as one that does not exist, so that ids cannot be probed.
        raise Refused("payment_unknown", f"no payment {query.payment_id}", kind="not_found")
    return payment


async def get_order_ledger(query: GetOrderLedger, read: Read) -> OrderLedger:
    rows = await read.inline("ledger", {"order_id": query.order_id}, limit=ORDER_POSTINGS_MAX)
    in_order = sorted(rows, key=number_of)  # a table gives its rows in any order
    return OrderLedger(order_id=query.order_id, postings=tuple(msgspec.convert(dict(row), Posting) for row in in_order))


def number_of(row: Mapping[str, object]) -> int:
    number = row.get("id", 0)  # in memory there are no numbers, and rows come in the order they were written
    assert isinstance(number, int)
    return number


async def get_balances(query: GetBalances, read: Read) -> Balances:
    where = {} if query.currency is None else {"currency": query.currency}
    rows = await read.inline("ledger", where, limit=BALANCE_POSTINGS_MAX + 1)
    if len(rows) > BALANCE_POSTINGS_MAX:
        raise Refused("ledger_too_large", f"over {BALANCE_POSTINGS_MAX} postings: name a currency", kind="limited")
    sums: Counter[tuple[Account, str]] = Counter()
    for row in rows:
        posting = msgspec.convert(dict(row), Posting)
        sums[posting.account, posting.currency] += posting.amount_minor
    return Balances(
        balances=tuple(
            Balance(account=account, currency=currency, amount_minor=amount_minor)
            for (account, currency), amount_minor in sorted(sums.items())
        )
    )
