"""A pool that dies at any named point, and its successor: the order ends as it would have, and once."""

from __future__ import annotations

import pytest

from actors.mesh._chaos import Chaos
from actors.mesh._errors import Fault
from actors.mesh.testing.processes import die
from schemas.envelope import Envelope, derived_id
from schemas.message import Command
from tests.saga.meddling import Wire
from tests.saga.places import CANCEL, SAGAS, Place, ends_clean, pivot_of
from tests.sim.shop import Shop, order


class Noting(Chaos):
    """Notes the points that are passed."""

    def __init__(self) -> None:
        super().__init__()
        self.passed: list[str] = []

    def point(self, name: str) -> None:
        self.passed.append(name)


FORWARD_POINTS = [
    *(f"append.{when}.{command}" for when in ("before", "after") for command in (
        "place_order", "reserve_stock", "mark_order_reserved", "authorise_payment", "record_authorisation",
        "confirm_order", "commit_stock", "capture_payment", "record_capture", "mark_order_paid",
    )),
    *(f"publish.{when}.{event}" for when in ("before", "after") for event in (
        "order_placed", "stock_reserved", "stock_held", "order_reserved", "payment_submitted", "payment_authorised",
        "order_confirmed", "stock_taken", "stock_committed", "capture_submitted", "payment_captured", "order_paid",
    )),
    *(f"saga.do.{when}.{step.name}" for when in ("before", "after") for step in SAGAS["order_fulfilment"].steps),
    *(f"effect.{when}.{performer}" for when in ("begun", "done", "told") for performer in ("authorise", "capture")),
]  # fmt: skip
BACKWARD_POINTS = [
    *(f"append.{when}.{command}" for when in ("before", "after") for command in (
        "request_cancel", "release_stock", "void_payment", "record_void", "cancel_order",
    )),
    *(f"publish.{when}.{event}" for when in ("before", "after") for event in (
        "order_cancel_requested", "stock_freed", "stock_released", "void_wanted", "void_submitted", "payment_voided",
        "order_cancelled",
    )),
    *(f"saga.undo.{when}.{name}" for when in ("before", "after") for name in ("reserve_stock", "authorise_payment")),
    *(f"saga.close.{when}.close" for when in ("before", "after")),
    *(f"effect.{when}.void" for when in ("begun", "done", "told")),
]  # fmt: skip
UNCOMMITTING_POINTS = [
    *(f"append.{when}.return_stock" for when in ("before", "after")),
    *(f"publish.{when}.{event}" for when in ("before", "after") for event in (
        "stock_returned", "reservation_returned",
    )),
    *(f"saga.undo.{when}.commit_stock" for when in ("before", "after")),
]  # fmt: skip
"""What comes on the way back besides where the stock had been taken already."""
REFUND_POINTS = [
    *(f"append.{when}.{command}" for when in ("before", "after") for command in (
        "request_cancel", "refund_payment", "record_refund", "return_stock", "mark_order_refunded",
    )),
    *(f"publish.{when}.{event}" for when in ("before", "after") for event in (
        "order_refund_requested", "refund_submitted", "payment_refunded", "stock_returned", "reservation_returned",
        "order_refunded",
    )),
    *(f"saga.do.{when}.{step.name}" for when in ("before", "after") for step in SAGAS["order_refund"].steps),
    *(f"effect.{when}.refund" for when in ("begun", "done", "told")),
]  # fmt: skip
RECALL_POINTS = [f"publish.{when}.order_recalled" for when in ("before", "after")]
SHELVES = (
    "add_user", "user_registered", "password_set", "epoch_raised", "add_item", "item_added", "receive_stock",
    "stock_received",
)  # fmt: skip
CANCELLED_DURING = {
    "cancelled": "payments.command.authorise_payment",
    "uncommitted": Place(SAGAS["order_fulfilment"], pivot_of(SAGAS["order_fulfilment"])).command,
    "recalled": "payments.command.capture_payment",
}
"""The command that is held up for a second, and meanwhile the customer changes her mind."""
ENDS = {
    "paid": "paid",
    "cancelled": "cancelled",
    "uncommitted": "cancelled",
    "recalled": "refunded",
    "refunded": "refunded",
}


