"""Who is asking, and what their roles allow: one permission a message, named after it."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from typing import Annotated, Literal

import msgspec

import schemas
from schemas.history import EVENTS
from schemas.message import Command, Id, Message, Query, domain_of, wire_name

UserRole = Literal["customer", "support", "warehouse", "finance", "operator", "admin"]
"""What people may be."""
Role = Literal["anonymous", "customer", "support", "warehouse", "finance", "operator", "admin", "service"]
"""What a principal may be: people, somebody who is not logged in, or a process of ours."""
Roles = Annotated[tuple[UserRole, ...], msgspec.Meta(min_length=1, max_length=6)]
UserStatus = Literal["unverified", "active", "deactivated"]


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


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What a user's tokens are worth now: those of an earlier epoch count no more."""

    user_id: Id
    status: UserStatus
    epoch: int
    sessions_epoch: int
    roles: tuple[UserRole, ...]


class SessionTokens(msgspec.Struct, frozen=True, kw_only=True):
    """What a client is let in by. The refresh token is good for one use; the access token goes into a header."""

    session_id: Id
    user_id: Id
    access_token: str
    access_expires_in_seconds: int
    refresh_token: str
    refresh_expires_in_seconds: int
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - says how the access token is sent


@cache
def permission(message: type[Message]) -> str:
    """Return the permission a message needs: `orders:place_order`."""
    return f"{domain_of(message)}:{wire_name(message)}"


OPEN = frozenset({
    "users:register_user", "users:verify_email", "users:resend_verification", "users:log_in", "users:refresh_session",
})  # fmt: skip
"""What needs no log-in, and is no less allowed to one who is logged in."""
OWN_ACCOUNT = frozenset({
    "users:get_user", "users:update_profile", "users:add_address", "users:remove_address", "users:change_password",
    "users:list_sessions", "users:revoke_session", "users:revoke_sessions",
    "notifications:get_inbox", "notifications:mark_inbox_read", "notifications:archive_inbox_item",
    "notifications:get_preferences", "notifications:set_preference", "notifications:register_device",
    "notifications:remove_device", "notifications:list_deliveries", "notifications:get_delivery",
})  # fmt: skip
"""What everybody with an account may do to it, whatever their roles; to those of others only who is named below."""
BROWSE = frozenset({"inventory:get_item", "inventory:list_items", "inventory:get_availability"})
ORDERS_SEEN = frozenset({"orders:get_order", "orders:list_orders", "orders:get_order_timeline"})
MONEY_SEEN = frozenset({"payments:get_payment", "payments:get_order_ledger", "payments:get_balances"})
PERMISSIONS: dict[Role, frozenset[str]] = {
    "anonymous": OPEN,
    "customer": BROWSE | ORDERS_SEEN | {"orders:place_order", "orders:request_cancel", "payments:get_payment"},
    "support": BROWSE | ORDERS_SEEN | {
        "orders:request_cancel", "payments:get_payment", "payments:get_order_ledger", "users:get_user",
        "users:list_users", "users:deactivate_user", "users:list_sessions", "users:revoke_session",
        "users:revoke_sessions",
        "notifications:list_deliveries", "notifications:get_delivery",
    },
    "warehouse": BROWSE | {
        "inventory:get_prices", "inventory:add_item", "inventory:change_price", "inventory:receive_stock",
    },
    "finance": ORDERS_SEEN | MONEY_SEEN | {"payments:refund_payment"},
    "operator": BROWSE | ORDERS_SEEN | MONEY_SEEN | {
        "inventory:get_prices", "users:get_user", "users:list_sessions", f"*:{EVENTS}",
    },
    "admin": frozenset({"*"}),
    "service": frozenset({"*"}),
}  # fmt: skip
"""What each role allows; `*` stands for everything, `orders:*` for all of a domain, `*:events` for that of each."""
OWN_ONLY: frozenset[Role] = frozenset({"customer", "anonymous"})
"""Roles that allow only what is one's own: the field marked `Owner()` must name the principal."""
NO_ACCOUNT: frozenset[Role] = frozenset({"anonymous", "service"})
"""Roles that no person with an account has."""


@cache
def catalogue() -> frozenset[str]:
    """Return every permission there is: one a command or query of the contract."""
    modules = [importlib.import_module(f"schemas.{found.name}") for found in pkgutil.iter_modules(schemas.__path__)]
    return frozenset(
        permission(value)
        for module in modules
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, (Command, Query)) and value.__module__ == module.__name__
        if value not in (Command, Query)
    )


def permissions_of(roles: tuple[Role, ...]) -> frozenset[str]:
    """Return what roles allow, wildcards told out: a part of the catalogue."""
    return frozenset(wanted for wanted in catalogue() if held(roles, wanted))


@cache
def held(roles: tuple[Role, ...], wanted: str) -> bool:
    """Return whether one of the roles holds a permission, be it for one's own alone."""
    if any(holds(role, wanted) for role in roles):
        return True
    return wanted in OPEN | OWN_ACCOUNT and any(role not in NO_ACCOUNT for role in roles)


def holds(role: Role, wanted: str) -> bool:
    """Return whether a role's row names a permission, or a wildcard over it."""
    domain, _, name = wanted.partition(":")
    return bool(PERMISSIONS[role] & {wanted, f"{domain}:*", f"*:{name}", "*"})


def allows(principal: Principal, message: type[Message]) -> bool:
    """Return whether the principal holds the permission of the message."""
    return held(principal.roles, permission(message))


def confined(principal: Principal, message: type[Message]) -> bool:
    """Return whether the principal may send the message about its own only."""
    return only_own(principal.roles, permission(message))


@cache
def only_own(roles: tuple[Role, ...], wanted: str) -> bool:
    """Return whether no role holds the permission for more than one's own."""
    return not any(role not in OWN_ONLY and holds(role, wanted) for role in roles)
