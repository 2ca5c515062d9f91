"""Many want the last ones at once, in several pools: exactly as many get them as there are, and the others know why."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from actors.mesh import Refused
from actors.mesh._errors import Fault
from actors.mesh.testing.quiet import at_rest, differing_views
from schemas.inventory import AddItem, ReceiveStock, ReleaseStock, ReserveStock
from schemas.values import Line
from tests.sim.shop import PRICE, Shop


async def outcome(shop: Shop, command: ReserveStock | ReleaseStock) -> str:
    try:
        await shop.mesh.client.ask(command)
    except Refused as refusal:
        return refusal.code
    except Fault as fault:
        return fault.code
    return "accepted"


@pytest.mark.parametrize("pools", [1, 2, 3])
async def test_of_64_buyers_10_get_the_last_10_units_and_54_are_told_that_there_are_none(pools: int) -> None:
    shop = Shop(pools_per_domain=pools)
    async with shop.mesh:
        await shop.open(stock=10)
        line = (Line(sku="tea", quantity=1),)
        found = Counter(
            await asyncio.gather(
                *(outcome(shop, ReserveStock(reservation_id=f"r{buyer}", lines=line)) for buyer in range(64))
            )
        )
        assert found == {"accepted": 10, "stock_insufficient": 54}
        assert ((await shop.item()).on_hand, (await shop.item()).reserved) == (10, 10)


async def test_buyers_of_several_items_in_any_order_never_stall_and_get_all_or_nothing() -> None:
    shop = Shop(pools_per_domain=3)
    async with shop.mesh:
        await shop.open(stock=15)
        await shop.mesh.client.ask(AddItem(sku="milk", title="Milk", price=PRICE))
        await shop.mesh.client.ask(ReceiveStock(sku="milk", quantity=9))
        both = (Line(sku="tea", quantity=1), Line(sku="milk", quantity=1))
        found = Counter(
            await asyncio.gather(
                *(
                    outcome(shop, ReserveStock(reservation_id=f"r{buyer}", lines=both if buyer % 2 else both[::-1]))
                    for buyer in range(40)
                )
            )
        )
        assert found == {"accepted": 9, "stock_insufficient": 31}
        assert ((await shop.item()).reserved, (await shop.item("milk")).reserved) == (9, 9)
        await at_rest(shop.mesh)
        assert await differing_views(shop.mesh) == []


async def test_what_is_released_while_others_reserve_is_counted_once() -> None:
    shop = Shop(pools_per_domain=3)
    async with shop.mesh:
        await shop.open(stock=10)
        line = (Line(sku="tea", quantity=1),)
        for buyer in range(10):
            await shop.mesh.client.ask(ReserveStock(reservation_id=f"r{buyer}", lines=line))
        release = [outcome(shop, ReleaseStock(reservation_id=f"r{buyer % 5}")) for buyer in range(15)]
        reserve = [outcome(shop, ReserveStock(reservation_id=f"s{buyer}", lines=line)) for buyer in range(15)]
        found = await asyncio.gather(*release, *reserve)
        assert set(found[:15]) == {"accepted"}
        won = found[15:].count("accepted")
        assert set(found[15:]) <= {"accepted", "stock_insufficient"}
        assert (await shop.item()).reserved == 5 + won
