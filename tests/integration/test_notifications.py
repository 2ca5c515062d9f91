"""Notifications on real servers: a mail a confirmed order, whatever is killed, flushed or away meanwhile."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import httpx
import pytest
import pytest_asyncio
from redis.asyncio import Redis

from actors.mesh.testing.waiting import until
from schemas.notifications import (
    DeliveryView,
    GetInbox,
    ListDeliveries,
    SetPreference,
)
from schemas.orders import PlaceOrder
from schemas.users import AddUser
from schemas.values import Line
from tests.integration.shop_platform import ShopPlatform

pytestmark = pytest.mark.asyncio(loop_scope="session")

WAIT_SECONDS = 60.0
CHANNELS = 3
"""By which a confirmed order is told; a view that shows fewer is a moment behind its events."""


class Customer:
    """Somebody nobody knows yet, with an address of their own."""

    def __init__(self, shop: ShopPlatform) -> None:
        self.shop, self.user_id = shop, f"cust-{uuid.uuid4().hex[:12]}"
        self.email = f"{self.user_id}@example.org"

    async def register(self) -> None:
        added = AddUser(
            user_id=self.user_id, name="Ada", email=self.email, password="correct horse", roles=("customer",)
        )
        await self.shop.insist(added, f"add {self.user_id}")

    async def order(self) -> str:
        """Order a unit of something; return the order's id."""
        sku, order_id = f"sku-{uuid.uuid4().hex[:12]}", f"order-{uuid.uuid4().hex[:12]}"
        await self.shop.stock(sku, 100)
        command = PlaceOrder(
            order_id=order_id,
            customer_id=self.user_id,
            lines=(Line(sku=sku, quantity=1),),
            deliver_to="1 Example Street",
            payment_token="card-approved",
        )
        await self.shop.insist(command, f"place {order_id}")
        return order_id

    async def mails(self) -> list[dict[str, Any]]:
        """Return what is in the mailbox, newest first: each with how often it came."""
        url = self.shop.platform.endpoints.mailbox
        async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
            found: list[dict[str, Any]] = (await http.get("/v1/mails", params={"to": self.email})).json()["mails"]
        return found

    async def paid(self, *order_ids: str) -> None:
        async def over() -> bool:
            return all([await self.shop.status(order_id) == "paid" for order_id in order_ids])

        await until(over, timeout_seconds=WAIT_SECONDS)

    async def told(self, about: str) -> DeliveryView:
        """Wait until nothing of a notification is on its way any more."""
        found: list[DeliveryView] = []

        async def over() -> bool:
            page = await self.shop.insist(ListDeliveries(user_id=self.user_id, limit=100), f"look {uuid.uuid4()}")
            found[:] = [each for each in page.deliveries if each.about == about and len(each.channels) == CHANNELS]
            return bool(found) and all(each.status != "queued" for each in found[0].channels)

        await until(over, timeout_seconds=WAIT_SECONDS)
        return found[0]


def email_of(told: DeliveryView) -> tuple[str, str]:
    (found,) = [each for each in told.channels if each.channel == "email"]
    return found.status, found.reason


@pytest_asyncio.fixture(loop_scope="session")
async def ada(shop: ShopPlatform) -> Customer:
    customer = Customer(shop)
    await customer.register()
    return customer


async def test_a_confirmed_order_is_in_the_mailbox_once_with_a_text_and_an_html_part(ada: Customer) -> None:
    order_id = await ada.order()
    told = await ada.told(order_id)
    assert email_of(told) == ("sent", "")
    (kept,) = await ada.mails()
    mail = kept["mail"]
    assert kept["times"] == 1
    assert mail["subject"] == f"Your order {order_id} is confirmed"
    assert "Hello Ada," in mail["text"]
    assert "Total: 4.50 EUR" in mail["text"]
    assert f"<strong>{order_id}</strong>" in mail["html"]
    inbox = await ada.shop.client.ask(GetInbox(user_id=ada.user_id))
    assert [entry.text for entry in inbox.entries] == [f"Order {order_id} is confirmed: 4.50 EUR."]


async def test_while_the_mail_server_is_away_orders_go_on_and_each_is_told_when_it_is_back(ada: Customer) -> None:
    mailbox = ada.shop.platform.part("mailbox", "mailbox")
    await ada.shop.platform.remove("mailbox")
    try:
        order_id = await ada.order()
        await ada.paid(order_id)
        await asyncio.sleep(2)
    finally:
        await ada.shop.platform.add(mailbox)
    assert email_of(await ada.told(order_id)) == ("sent", "")
    assert [kept["times"] for kept in await ada.mails()] == [1]


async def test_a_flush_of_redis_sends_nothing_twice_and_takes_nothing_out_of_an_inbox(ada: Customer) -> None:
    first = await ada.order()
    await ada.told(first)
    async with Redis.from_url(ada.shop.platform.endpoints.redis) as client:
        await client.flushall()
    second = await ada.order()
    await ada.told(second)
    assert [kept["times"] for kept in await ada.mails()] == [1, 1]
    inbox = await ada.shop.client.ask(GetInbox(user_id=ada.user_id))
    assert [entry.about for entry in inbox.entries] == [second, first]


async def test_what_was_switched_off_is_not_sent_and_the_log_says_so(ada: Customer) -> None:
    off = SetPreference(user_id=ada.user_id, category="orders", channel="email", enabled=False)
    await ada.shop.client.ask(off)
    assert email_of(await ada.told(await ada.order())) == ("suppressed", "preference")
    assert await ada.mails() == []


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_pools_that_are_killed_around_sending_leave_one_mail_an_order(ada: Customer) -> None:
    points = [f"effect.{when}.send_email" for when in ("begun", "done", "told")]
    points += ["append.after.request_notification", "append.after.record_delivery", "publish.before.email_queued"]
    names = await ada.shop.replace_pools({"notifications": points})
    try:
        order_ids = [await ada.order() for _ in range(6)]
        await ada.paid(*order_ids)
        for order_id in order_ids:
            assert email_of(await ada.told(order_id)) == ("sent", "")
        assert len(ada.shop.fired() & set(points)) >= 3, "hardly anybody died"
    finally:
        await ada.shop.restore_pools(names, ["notifications"])
    mails = await ada.mails()
    assert sorted(kept["mail"]["subject"] for kept in mails) == sorted(
        f"Your order {order_id} is confirmed" for order_id in order_ids
    )
    assert [kept["times"] for kept in mails] == [1] * 6, "the mailbox can be asked, so nothing is sent again"
    assert await ada.shop.left_over(["notifications"]) == []
