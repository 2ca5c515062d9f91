"""Orders: from basket to paid, cancelled or refunded."""

from actors.mesh import Actor, Aggregate, answers, decides, projects
from actors.orders import model, sagas, views
from schemas.orders import (
    CancelOrder,
    ConfirmOrder,
    GetOrder,
    GetOrderTimeline,
    ListOrders,
    MarkOrderPaid,
    MarkOrderRefunded,
    MarkOrderReserved,
    OrderTimelineView,
    OrderView,
    PlaceOrder,
    RequestCancel,
)

actor = Actor(
    name="orders",
    aggregates=(
        Aggregate(
            state=model.Order,
            key="order_id",
            evolve=model.evolve,
            owner="customer_id",
            decisions=(
                decides(PlaceOrder, model.place, needs=(model.customer_of, model.prices_of)),
                decides(MarkOrderReserved, model.mark_reserved),
                decides(ConfirmOrder, model.confirm),
                decides(MarkOrderPaid, model.mark_paid),
                decides(RequestCancel, model.request_cancel),
                decides(MarkOrderRefunded, model.mark_refunded),
                decides(CancelOrder, model.cancel),
            ),
        ),
    ),
    answers=(
        answers(GetOrder, views.get_order),
        answers(GetOrderTimeline, views.get_order_timeline),
        answers(ListOrders, views.list_orders),
    ),
    projections=(
        projects(OrderView, views.order_view, fields=("customer_id", "status"), sort="placed_at_ms"),
        projects(OrderTimelineView, views.order_timeline),
    ),
    sagas=(sagas.fulfilment, sagas.refund),
)
