"""The whole public API as one table: one row an operation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from actors.mesh import Refused
from schemas import inventory, notifications, orders, payments, users
from schemas.message import Event, Message
from schemas.principal import permission

LIVE_PATH = "/v1/live"
"""The one operation that is no row here: its answer is a stream of events (`gateway/live`)."""

DEADLINE_SECONDS = 5.0
"""What a client is kept waiting for a pool: beyond that people press the button again."""

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
Status = Literal[200, 201, 202]


@dataclass(frozen=True, slots=True)
class Settles:
    """When a command is answered by what became of it, not by its acceptance."""

    success: tuple[type[Event], ...]
    failure: Mapping[type[Event], Callable[[Any], Refused]]
    shows: type[Message]
    """The query whose reply is the answer."""
    show: Callable[[Any, int], Message]
    """From the command and a version to that query."""
    standing: Callable[[Any], Refused | bool]
    """What a view says, for one who comes late: settled or not, or why it was refused."""


@dataclass(frozen=True, slots=True)
class Route:
    """One operation. Its permission is the message's, and so is its name, unless it is given one.

    Path fields come from the path, the field marked `Owner()` from the principal, the rest from the body of a command
    or the query string of a query.
    """

    method: Method
    path: str
    message: type[Message]
    status: Status = 200
    makes_entity: bool = False
    """The entity is new, and named by the command's own id: a repeat under the same key names the same one."""
    location: str = ""
    """Where the entity is found afterwards, as a path with the entity's id for `{}`."""
    settles: Settles | None = None
    deadline_seconds: float = DEADLINE_SECONDS
    own: bool = False
    """It is always about whoever asks, whatever else their roles allow."""
    named: str = ""
    """The operation's name, where two rows send the same message."""

    @property
    def name(self) -> str:
        """Return the operation's name."""
        return self.named or self.message.__name__

    @property
    def permission(self) -> str:
        """Return what a role must hold for it: `orders:place_order`."""
        return permission(self.message)


def order_refusal(event: orders.OrderCancelled) -> Refused:
    """Return what a client is told whose order could not be reserved."""
    return Refused(event.reason_code, event.detail)


def order_standing(view: orders.OrderView) -> Refused | bool:
    """Return what became of an order that was placed before."""
    if view.status == "cancelled":
        return Refused(view.reason_code or "order_cancelled", "the order was cancelled")
    return view.status != "placed"


def show_order(placed: orders.PlaceOrder, version: int) -> orders.GetOrder:
    """Return the query for the order as its customer sees it."""
    return orders.GetOrder(order_id=placed.order_id, customer_id=placed.customer_id, at_least_version=version)


PLACED = Settles(
    success=(orders.OrderReserved,),
    failure={orders.OrderCancelled: order_refusal},
    shows=orders.GetOrder,
    show=show_order,
    standing=order_standing,
)

ROUTES: tuple[Route, ...] = (
    Route("POST", "/v1/orders", orders.PlaceOrder, 201, makes_entity=True, location="/v1/orders/{}", settles=PLACED),
    Route("GET", "/v1/orders", orders.ListOrders),
    Route("GET", "/v1/orders/{order_id}", orders.GetOrder),
    Route("GET", "/v1/orders/{order_id}/timeline", orders.GetOrderTimeline),
    Route("POST", "/v1/orders/{order_id}/cancel", orders.RequestCancel, 202, location="/v1/orders/{}"),
    Route("GET", "/v1/orders/{order_id}/ledger", payments.GetOrderLedger),
    Route("GET", "/v1/items", inventory.ListItems),
    Route("POST", "/v1/items", inventory.AddItem, 201, location="/v1/items/{}"),
    Route("GET", "/v1/items/{sku}", inventory.GetItem),
    Route("GET", "/v1/items/{sku}/availability", inventory.GetAvailability),
    Route("POST", "/v1/items/{sku}/price", inventory.ChangePrice),
    Route("POST", "/v1/items/{sku}/receipts", inventory.ReceiveStock),
    Route("GET", "/v1/payments/{payment_id}", payments.GetPayment),
    Route("GET", "/v1/ledger/balances", payments.GetBalances),
    Route("POST", "/v1/users", users.RegisterUser, 201, makes_entity=True, location="/v1/users/{}"),
    Route("GET", "/v1/users", users.ListUsers),
    Route("GET", "/v1/users/{user_id}", users.GetUser),
    Route("PATCH", "/v1/users/{user_id}", users.UpdateProfile),
    Route("POST", "/v1/users/{user_id}/verification", users.ResendVerification, 202),
    Route("POST", "/v1/users/{user_id}/verify", users.VerifyEmail),
    Route("PUT", "/v1/users/{user_id}/password", users.ChangePassword),
    Route("PUT", "/v1/users/{user_id}/addresses/{address_id}", users.AddAddress),
    Route("DELETE", "/v1/users/{user_id}/addresses/{address_id}", users.RemoveAddress),
    Route("PUT", "/v1/users/{user_id}/roles", users.SetRoles),
    Route("POST", "/v1/users/{user_id}/deactivate", users.DeactivateUser),
    Route("GET", "/v1/users/{user_id}/sessions", users.ListSessions, named="ListUserSessions"),
    Route("DELETE", "/v1/users/{user_id}/sessions/{session_id}", users.RevokeSession, named="RevokeUserSession"),
    Route("POST", "/v1/users/{user_id}/sessions/revoke", users.RevokeSessions, named="RevokeUserSessions"),
    Route("POST", "/v1/staff", users.AddUser, 201, makes_entity=True, location="/v1/users/{}"),
    Route("GET", "/v1/me", users.GetUser, own=True, named="GetMe"),
    Route("POST", "/v1/sessions", users.LogIn, 201, makes_entity=True),
    Route("GET", "/v1/sessions", users.ListSessions, own=True),
    Route("POST", "/v1/sessions/revoke", users.RevokeSessions, own=True),
    Route("POST", "/v1/sessions/{session_id}/refresh", users.RefreshSession),
    Route("DELETE", "/v1/sessions/{session_id}", users.RevokeSession, own=True),
    Route("GET", "/v1/inbox", notifications.GetInbox),
    Route("POST", "/v1/inbox/{notification_id}/read", notifications.MarkInboxRead),
    Route("POST", "/v1/inbox/{notification_id}/archive", notifications.ArchiveInboxItem),
    Route("GET", "/v1/preferences", notifications.GetPreferences),
    Route("POST", "/v1/preferences", notifications.SetPreference),
    Route("GET", "/v1/deliveries", notifications.ListDeliveries),
    Route("GET", "/v1/deliveries/{notification_id}", notifications.GetDelivery),
    Route("POST", "/v1/devices", notifications.RegisterDevice),
    Route("POST", "/v1/devices/remove", notifications.RemoveDevice),
)
