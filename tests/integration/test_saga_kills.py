"""An order is placed while processes die by `kill -9` at named points; it still ends right, once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import count
from typing import Any, NamedTuple

import msgspec
import pytest

from actors.mesh import Saga
from actors.mesh.testing.waiting import until
from actors.orders.sagas import fulfilment, refund
from infra.local.services import ServiceName
from schemas.orders import OrderCancelled
from tests.integration.shop_platform import KILLED, ShopPlatform

pytestmark = pytest.mark.asyncio(loop_scope="session")

STOCK = 500
AT_ONCE = 16


class Told(NamedTuple):
    """What a saga's story passes: the saga's own steps, and by domain the commands and events, and the work outside."""

    saga: Saga[Any]
    undone: tuple[str, ...]
    commands: dict[ServiceName, tuple[str, ...]]
    events: dict[ServiceName, tuple[str, ...]]
    performers: tuple[str, ...]

    def points(self) -> dict[ServiceName, tuple[str, ...]]:
        """Return every point of the story by the domain that passes it."""
        sides = ("before", "after")
        runner = [f"saga.do.{side}.{step.name}" for step in self.saga.steps for side in sides]
        runner += [f"saga.undo.{side}.{name}" for name in self.undone for side in sides]
        runner += [f"saga.close.{side}.close" for side in sides if self.undone]
        effects = [f"effect.{what}.{name}" for what in ("begun", "done", "told") for name in self.performers]
        own: dict[ServiceName, list[str]] = {"orders": runner, "inventory": [], "payments": effects}
        for domain, points in own.items():
            points += [f"append.{side}.{name}" for name in self.commands[domain] for side in sides]
            points += [f"publish.{side}.{name}" for name in self.events[domain] for side in sides]
        return {domain: tuple(points) for domain, points in own.items()}


FULFILMENT = Told(
    fulfilment,
    # Not commit_stock: no customer changes her mind in the moment between it and the pivot just because a test waits.
    undone=("reserve_stock", "authorise_payment"),
    commands={
        "orders": (
            "place_order", "mark_order_reserved", "confirm_order", "mark_order_paid", "cancel_order", "request_cancel",
        ),
        "inventory": ("reserve_stock", "commit_stock", "release_stock"),
        "payments": (
            "authorise_payment", "record_authorisation", "capture_payment", "record_capture", "void_payment",
            "record_void",
        ),
    },
    events={
        "orders": (
            "order_placed", "order_reserved", "order_confirmed", "order_paid", "order_cancel_requested",
            "order_cancelled",
        ),
        "inventory": (
            "stock_held", "stock_reserved", "stock_taken", "stock_committed", "stock_freed", "stock_released",
        ),
        "payments": (
            "payment_submitted", "payment_authorised", "payment_declined", "capture_submitted", "payment_captured",
            "void_submitted", "payment_voided",
        ),
    },
    performers=("authorise", "capture", "void"),
)  # fmt: skip
REFUND = Told(
    refund,
    undone=(),
    commands={
        "orders": ("mark_order_refunded",),
        "inventory": ("return_stock",),
        "payments": ("refund_payment", "record_refund"),
    },
    events={
        "orders": ("order_refund_requested", "order_refunded"),
        "inventory": ("stock_returned", "reservation_returned"),
        "payments": ("refund_submitted", "payment_refunded"),
    },
    performers=("refund",),
)
TELLING: dict[ServiceName, tuple[str, ...]] = {
    "orders": (
        "saga.do.before.reserve_stock",
        "saga.do.after.authorise_payment",
        "saga.do.before.confirm_order",
        "saga.do.after.capture_payment",
        "saga.undo.after.reserve_stock",
        "saga.do.after.refund_payment",
        "append.after.place_order",
        "publish.before.order_placed",
    ),
    "inventory": ("append.before.commit_stock", "append.after.reserve_stock", "append.after.return_stock"),
    "payments": (
        "effect.begun.authorise",
        "effect.done.capture",
        "publish.after.payment_authorised",
        "effect.done.refund",
    ),
}
"""Those at which most is at stake: a command in doubt, money on its way, an event written and not told."""
CARDS = ("card-approved", "card-approved", "card-declined", "card-timeout-then-success", "card-error-then-success")
CHANGED = ("card-timeout-then-success", "card-error-then-success")
"""Those whose customers change their minds: while the card processor is silent, and when the order is paid."""
MISSED = "step_deadline_missed"
LATE = {f"{MISSED} reserve_stock", f"{MISSED} mark_reserved"}
"""A customer waits five seconds for the stock, thirty for the word of it; one kill costs the first, five the second."""
WHY = {
    "card-approved": LATE,
    "card-error-then-success": LATE,
    "card-declined": {*LATE, "payment_declined"},
    "card-timeout-then-success": {*LATE, "cancel_requested"},
}
"""Why an order may be cancelled; once money is asked for, a kill is no reason."""


def plans(points: Sequence[str], pools: int) -> list[str]:
    """Deal the points out to pools, so that while one is down another works."""
    return [",".join(f"{point}:1" for point in points[first::pools]) for first in range(pools)]


class Story:
    """Orders placed while processes die, until every point has been passed."""

    def __init__(self, shop: ShopPlatform, sku: str) -> None:
        self.shop, self.sku = shop, sku
        self.orders: dict[str, str] = {}
        self._numbers = count()

    async def told(self, points: Iterable[str], *, timeout_seconds: float) -> None:
        """Place orders of all kinds, some at a time, until a process has died at each point."""
        wanted = set(points)

        async def customer() -> None:
            while wanted - self.shop.fired():
                await self._order(next(self._numbers))

        async with asyncio.timeout(timeout_seconds):
            await asyncio.gather(*(customer() for _ in range(AT_ONCE)))

    async def _order(self, number: int) -> None:
        card = CARDS[number % len(CARDS)]
        order_id = f"{self.sku}-{number}"
        self.orders[order_id] = card
        await self.shop.place(order_id, self.sku, card)
        if card == "card-timeout-then-success":
            await self._change_mind(order_id)
        await until(lambda: self._is_over(order_id), timeout_seconds=90)
        if card == "card-error-then-success":
            await self.shop.cancel(order_id)  # it is paid, and must be refunded
            await until(lambda: self._is_over(order_id), timeout_seconds=90)

    async def _change_mind(self, order_id: str) -> None:
        """Cancel while the card processor is silent: what it answers then is too late, and must be given back."""
        await until(lambda: self._has(order_id, "payments", f"payment/{order_id}"), timeout_seconds=60)
        await self.shop.cancel(order_id)

    async def _has(self, order_id: str, domain: str, key: str) -> bool:
        return bool(await self.shop.version(domain, key)) or await self._is_over(order_id)

    async def _is_over(self, order_id: str) -> bool:
        return await self.shop.status(order_id) != "under way"

    async def _why(self, order_id: str) -> str:
        last = (await self.shop.events("orders", f"order/{order_id}"))[-1]
        if last["name"] != "order_cancelled":
            return ""
        cancelled = msgspec.json.decode(last["body"], type=OrderCancelled)
        return " ".join((cancelled.reason_code, *([cancelled.detail] if cancelled.reason_code == MISSED else [])))

    async def wrongs(self, ended: dict[str, str]) -> list[str]:
        """Return what did not end right, order by order, by the card processor's log and the journals."""
        cards = await self.shop.cards()
        found = []
        for order_id, card in self.orders.items():
            done = cards.get(order_id, Counter())
            money = tuple(done.get(kind, 0) for kind in ("authorisation", "capture", "void", "refund"))
            names = await self.shop.names("orders", f"order/{order_id}")
            stock = await self.shop.names("inventory", f"reservation/{order_id}")
            taken = (stock["stock_committed"], stock["reservation_returned"])
            why = await self._why(order_id)
            right = {
                "paid": card == "card-approved" and money == (1, 1, 0, 0) and taken == (1, 0),
                "refunded": card in CHANGED and money == (1, 1, 0, 1) and taken == (1, 1),
                "cancelled": money in ((0, 0, 0, 0), (1, 0, 1, 0)) and taken in ((0, 0), (1, 1)) and why in WHY[card],
            }.get(ended[order_id], False)
            once = all(times == 1 for times in (*names.values(), *stock.values()))
            if not (right and once):
                found.append(f"{order_id} {card}: {ended[order_id]} ({why}), money {money}, {names}, {stock}")
        return found


