"""How an order is fulfilled, how it is taken back on the way, and how it is refunded afterwards."""

from __future__ import annotations

from actors.mesh import Outcomes, Refused, Saga, Step
from schemas.inventory import CommitStock, ReleaseStock, ReserveStock, ReturnStock
from schemas.message import wire_name
from schemas.orders import (
    CancelOrder,
    ConfirmOrder,
    MarkOrderPaid,
    MarkOrderRefunded,
    MarkOrderReserved,
    OrderCancelRequested,
    OrderPlaced,
    OrderRefundRequested,
)
from schemas.payments import (
    AuthorisePayment,
    CaptureDeclined,
    CapturePayment,
    PaymentAuthorised,
    PaymentCaptured,
    PaymentDeclined,
    PaymentRefunded,
    RefundDeclined,
    RefundPayment,
    VoidDeclined,
    VoidPayment,
)
from schemas.values import Line

STOPPED_CODES = (wire_name(OrderCancelRequested), "order_cancelled")
"""The customer's wish may be heard as the event that stops the saga, or first as a refusal of its own step."""

# An order has one reservation and one payment, so both go by the order's id: a repeated step names the same ones.


def reserve_stock(order: OrderPlaced, outcomes: Outcomes) -> ReserveStock:
    lines = tuple(Line(sku=line.sku, quantity=line.quantity) for line in order.lines)
    return ReserveStock(reservation_id=order.order_id, lines=lines)


def release_stock(order: OrderPlaced, outcomes: Outcomes) -> ReleaseStock:
    return ReleaseStock(reservation_id=order.order_id)


def mark_reserved(order: OrderPlaced, outcomes: Outcomes) -> MarkOrderReserved:
    return MarkOrderReserved(order_id=order.order_id)


def authorise_payment(order: OrderPlaced, outcomes: Outcomes) -> AuthorisePayment:
    return AuthorisePayment(
        payment_id=order.order_id,
        order_id=order.order_id,
        customer_id=order.customer_id,
        amount=order.total,
        payment_token=order.payment_token,
    )


def void_payment(order: OrderPlaced, outcomes: Outcomes) -> VoidPayment:
    return VoidPayment(payment_id=order.order_id, order_id=order.order_id)


def commit_stock(order: OrderPlaced, outcomes: Outcomes) -> CommitStock:
    return CommitStock(reservation_id=order.order_id)


def uncommit_stock(order: OrderPlaced, outcomes: Outcomes) -> ReturnStock:
    return ReturnStock(reservation_id=order.order_id)


def confirm_order(order: OrderPlaced, outcomes: Outcomes) -> ConfirmOrder:
    return ConfirmOrder(order_id=order.order_id)


def capture_payment(order: OrderPlaced, outcomes: Outcomes) -> CapturePayment:
    return CapturePayment(payment_id=order.order_id, order_id=order.order_id)


def mark_paid(order: OrderPlaced, outcomes: Outcomes) -> MarkOrderPaid:
    return MarkOrderPaid(order_id=order.order_id)


def cancel_order(order: OrderPlaced, outcomes: Outcomes, refused: Refused) -> CancelOrder:
    requested, declined = outcomes.of(OrderCancelRequested), outcomes.of(PaymentDeclined)
    if refused.code in STOPPED_CODES:
        detail = requested.reason if requested else refused.detail
        return CancelOrder(order_id=order.order_id, reason_code="cancel_requested", detail=detail)
    detail = declined.decline_code if declined and refused.code == wire_name(PaymentDeclined) else refused.detail
    return CancelOrder(order_id=order.order_id, reason_code=refused.code, detail=detail)


fulfilment = Saga(
    name="order_fulfilment",
    key="order_id",
    starts_on=OrderPlaced,
    stops_on=(OrderCancelRequested,),
    steps=(
        Step(reserve_stock, undo=release_stock, deadline_seconds=5),
        Step(mark_reserved),
        Step(
            authorise_payment,
            undo=void_payment,
            until=PaymentAuthorised,
            refused_by=(PaymentDeclined,),
            deadline_seconds=60,
        ),
        # Before the pivot: what has left the stock does not expire, so a confirmed order cannot lose it.
        Step(commit_stock, undo=uncommit_stock, deadline_seconds=60),
        Step(confirm_order, pivot=True),
        Step(capture_payment, until=PaymentCaptured),
        Step(mark_paid),
    ),
    on_refusal=cancel_order,
    alarms_on=(VoidDeclined, CaptureDeclined),
)


def refund_payment(order: OrderRefundRequested, outcomes: Outcomes) -> RefundPayment:
    # No amount: what finance gave back by hand before is not given back twice.
    return RefundPayment(payment_id=order.order_id, refund_id=order.refund_id)


def return_stock(order: OrderRefundRequested, outcomes: Outcomes) -> ReturnStock:
    return ReturnStock(reservation_id=order.order_id)


def mark_refunded(order: OrderRefundRequested, outcomes: Outcomes) -> MarkOrderRefunded:
    return MarkOrderRefunded(order_id=order.order_id)


# By the refund's id, not the order's: another refund of the same payment is none of its business.
refund = Saga(
    name="order_refund",
    key="refund_id",
    starts_on=OrderRefundRequested,
    steps=(
        Step(refund_payment, until=PaymentRefunded),
        Step(return_stock),
        Step(mark_refunded),
    ),
    alarms_on=(RefundDeclined,),
)
