"""What other domains tell us that somebody should hear. Nothing here can fail an order: it has long been written."""

from __future__ import annotations

from actors.mesh import Happened
from schemas.channels import Template
from schemas.envelope import derived_id
from schemas.inventory import LowStockReached
from schemas.notifications import (
    RequestNotification,
)
from schemas.orders import OrderCancelled, OrderConfirmed, OrderRefunded
from schemas.users import EmailVerificationRequested, EmailVerified
from schemas.values import Money

WAREHOUSE = "team-warehouse"
"""The account that hears of low stock."""


def tell(
    user_id: str, template: Template, about: str, happened: Happened, parameters: dict[str, str]
) -> RequestNotification:
    """Return the request; its id follows from the event, so that an event that comes again asks for nothing new."""
    return RequestNotification(
        notification_id=derived_id("notification", template, happened.key, str(happened.version)),
        user_id=user_id,
        template=template,
        about=about,
        parameters=parameters,
    )


def order_confirmed(event: OrderConfirmed, happened: Happened) -> RequestNotification:
    return tell(event.customer_id, "order_confirmed", event.order_id, happened, money_of(event.order_id, event.total))


def order_cancelled(event: OrderCancelled, happened: Happened) -> RequestNotification:
    parameters = {"order_id": event.order_id, "reason": event.reason_code}
    return tell(event.customer_id, "order_cancelled", event.order_id, happened, parameters)


def order_refunded(event: OrderRefunded, happened: Happened) -> RequestNotification:
    return tell(event.customer_id, "order_refunded", event.order_id, happened, money_of(event.order_id, event.total))


def verification_wanted(event: EmailVerificationRequested, happened: Happened) -> RequestNotification:
    parameters = {"user_id": event.user_id, "token": event.token}
    return tell(event.user_id, "email_verification", event.user_id, happened, parameters)


def account_verified(event: EmailVerified, happened: Happened) -> RequestNotification:
    return tell(event.user_id, "account_verified", event.user_id, happened, {})


def low_stock(event: LowStockReached, happened: Happened) -> RequestNotification:
    parameters = {"sku": event.sku, "available": str(event.available)}
    return tell(WAREHOUSE, "low_stock", event.sku, happened, parameters)


def money_of(order_id: str, total: Money) -> dict[str, str]:
    return {"order_id": order_id, "total_minor": str(total.amount_minor), "currency": total.currency}
