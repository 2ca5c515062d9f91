"""Who is asking, and what their roles allow: one permission a message, named after it."""

from __future__ import annotations

from functools import cache
from typing import Literal

import msgspec

from schemas.message import Message, domain_of, wire_name

Role = Literal["customer", "support", "warehouse", "finance", "operator", "admin", "service"]


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """The signed claim that every message carries; `on_behalf_of` names the person a service acts for."""

    subject: str
    roles: tuple[Role, ...]
    name: str = ""
    on_behalf_of: str = ""

    @property
    def person(self) -> str:
        """Return whose wish it is in the end."""
        return self.on_behalf_of or self.subject


@cache
def permission(message: type[Message]) -> str:
    """Return the permission a message needs: `orders:place_order`."""
    return f"{domain_of(message)}:{wire_name(message)}"


CUSTOMER = frozenset({
    "orders:place_order", "orders:request_cancel", "orders:get_order", "orders:list_orders",
    "orders:get_order_timeline",
    "inventory:get_item", "inventory:list_items", "inventory:get_availability", "payments:get_payment",
    "users:get_customer",
})  # fmt: skip
CATALOGUE = frozenset({
    "inventory:get_item", "inventory:list_items", "inventory:get_availability", "inventory:get_prices",
})  # fmt: skip
PERMISSIONS: dict[Role, frozenset[str]] = {
    "customer": CUSTOMER,
    "support": CUSTOMER - {"orders:place_order"} | {"payments:get_order_ledger", "users:deactivate_customer"},
    "warehouse": CATALOGUE | {"inventory:add_item", "inventory:change_price", "inventory:receive_stock"},
    "finance": frozenset({"payments:get_payment", "payments:get_order_ledger", "payments:get_balances",
                          "payments:refund_payment", "orders:get_order"}),
    "operator": frozenset({"*"}),
    "admin": frozenset({"*"}),
    "service": frozenset({"*"}),
}  # fmt: skip
OWN_ONLY: frozenset[Role] = frozenset({"customer"})
"""Roles that may touch only what is their own: the field marked `Owner()` must name them."""


def allows(principal: Principal, message: type[Message]) -> bool:
    """Return whether one of the principal's roles holds the permission of the message."""
    return holds(principal, permission(message))


def holds(principal: Principal, wanted: str) -> bool:
    """Return whether one of the principal's roles holds a permission by name."""
    return any(wanted in PERMISSIONS[role] or "*" in PERMISSIONS[role] for role in principal.roles)


def confined(principal: Principal) -> bool:
    """Return whether the principal may touch only what is its own."""
    return all(role in OWN_ONLY for role in principal.roles)
