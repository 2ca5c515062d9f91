"""A view rebuilt from zero equals the live one, whatever had become of that."""

from __future__ import annotations

from actors import inventory
from actors.mesh._dead_letters import DeadLetters
from actors.mesh._follow import Following
from actors.mesh._ports import ViewRow
from actors.mesh._read import Views
from actors.mesh._rebuild import rebuild
from actors.mesh.adapters.memory.store import memory_store
from actors.mesh.testing.memory_mesh import MemoryMesh
from schemas.inventory import AddItem, GetItem, ReceiveStock
from schemas.values import Money

PRICE = Money(amount_minor=500, currency="EUR")


async def test_a_spoilt_view_is_right_again_after_a_rebuild() -> None:
    async with MemoryMesh((inventory.actor,)) as mesh:
        for sku in ("cup", "jug"):
            await mesh.client.ask(AddItem(sku=sku, title=sku, price=PRICE))
            await mesh.client.ask(ReceiveStock(sku=sku, quantity=7))
        await mesh.clock.sleep(1)
        before = await mesh.views["inventory"].get("item_view", ["cup", "jug"])
        await mesh.views["inventory"].put("item_view", [ViewRow("cup", 99, b'{"spoilt":true}')])

        read = await rebuilt(mesh, "item_view")

        assert read == 4
        assert await mesh.views["inventory"].get("item_view", ["cup", "jug"]) == before
        await mesh.client.ask(ReceiveStock(sku="cup", quantity=1))
        assert (await mesh.client.ask(GetItem(sku="cup", at_least_version=3))).on_hand == 8


async def rebuilt(mesh: MemoryMesh, view: str) -> int:
    blueprint = mesh.blueprints[0]
    store = memory_store(mesh.truth, blueprint.name, mesh.clock)
    privacy = mesh.privacy()
    letters = DeadLetters(store.dead_letters, privacy, mesh.clock)
    stores = {"default": mesh.views[blueprint.name], "redis": mesh.hot[blueprint.name]}
    views = Views(blueprint, store.journal, stores, privacy)
    projection = next(each for each in blueprint.actor.projections if each.view.__name__ == "ItemView")
    return await rebuild(Following(mesh.bus, mesh.telemetry("rebuild"), letters), views, projection, mesh.clock)
