"""Over real servers: what is Ada's does not exist for whoever may see only their own, by any operation of the table."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from gateway.auth import needs_nobody
from gateway.reading import IN_PATH
from gateway.routes import ROUTES, Route
from schemas.message import Query, owner_field
from schemas.notifications import DeliveryPage
from schemas.principal import Principal, allows, confined
from tests.e2e.people import Client
from tests.e2e.running import Running
from tests.unit.gateway.access_matrix import request_of

pytestmark = pytest.mark.asyncio(loop_scope="session")

ADA = "cust-ada"
ORDER = {"lines": [{"sku": "lamp-blue", "quantity": 1}], "deliver_to": "Bergen", "payment_token": "card-approved"}
ASKERS = ("", "grace", "wendy", "fiona", "otto", "sam")
IDS = {"notification_id", "order_id", "payment_id", "session_id", "user_id"}


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def adas(running: Running) -> AsyncIterator[dict[str, str]]:
    """The ids of what is Ada's, by the fields that hold them."""
    account = running.platform.endpoints.accounts["ada"]
    client = Client(running.http, account.email)
    assert (await client.log_in(account.password)).status_code == 201
    placed = await running.shop("ada").post("/v1/orders", ORDER)
    order_id = placed.json()["order_id"]
    await running.rest()
    told = (await running.shop("ada").get("/v1/deliveries", DeliveryPage)).deliveries
    yield {
        "order_id": order_id,
        "payment_id": order_id,
        "notification_id": next(each.notification_id for each in told if each.about == order_id),
        "session_id": client.session_id,
        "user_id": ADA,
    }
    assert (await client.refresh()).status_code == 200, "somebody has ended Ada's session"


def entity_of(route: Route) -> set[str]:
    """Return the fields of a path that name something of somebody's."""
    return IDS & {*IN_PATH.findall(route.path)}


def is_about_somebody(route: Route) -> bool:
    """Return whether an operation can be asked about Ada."""
    owned = owner_field(route.message) is not None and not needs_nobody(route.message)
    return owned and (not route.own or bool(entity_of(route)))


def ways_to_say(route: Route) -> tuple[str, ...]:
    """Return whom a request may name: Ada, or nobody where her thing is named already."""
    if route.own:
        return ("",)
    return ("", ADA) if entity_of(route) - {owner_field(route.message)} else (ADA,)


def due(asker: Principal | None, route: Route) -> int | None:
    """Return the status that the rows of the roles give; None where a command would be done, which is not tried."""
    if asker is None:
        return 401
    if not allows(asker, route.message):
        return 403
    if route.own or confined(asker, route.message):
        return 404
    return 200 if issubclass(route.message, Query) else None


async def answered(running: Running, asker: str, route: Route, whose: str, adas: dict[str, Any]) -> httpx.Response:
    sent = request_of(route, whose, **adas)
    headers = {"authorization": f"Bearer {running.platform.endpoints.tokens[asker]}"} if asker else {}
    headers |= {"content-type": "application/json"} if sent.body else {}
    address = f"{sent.path}?{sent.query}" if sent.query else sent.path
    return await running.http.request(sent.method, address, content=sent.body, headers=headers)


@pytest.mark.parametrize("route", [each for each in ROUTES if is_about_somebody(each)], ids=lambda route: route.name)
async def test_nobody_gets_at_what_is_adas(running: Running, adas: dict[str, str], route: Route) -> None:
    for asker in ASKERS:
        roles = running.platform.endpoints.accounts[asker].roles if asker else ()
        expected = due(Principal(subject=asker, roles=roles) if asker else None, route)
        for whose in ways_to_say(route) if expected else ():
            answer = await answered(running, asker, route, whose, adas)
            assert answer.status_code == expected, f"{asker or 'nobody'} asks for {whose or 'nobody'!r}: {answer.text}"
