"""The gateway dies between the command and its answer; the client asks again under its key and gets the one answer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from actors.mesh.testing.waiting import until
from cli.shop import Problem
from schemas.envelope import derived_id
from tests.e2e.running import Running

pytestmark = pytest.mark.asyncio(loop_scope="session")

WAIT_SECONDS = 60.0
Body = dict[str, Any]
ORDER = {"deliver_to": "12 Harbour Street, Bergen", "payment_token": "card-approved"}


@asynccontextmanager
async def inventory_stands_still(running: Running) -> AsyncIterator[None]:
    """Nothing is reserved and nothing refused meanwhile: the answer to an order cannot come."""
    async with running.administrator() as connection, connection.transaction():
        await connection.execute("LOCK TABLE inventory.commands IN ACCESS EXCLUSIVE MODE")
        yield


async def killed_in_between(running: Running, body: Body, key: str) -> str:
    """Send an order, kill the gateway when the order is in the journal, return the order's id."""
    order_id = derived_id("cust-ada", "PlaceOrder", key)
    async with running.administrator() as connection, inventory_stands_still(running):

        async def placed() -> bool:
            found = "SELECT EXISTS (SELECT FROM orders.events WHERE key = $1 AND name = 'order_placed')"
            return bool(await connection.fetchval(found, f"order/{order_id}"))

        asked = asyncio.create_task(running.shop("ada").post("/v1/orders", body, idempotency_key=key))
        await until(placed, timeout_seconds=WAIT_SECONDS)
        assert not asked.done(), "the answer was there before the gateway was killed"
        running.platform.kill("gateway")
        with pytest.raises(httpx.TransportError):
            await asked
    return order_id


async def answered_again(running: Running, body: Body, key: str) -> tuple[int, str, str]:
    """Ask under the same key until a gateway answers; return status, order or code."""
    answers: list[tuple[int, str, str]] = []

    async def answered() -> bool:
        try:
            response = await running.shop("ada").post("/v1/orders", body, idempotency_key=key)
            answers.append((response.status_code, response.json()["order_id"], ""))
        except Problem as problem:
            if problem.status < 500:
                answers.append((problem.status, "", problem.code))
        except httpx.TransportError:
            return False
        return bool(answers)

    await until(answered, timeout_seconds=WAIT_SECONDS)
    return answers[0]


async def orders_of(running: Running, sku: str) -> int:
    async with running.administrator() as connection:
        statement = (
            "SELECT count(*) FROM orders.events WHERE name = 'order_placed' AND convert_from(body, 'UTF8') LIKE $1"
        )
        return int(await connection.fetchval(statement, f'%"sku":"{sku}"%'))


async def test_an_order_whose_gateway_died_is_answered_201_under_the_same_key_once(running: Running) -> None:
    warehouse, sku, key = running.shop("wendy"), "gateway-kill-201", "gateway-kill-201"
    item = {"sku": sku, "title": "Survivor", "price": {"amount_minor": 700, "currency": "EUR"}}
    await warehouse.post("/v1/items", item)
    await warehouse.post(f"/v1/items/{sku}/receipts", {"quantity": 5})
    body = ORDER | {"lines": [{"sku": sku, "quantity": 2}]}
    order_id = await killed_in_between(running, body, key)
    assert await answered_again(running, body, key) == (201, order_id, "")
    assert await answered_again(running, body, key) == (201, order_id, "")
    assert (await running.shop("ada").at_rest(order_id, WAIT_SECONDS)).status == "paid"
    assert not (await running.checked(acknowledged=[order_id])).problems
    assert await orders_of(running, sku) == 1
    assert (await warehouse.item(sku)).on_hand == 3


async def test_an_order_for_too_much_whose_gateway_died_is_answered_409_under_the_same_key(running: Running) -> None:
    warehouse, sku, key = running.shop("wendy"), "gateway-kill-409", "gateway-kill-409"
    item = {"sku": sku, "title": "Not enough of it", "price": {"amount_minor": 700, "currency": "EUR"}}
    await warehouse.post("/v1/items", item)
    body = ORDER | {"lines": [{"sku": sku, "quantity": 1}]}
    order_id = await killed_in_between(running, body, key)
    assert await answered_again(running, body, key) == (409, "", "stock_insufficient")
    assert await answered_again(running, body, key) == (409, "", "stock_insufficient")
    assert (await running.shop("ada").order(order_id)).status == "cancelled"
    assert not (await running.checked()).problems
    assert await orders_of(running, sku) == 1
