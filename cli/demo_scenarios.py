"""The demo's stories, each told as a customer lives it over HTTP, and what must come of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import msgspec

from cli.mails import Mailbox
from cli.seed import STOCK
from cli.shop import LOOK_EVERY_SECONDS, Problem, Shop
from schemas.orders import OrderPage, OrderView

LOOKS_MAX = 100


class Scenario(msgspec.Struct, kw_only=True):
    """One order's story: what was expected, what came."""

    scenario: str
    expected: str
    status: str = ""
    milliseconds: int = 0
    order_id: str = ""
    problems: list[str] = []


class Cast(NamedTuple):
    """Who plays: two customers who have just registered, support, and the mail server."""

    ada: Shop
    grace: Shop
    grace_id: str
    support: Shop
    mailbox: Mailbox


class Story(NamedTuple):
    """What it is called, how it must end, whether money stays with us, and how it is played."""

    name: str
    expected: str
    charged: bool
    play: Callable[[Cast, Scenario], Awaitable[None]]


async def paid(cast: Cast, scenario: Scenario) -> None:
    """An order that is reserved before the answer, then paid."""
    status, order = await cast.ada.place([("cup-blue", 2), ("lamp-white", 1)], "card-approved")
    expect(scenario, status == 201 and order.status != "placed", f"answered {status} {order.status}, not 201 reserved")
    await follow(cast.ada, scenario, order)


async def declined(cast: Cast, scenario: Scenario) -> None:
    """An order whose card is declined: its stock comes back, and it is cancelled."""
    before = (await cast.ada.item("plate-red")).available
    _, order = await cast.ada.place([("plate-red", 3)], "card-declined")
    resting = await follow(cast.ada, scenario, order)
    expect(scenario, resting.reason_code == "payment_declined", f"cancelled for {resting.reason_code}")
    expect(scenario, (await cast.ada.item("plate-red")).available == before, "its stock did not come back")


async def too_many(cast: Cast, scenario: Scenario) -> None:
    """An order for more than there is: refused at reservation, nothing charged."""
    try:
        _, order = await cast.ada.place([("bowl-green", STOCK + 1)], "card-approved")
        scenario.order_id, scenario.status = order.order_id, order.status
    except Problem as problem:
        right = (problem.status, problem.code) == (409, "stock_insufficient")
        scenario.status = "refused" if right else str(problem)
        scenario.order_id = await order_of(cast.ada, "bowl-green")
        resting = await cast.ada.at_rest(scenario.order_id)
        expect(scenario, resting.status == "cancelled", f"the order is {resting.status}, not cancelled")


async def twice(cast: Cast, scenario: Scenario) -> None:
    """The same order sent twice with one key: one order, and the same answer."""
    lines, token, key = [("jug-blue", 1)], "card-approved", "demo-twice"
    first, second = await asyncio.gather(
        cast.ada.place(lines, token, idempotency_key=key), cast.ada.place(lines, token, idempotency_key=key)
    )
    expect(scenario, first[1].order_id == second[1].order_id, "two orders were made")
    await follow(cast.ada, scenario, first[1])
    expect(scenario, (await cast.ada.item("jug-blue")).on_hand == STOCK - 1, "the stock was taken twice")


async def refunded(cast: Cast, scenario: Scenario) -> None:
    """An order that is paid, and cancelled then: the money goes back, and so does the stock."""
    before = (await cast.ada.item("lamp-green")).available
    _, order = await cast.ada.place([("lamp-green", 2)], "card-approved")
    resting = await cast.ada.at_rest(order.order_id)
    expect(scenario, resting.status == "paid", f"the order was {resting.status}, not paid, when it was to be cancelled")
    await cast.ada.post(f"/v1/orders/{order.order_id}/cancel", {"reason": "found one in the attic"})
    await cast.ada.comes_to(order.order_id, "refunded")
    await follow(cast.ada, scenario, order)
    expect(scenario, (await cast.ada.item("lamp-green")).available == before, "its stock did not come back")


async def deactivated(cast: Cast, scenario: Scenario) -> None:
    """An account that is closed between two orders: the second is refused, at the door or by the order itself."""
    _, order = await cast.grace.place([("cup-red", 1)], "card-approved")
    scenario.order_id = order.order_id
    await cast.grace.at_rest(order.order_id)
    await cast.support.post(f"/v1/users/{cast.grace_id}/deactivate", {"reason": "asked for it"})
    try:
        await cast.grace.place([("cup-red", 1)], "card-approved")
        scenario.status = "accepted"
    except Problem as problem:
        right = problem.code in ("principal_revoked", "customer_deactivated")
        scenario.status = "refused" if right else str(problem)


STORIES = (
    Story("paid", "paid", True, paid),
    Story("card declined", "cancelled", False, declined),
    Story("more than in stock", "refused", False, too_many),
    Story("sent twice with one key", "paid", True, twice),
    Story("cancelled when paid", "refunded", True, refunded),
    Story("account closed in between", "refused", True, deactivated),
)
SOLD = {"cup-blue": 2, "lamp-white": 1, "jug-blue": 1, "cup-red": 1}
"""What has left the stock when all stories are over."""


async def order_of(shop: Shop, sku: str) -> str:
    """Return the id of the order that has an item; lists follow what happens by moments, so it is looked for twice."""
    for _ in range(LOOKS_MAX):
        for order in (await shop.get("/v1/orders", OrderPage, limit=20)).orders:
            if any(line.sku == sku for line in order.lines):
                return order.order_id
        await asyncio.sleep(LOOK_EVERY_SECONDS)
    raise Problem(404, {"code": "order_unlisted", "detail": f"no order with {sku} is listed"})


async def follow(shop: Shop, scenario: Scenario, order: OrderView) -> OrderView:
    scenario.order_id = order.order_id
    resting = await shop.at_rest(order.order_id)
    scenario.status = resting.status
    return resting


def expect(scenario: Scenario, holds: bool, otherwise: str) -> None:
    if not holds:
        scenario.problems.append(f"{scenario.scenario}: {otherwise}")
