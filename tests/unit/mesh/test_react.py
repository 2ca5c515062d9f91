"""Events of another domain become commands of ours: each once, whatever is delivered how often."""

from __future__ import annotations

from typing import Any

import pytest

from actors.mesh._blueprint import consumers
from actors.mesh._ports import BusReply
from actors.mesh.testing.memory_mesh import MemoryMesh
from actors.mesh.testing.quiet import at_rest
from actors.mesh.testing.toys import toy_mesh
from actors.mesh.testing.toys.counters import GetCounter
from actors.mesh.testing.toys.limits import SetLimit
from tests.saga.meddling import Wire, refusal


async def counted(mesh: MemoryMesh) -> int:
    await at_rest(mesh, within_seconds=40)
    return (await mesh.client.ask(GetCounter(counter_id="limits-set"))).total


async def test_each_event_is_one_command_however_often_it_is_read() -> None:
    async with toy_mesh(pools_per_domain=2) as mesh:
        for most in (1, 2, 3):
            await mesh.client.ask(SetLimit(limit_id="a", most=most))
        assert await counted(mesh) == 3
        [consumer] = [each for each in consumers(mesh.blueprints[0]) if each.name == "counters_reactions"]
        await mesh.bus.reset_consumer(consumer)
        assert await counted(mesh) == 3


@pytest.mark.parametrize("trouble", ["lost", "reply_lost"])
async def test_a_reaction_that_was_lost_is_sent_again(trouble: str) -> None:
    async with toy_mesh() as mesh:
        wire = Wire(mesh)
        wire.meddle["counters.command.count"] = [getattr(wire, trouble)]
        await mesh.client.ask(SetLimit(limit_id="a", most=1))
        assert await counted(mesh) == 1


async def test_a_reaction_turned_away_at_the_door_is_sent_again() -> None:
    async with toy_mesh() as mesh:
        wire = Wire(mesh)

        async def turned_away(_go_on: Any) -> BusReply:
            return refusal("message_unknown")

        wire.meddle["counters.command.count"] = [turned_away] * 3
        await mesh.client.ask(SetLimit(limit_id="a", most=1))
        assert await counted(mesh) == 1


async def test_a_reaction_that_is_refused_is_over() -> None:
    async with toy_mesh() as mesh:
        wire = Wire(mesh)
        wire.always["counters.command.count"] = wire.refused
        await mesh.client.ask(SetLimit(limit_id="a", most=1))
        await at_rest(mesh)
        assert wire.count("counters.command.count") == 1
        assert mesh.truth.domain("counters").dead_letters == {}
