"""The values messages are made of: money, lines, typed ids, bounded text."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from schemas.message import Id

AddressId = Id
CustomerId = Id
NotificationId = Id
OrderId = Id
PaymentId = Id
RefundId = Id
ReservationId = Id
SessionId = Id
Sku = Id
UserId = Id

Currency = Literal["EUR", "USD", "GBP", "CHF"]
AmountMinor = Annotated[int, Meta(ge=0, le=10**12)]
"""Money in the currency's minor unit (cents), so that no float ever holds it."""
Quantity = Annotated[int, Meta(ge=1, le=1_000_000)]
Version = Annotated[int, Meta(ge=0, le=2**53)]
PageSize = Annotated[int, Meta(ge=1, le=100)]
Cursor = Annotated[str, Meta(max_length=200, pattern=r"^[0-9A-Za-z_=-]*(?![\s\S])")]
Text = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^[^\u0000-\u001f\u007f]+(?![\s\S])")]
"""One line for people. Control characters are refused: PostgreSQL cannot hold NUL, and a terminal obeys the others."""


class Money(msgspec.Struct, frozen=True, kw_only=True):
    """An amount in the minor unit of its currency (ISO 4217)."""

    amount_minor: AmountMinor
    currency: Currency


class Line(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many of which item."""

    sku: Sku
    quantity: Quantity


class PricedLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line with the price it was ordered at."""

    sku: Sku
    quantity: Quantity
    unit_price: Money


Lines = Annotated[tuple[Line, ...], Meta(min_length=1, max_length=50)]
