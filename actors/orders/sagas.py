"""How an order is fulfilled, and how it is taken back."""

from __future__ import annotations

from actors.mesh import Outcomes, Refused, Saga, Step
from schemas.inventory import CommitStock, ReleaseStock, ReserveStock
from schemas.orders import (
    CancelOrder,
    ConfirmOrder,
    MarkOrderPaid,
    MarkOrderReserved,
    OrderCancelRequested,
    OrderPlaced,
)
from schemas.payments import (
    AuthorisePayment,
    CapturePayment,
    PaymentAuthorised,
    PaymentCaptured,
    PaymentDeclined,
    VoidPayment,
)
from schemas.values import Line

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


def confirm_order(order: OrderPlaced, outcomes: Outcomes) -> ConfirmOrder:
    return ConfirmOrder(order_id=order.order_id)


def commit_stock(order: OrderPlaced, outcomes: Outcomes) -> CommitStock:
    return CommitStock(reservation_id=order.order_id)


def capture_payment(order: OrderPlaced, outcomes: Outcomes) -> CapturePayment:
    return CapturePayment(payment_id=order.order_id, order_id=order.order_id)


def mark_paid(order: OrderPlaced, outcomes: Outcomes) -> MarkOrderPaid:
    return MarkOrderPaid(order_id=order.order_id)


def cancel_order(order: OrderPlaced, outcomes: Outcomes, refused: Refused) -> CancelOrder:
    return CancelOrder(order_id=order.order_id, reason_code=refused.code, detail=refused.detail)


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
        Step(confirm_order, pivot=True),
        Step(commit_stock),
        Step(capture_payment, until=PaymentCaptured),
        Step(mark_paid),
    ),
    on_refusal=cancel_order,
)