async def killed_everywhere(
    shop: ShopPlatform, sku: str, points: dict[ServiceName, tuple[str, ...]], pools: int, timeout_seconds: float
) -> None:
    """Tell the story with deaths at these points and judge it."""
    await shop.stock(sku, STOCK)
    before = len(shop.states)
    names = await shop.replace_pools({domain: plans(of_domain, pools) for domain, of_domain in points.items()})
    story = Story(shop, sku)
    try:
        wanted = {point for of_domain in points.values() for point in of_domain}
        try:
            await story.told(wanted, timeout_seconds=timeout_seconds)
        except TimeoutError:
            stuck = [order for order in story.orders if await shop.status(order) == "under way"]
            pytest.fail(f"nobody passed {sorted(wanted - shop.fired())}; under way: {stuck}; {await shop.left_over()}")
        ended = await shop.at_rest(story.orders)
        assert not await story.wrongs(ended)
        counts = Counter(ended.values())
        item = await shop.item(sku)
        assert (item.on_hand, item.reserved) == (STOCK - counts["paid"], 0)
        assert counts["paid"], f"the story was not told: {counts}"
        assert counts["refunded"], f"the story was not told: {counts}"
        causes = {state.cause for state in shop.states[before:] if state.status == "restarting"}
        assert causes == {KILLED}
    finally:
        await shop.restore_pools(names, points)


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_a_kill_where_most_is_at_stake_changes_no_outcome(shop: ShopPlatform) -> None:
    await killed_everywhere(shop, "few", TELLING, pools=2, timeout_seconds=90)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("told", [FULFILMENT, REFUND], ids=lambda told: told.saga.name)
async def test_a_kill_at_every_point_of_the_story_changes_no_outcome(shop: ShopPlatform, told: Told) -> None:
    await killed_everywhere(shop, told.saga.name, told.points(), pools=4, timeout_seconds=480)
