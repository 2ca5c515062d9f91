"""What people are told: the kinds of notification as one table, and how often a channel may be used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple, get_args

from schemas.channels import Category, Channel, Template

CATEGORIES: Final[tuple[Category, ...]] = get_args(Category)
CHANNELS: Final[tuple[Channel, ...]] = get_args(Channel)


class Kind(NamedTuple):
    """One template: its category, the channels it is told by, and the parameters it must be given."""

    category: Category
    channels: tuple[Channel, ...]
    parameters: frozenset[str]


KINDS: Final[Mapping[Template, Kind]] = {
    "order_confirmed": Kind("orders", ("email", "push", "inbox"), frozenset({"order_id", "total_minor", "currency"})),
    "order_cancelled": Kind("orders", ("email", "sms", "push", "inbox"), frozenset({"order_id", "reason"})),
    "order_refunded": Kind(
        "payments", ("email", "sms", "push", "inbox"), frozenset({"order_id", "total_minor", "currency"})
    ),
    "email_verification": Kind("security", ("email",), frozenset({"user_id", "token"})),
    "account_verified": Kind("security", ("email", "inbox"), frozenset()),
    "low_stock": Kind("inventory", ("email", "push", "inbox"), frozenset({"sku", "available"})),
}

CRITICAL: Final[frozenset[Category]] = frozenset({"security"})
"""Told whatever somebody prefers, and however often: whoever could silence it could hide what they are doing."""


class Limit(NamedTuple):
    """So many within a sliding window."""

    most: int
    window_seconds: float


HOUR_SECONDS: Final = 3600.0
LIMITS: Final[Mapping[Channel, Limit]] = {
    "email": Limit(20, HOUR_SECONDS),
    "sms": Limit(5, HOUR_SECONDS),
    "push": Limit(20, HOUR_SECONDS),
}
"""How much one person gets; the inbox is bounded by what it keeps."""
DUPLICATES: Final = Limit(1, HOUR_SECONDS)
"""The same template to the same person about the same thing."""
