"""Commands that follow later: at their time, once, whoever died meanwhile."""

from __future__ import annotations

from typing import Any

import pytest

from actors import inventory
from actors.mesh._ports import BusReply, TimerRow
from actors.mesh.testing.memory_mesh import MemoryMesh
from actors.mesh.testing.toys import toy_mesh
from actors.mesh.testing.toys.counters import REOPENED_AFTER_SECONDS, Close
from schemas.inventory import AddItem, CommitStock, GetAvailability, ReceiveStock, ReserveStock
from schemas.values import Line, Money
from tests.saga.meddling import Wire, refusal


def names(mesh: MemoryMesh) -> list[str]:
    events = mesh.truth.domain("counters").events["counter/a"]
    return [event.name for event in events if event.name != "bell_rung"]


async def test_it_fires_at_its_time_and_not_before() -> None:
    async with toy_mesh() as mesh:
        await mesh.client.ask(Close(counter_id="a"))
        await mesh.clock.sleep(REOPENED_AFTER_SECONDS - 0.1)
        assert names(mesh) == ["counter_closed"]
        await mesh.clock.sleep(1)
        assert names(mesh) == ["counter_closed", "counter_reopened"]
        assert mesh.truth.domain("counters").timers == {}


async def test_a_timer_that_fires_twice_is_one() -> None:
    async with toy_mesh(pools_per_domain=2) as mesh:
        await mesh.client.ask(Close(counter_id="a"))
        tables = mesh.truth.domain("counters")
        [(timer_id, row)] = tables.timers.items()
        await mesh.clock.sleep(REOPENED_AFTER_SECONDS + 1)
        await mesh.client.ask(Close(counter_id="a"))
        tables.timers[timer_id], tables.timers_next_at_ms[timer_id] = row, row.due_at_ms
        await mesh.clock.sleep(1)
        assert names(mesh) == ["counter_closed", "counter_reopened", "counter_closed"]


async def test_a_timer_that_two_pools_see_at_once_is_fired_by_one() -> None:
    async with toy_mesh(pools_per_domain=3) as mesh:
        wire = Wire(mesh)
        await mesh.client.ask(Close(counter_id="a"))
        await mesh.clock.sleep(REOPENED_AFTER_SECONDS + 5)
        assert wire.count("counters.command.reopen") == 1


@pytest.mark.parametrize("trouble", ["lost", "reply_lost"])
async def test_a_timer_whose_command_was_lost_fires_again(trouble: str) -> None:
    async with toy_mesh() as mesh:
        wire = Wire(mesh)
        wire.meddle["counters.command.reopen"] = [getattr(wire, trouble)]
        await mesh.client.ask(Close(counter_id="a"))
        await mesh.clock.sleep(REOPENED_AFTER_SECONDS + 20)
        assert names(mesh) == ["counter_closed", "counter_reopened"]
        assert wire.count("counters.command.reopen") == 2


async def test_a_timer_turned_away_at_the_door_fires_again() -> None:
    async with toy_mesh() as mesh:
        wire = Wire(mesh)

        async def turned_away(_go_on: Any) -> BusReply:
            return refusal("message_invalid")

        wire.meddle["counters.command.reopen"] = [turned_away]
        await mesh.client.ask(Close(counter_id="a"))
        await mesh.clock.sleep(REOPENED_AFTER_SECONDS + 20)
        assert names(mesh) == ["counter_closed", "counter_reopened"]


async def test_a_timer_that_the_domain_refuses_is_over() -> None:
    async with toy_mesh() as mesh:
        wire = Wire(mesh)
        wire.always["counters.command.reopen"] = wire.refused
        await mesh.client.ask(Close(counter_id="a"))
        await mesh.clock.sleep(REOPENED_AFTER_SECONDS + 30)
        assert wire.count("counters.command.reopen") == 1
        assert mesh.truth.domain("counters").timers == {}


async def test_timers_outlive_the_pool_that_set_them() -> None:
    async with toy_mesh() as mesh:
        await mesh.client.ask(Close(counter_id="a"))
        mesh.kill(mesh.pools[0])
        await mesh.clock.sleep(REOPENED_AFTER_SECONDS * 2)
        await mesh.start_pool(mesh.blueprints[0])
        await mesh.clock.sleep(1)
        assert names(mesh) == ["counter_closed", "counter_reopened"]


async def test_a_timer_that_this_code_cannot_fire_keeps_no_other_from_firing() -> None:
    async with toy_mesh() as mesh:
        tables = mesh.truth.domain("counters")
        tables.timers["broken"] = TimerRow("broken", 0, 0, "counters.command.renamed", b"{}", "{}")
        tables.timers_next_at_ms["broken"] = 0
        await mesh.client.ask(Close(counter_id="a"))
        await mesh.clock.sleep(REOPENED_AFTER_SECONDS + 20)
        assert names(mesh) == ["counter_closed", "counter_reopened"]


async def test_what_nobody_committed_for_900_seconds_comes_back_to_the_shelf() -> None:
    async with MemoryMesh((inventory.actor,)) as mesh:
        ask = mesh.client.ask
        await ask(AddItem(sku="tea", title="Tea", price=Money(amount_minor=450, currency="EUR")))
        await ask(ReceiveStock(sku="tea", quantity=10))
        for name in ("left", "bought"):
            await ask(ReserveStock(reservation_id=name, lines=(Line(sku="tea", quantity=3),)))
        await ask(CommitStock(reservation_id="bought"))
        await mesh.clock.sleep(899)
        assert (await ask(GetAvailability(sku="tea"))).available == 4
        await mesh.clock.sleep(3)
        assert (await ask(GetAvailability(sku="tea"))).available == 7
        freed = [event for event in mesh.truth.domain("inventory").events["item/tea"] if event.name == "stock_freed"]
        assert len(freed) == 1
