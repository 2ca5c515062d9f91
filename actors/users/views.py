"""What can be asked about customers."""

from __future__ import annotations

from msgspec.structs import replace

from actors.mesh import Happened, Read
from actors.users.model import CustomerEvent
from schemas.users import CustomerDeactivated, CustomerRegistered, CustomerView, GetCustomer


def customer_view(view: CustomerView | None, event: CustomerEvent, happened: Happened) -> CustomerView:
    match event:
        case CustomerRegistered():
            return CustomerView(customer_id=event.customer_id, status="active", name=event.name, email=event.email)
        case CustomerDeactivated():
            assert view is not None, "a customer is registered before anything else happens to it"
            return replace(view, status="deactivated")


async def get_customer(query: GetCustomer, read: Read) -> CustomerView:
    return await read.one(CustomerView, query.customer_id)