async def run_to_the_end(chaos: Chaos, story: str) -> str:
    """Place an order, and perhaps cancel it on the way or when it is paid; whatever dies on the way is started anew."""
    shop = Shop(chaos=chaos)
    async with shop.mesh:
        shop.mesh.revive()
        await shop.open()
        if story in CANCELLED_DURING:
            wire = Wire(shop.mesh)
            wire.meddle[CANCELLED_DURING[story]] = [wire.first(lambda: shop.mesh.clock.sleep(1))] * 5
        await insist(shop, order("o1"))
        if story in CANCELLED_DURING:
            await shop.mesh.clock.sleep(0.5)
            await insist(shop, CANCEL)
        if story == "refunded":
            await ends_clean(shop)
            await insist(shop, CANCEL)
        await shop.mesh.clock.sleep(1)
        await shop.mesh.revived()
        return await ends_clean(shop)


async def insist(shop: Shop, command: Command) -> None:
    """Ask under one id until there is an answer."""
    envelope = Envelope(command_id=derived_id(type(command).__name__))
    for _ in range(20):
        try:
            await shop.mesh.client.ask(command, envelope)
        except Fault:
            await shop.mesh.clock.sleep(0.5)
        else:
            return
    raise AssertionError(f"{command} was never answered")


async def points_of(story: str) -> set[str]:
    noting = Noting()
    assert await run_to_the_end(noting, story) == ENDS[story]
    return {point for point in noting.passed if not point.endswith(SHELVES)}


async def test_every_chaos_point_on_the_way_is_listed_here() -> None:
    early = ("stock_freed", "stock_released", "void_wanted")
    early_points = {f"publish.{when}.{event}" for when in ("before", "after") for event in early}
    refunding = {*FORWARD_POINTS, *REFUND_POINTS}
    assert await points_of("paid") == set(FORWARD_POINTS)
    assert await points_of("cancelled") - set(FORWARD_POINTS) == set(BACKWARD_POINTS)
    assert (
        await points_of("uncommitted") - set(FORWARD_POINTS) == {*BACKWARD_POINTS, *UNCOMMITTING_POINTS} - early_points
    )
    assert await points_of("refunded") == refunding
    assert await points_of("recalled") == {*refunding, *RECALL_POINTS}


@pytest.mark.parametrize("point", FORWARD_POINTS)
async def test_an_order_whose_pool_dies_anywhere_is_paid_once(point: str) -> None:
    await dies_and_ends(point, "paid")


@pytest.mark.parametrize("point", BACKWARD_POINTS)
async def test_a_cancelled_order_whose_pool_dies_anywhere_leaves_nothing_held(point: str) -> None:
    await dies_and_ends(point, "cancelled")


@pytest.mark.parametrize("point", UNCOMMITTING_POINTS)
async def test_an_order_cancelled_when_its_stock_was_taken_has_it_put_back_whoever_dies(point: str) -> None:
    await dies_and_ends(point, "uncommitted")


@pytest.mark.parametrize("point", REFUND_POINTS)
async def test_a_refunded_order_whose_pool_dies_anywhere_is_refunded_once(point: str) -> None:
    await dies_and_ends(point, "refunded")


@pytest.mark.parametrize("point", RECALL_POINTS)
async def test_an_order_recalled_before_it_was_paid_is_refunded_whoever_dies(point: str) -> None:
    await dies_and_ends(point, "recalled")


async def dies_and_ends(point: str, story: str) -> None:
    chaos = Chaos(point, strike=die)
    assert await run_to_the_end(chaos, story) == ENDS[story]
    assert chaos._left[point] <= 0, "nobody died"
