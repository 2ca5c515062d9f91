"""The rules of a customer. Pure: no clock, no network, no store."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, TypeAlias

import msgspec
from msgspec.structs import replace

from actors.mesh import Refused
from schemas.message import Personal
from schemas.users import (
    CustomerDeactivated,
    CustomerRegistered,
    CustomerStatus,
    DeactivateCustomer,
    RegisterCustomer,
)

CustomerEvent: TypeAlias = CustomerRegistered | CustomerDeactivated


class Customer(msgspec.Struct, frozen=True, kw_only=True):
    """What the past of a customer adds up to."""

    customer_id: str
    status: CustomerStatus
    name: Annotated[str, Personal("customer_id")]
    email: Annotated[str, Personal("customer_id")]


def register(customer: Customer | None, command: RegisterCustomer) -> Iterator[CustomerEvent]:
    if customer is None:
        yield CustomerRegistered(customer_id=command.customer_id, name=command.name, email=command.email)
        return
    if customer.status == "deactivated":
        raise Refused("customer_deactivated", f"customer {command.customer_id} is closed and stays so")
    if (customer.name, customer.email) != (command.name, command.email):
        raise Refused("customer_exists", f"customer {command.customer_id} is registered with another name or e-mail")


def deactivate(customer: Customer | None, command: DeactivateCustomer) -> Iterator[CustomerEvent]:
    if customer is None:
        raise Refused("customer_unknown", f"no customer {command.customer_id}", kind="not_found")
    if customer.status == "active":
        yield CustomerDeactivated(customer_id=command.customer_id, reason=command.reason)


def evolve(customer: Customer | None, event: CustomerEvent) -> Customer:
    match event:
        case CustomerRegistered():
            return Customer(customer_id=event.customer_id, status="active", name=event.name, email=event.email)
        case CustomerDeactivated():
            assert customer is not None, "a customer is registered before anything else happens to it"
            return replace(customer, status="deactivated")
