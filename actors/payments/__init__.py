"""Payments: money held, taken, let go and given back, and the ledger that accounts for it."""

from actors.mesh import Actor, Aggregate, answers, decides, performs, posts, projects
from actors.payments import provider, views
from actors.payments.model import postings, rules, state
from schemas.payments import (
    AuthorisePayment,
    CapturePayment,
    CaptureSubmitted,
    GetBalances,
    GetOrderLedger,
    GetPayment,
    PaymentCaptured,
    PaymentRefunded,
    PaymentSubmitted,
    PaymentView,
    RecordAuthorisation,
    RecordCapture,
    RecordRefund,
    RecordVoid,
    RefundPayment,
    RefundSubmitted,
    VoidPayment,
    VoidSubmitted,
)

# mypy wants a concrete class where a type is handed over; which port it is, is all that is asked of it here.
CARDS: type[provider.CardProcessor] = provider.CardProcessor  # type: ignore[type-abstract]

actor = Actor(
    name="payments",
    aggregates=(
        Aggregate(
            state=state.Payment,
            key="payment_id",
            evolve=state.evolve,
            owner="customer_id",
            decisions=(
                decides(AuthorisePayment, rules.authorise),
                decides(RecordAuthorisation, rules.record_authorisation),
                decides(CapturePayment, rules.capture),
                decides(RecordCapture, rules.record_capture),
                decides(VoidPayment, rules.void),
                decides(RecordVoid, rules.record_void),
                decides(RefundPayment, rules.refund),
                decides(RecordRefund, rules.record_refund),
            ),
        ),
    ),
    answers=(
        answers(GetPayment, views.get_payment),
        answers(GetOrderLedger, views.get_order_ledger),
        answers(GetBalances, views.get_balances),
    ),
    projections=(projects(PaymentView, views.payment_view, fields=("order_id",)),),
    performances=(
        performs(PaymentSubmitted, port=CARDS, do=provider.authorise, ask=provider.find_authorisation),
        performs(CaptureSubmitted, port=CARDS, do=provider.capture, ask=provider.find_capture),
        performs(VoidSubmitted, port=CARDS, do=provider.void, ask=provider.find_void),
        performs(RefundSubmitted, port=CARDS, do=provider.refund, ask=provider.find_refund),
    ),
    postings=(
        posts(PaymentCaptured, "ledger", postings.captured),
        posts(PaymentRefunded, "ledger", postings.refunded),
    ),
)
