"""Users: the customers that others ask about."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from schemas.message import Command, Event, Owner, Personal, Query
from schemas.values import CustomerId, Text

CustomerStatus = Literal["active", "deactivated"]
EmailAddress = Annotated[str, Meta(min_length=3, max_length=254, pattern=r"^[^@\s\u0000]+@[^@\s\u0000]+(?![\s\S])")]


class RegisterCustomer(Command, frozen=True, kw_only=True):
    """Add a customer; registering the same one again changes nothing."""

    customer_id: CustomerId
    name: Annotated[Text, Personal("customer_id")]
    email: Annotated[EmailAddress, Personal("customer_id")]


class DeactivateCustomer(Command, frozen=True, kw_only=True):
    """Stop a customer from placing orders."""

    customer_id: CustomerId
    reason: Text


class CustomerRegistered(Event, frozen=True, kw_only=True):
    customer_id: CustomerId
    name: Annotated[str, Personal("customer_id")]
    email: Annotated[str, Personal("customer_id")]


class CustomerDeactivated(Event, frozen=True, kw_only=True):
    customer_id: CustomerId
    reason: str


class CustomerView(msgspec.Struct, frozen=True, kw_only=True):
    customer_id: CustomerId
    status: CustomerStatus
    name: Annotated[str, Personal("customer_id")]
    email: Annotated[str, Personal("customer_id")]


class GetCustomer(Query[CustomerView], frozen=True, kw_only=True):
    """Show one customer."""

    customer_id: Annotated[CustomerId, Owner()]
