"""The values messages are made of: money, lines, typed ids, bounded text."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from schemas.message import Id, Personal

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
EmailAddress = Annotated[
    str,
    Meta(
        min_length=3,
        max_length=254,
        pattern=r"^[^@\s\u0000-\u001f\u007f-\u009f\ufeff]+@[^@\s\u0000-\u001f\u007f-\u009f\ufeff]+(?![\s\S])",
    ),
]
r"""No blank, no control character; said one by one, as `\s` is not the same to all who read the pattern."""
Password = Annotated[str, Meta(min_length=10, max_length=200, pattern=r"^[^\u0000-\u001f\u007f]+(?![\s\S])")]
Token = Annotated[str, Meta(min_length=1, max_length=2048, pattern=r"^[!-~]+(?![\s\S])")]
"""Visible ASCII: what may stand in a header, a link or a cookie."""
Phone = Annotated[str, Meta(max_length=16, pattern=r"^(?:\+[0-9]{6,15})?(?![\s\S])")]
"""International (E.164); an empty one takes the number away."""
Country = Annotated[str, Meta(pattern=r"^[A-Z]{2}(?![\s\S])")]
Locale = Literal["en", "de", "no"]


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


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """Where something is delivered to; `country` is ISO 3166-1 alpha-2."""

    address_id: AddressId
    label: Annotated[str, Personal("user_id")]
    recipient: Annotated[str, Personal("user_id")]
    street: Annotated[str, Personal("user_id")]
    city: Annotated[str, Personal("user_id")]
    postal_code: Annotated[str, Personal("user_id")]
    country: str


Lines = Annotated[tuple[Line, ...], Meta(min_length=1, max_length=50)]
