"""All streams are lost in the middle of orders: they are filled again, and nobody acts twice."""

from __future__ import annotations

import asyncio

from actors.mesh._blueprint import consumers
from actors.mesh.testing.quiet import at_rest, differing_views
from schemas.orders import PlaceOrder
from tests.sim.shop import Shop, order


async def lose_all(shop: Shop) -> None:
    mesh = shop.mesh
    for blueprint in mesh.blueprints:
        mesh.bus.lose(blueprint.stream.name)
    await mesh.bus.provision(
        [each.stream for each in mesh.blueprints], [spec for each in mesh.blueprints for spec in consumers(each)]
    )


async def test_streams_lost_after_all_was_paid_charge_nobody_again() -> None:
    shop = Shop(pools_per_domain=2)
    async with shop.mesh:
        await shop.open()
        for order_id in ("o1", "o2"):
            await shop.mesh.client.ask(order(order_id))
        await at_rest(shop.mesh)
        charges, sagas = shop.cards.books.operations, dict(shop.mesh.truth.domain("orders").sagas)
        events = {key: len(of_key) for key, of_key in shop.mesh.truth.domain("orders").events.items()}
        await lose_all(shop)
        await shop.mesh.clock.sleep(10)
        await at_rest(shop.mesh)
        assert shop.cards.books.operations == charges
        assert {key: row.document for key, row in shop.mesh.truth.domain("orders").sagas.items()} == {
            key: row.document for key, row in sagas.items()
        }
        assert {key: len(of_key) for key, of_key in shop.mesh.truth.domain("orders").events.items()} == events
        assert (await shop.item()).on_hand == 6
        assert await differing_views(shop.mesh) == []


async def test_streams_lost_at_any_moment_of_an_order_end_it_paid_once() -> None:
    for turns in range(0, 240, 30):
        shop = Shop()
        async with shop.mesh:
            await shop.open()
            placed: PlaceOrder = order("o1")
            await shop.mesh.client.ask(placed)

            for _ in range(turns):
                await asyncio.sleep(0)
            await lose_all(shop)
            await shop.mesh.clock.sleep(10)
            await at_rest(shop.mesh)
            done = shop.operations("o1")
            assert (await shop.order("o1")).status == "paid", turns
            assert (done["authorisation"], done["capture"]) == (1, 1), turns
            assert (await shop.item()).on_hand == 8, turns
            assert await differing_views(shop.mesh) == [], turns
