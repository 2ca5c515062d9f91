"""Work in the outside world: once, asked about before it is done again, its outcome told for certain."""

from __future__ import annotations

from typing import Any

import pytest

from actors.mesh._chaos import Chaos
from actors.mesh._errors import Broken, Fault, TimedOut, Unavailable
from actors.mesh._ports import BusReply
from actors.mesh.testing.memory_mesh import MemoryMesh
from actors.mesh.testing.processes import die
from actors.mesh.testing.quiet import at_rest
from actors.mesh.testing.toys import LoudBell, counters, limits, toy_mesh
from actors.mesh.testing.toys.counters import Close, GetCounter
from tests.saga.meddling import Wire, refusal


async def tones(mesh: MemoryMesh) -> tuple[str, ...]:
    await at_rest(mesh, within_seconds=40)
    version = mesh.truth.domain("counters").version("counter/a")
    return (await mesh.client.ask(GetCounter(counter_id="a", at_least_version=version))).tones


async def test_it_is_done_once_and_its_outcome_comes_back_as_a_command() -> None:
    bell = LoudBell()
    async with toy_mesh(bell=bell, pools_per_domain=3) as mesh:
        await mesh.client.ask(Close(counter_id="a"))
        assert await tones(mesh) == ("tone-1",)
        assert bell.calls == 1
        assert list(bell.rung) == ["counter/a@1"], "the outside is given the event's id to tell a repeat by"


@pytest.mark.parametrize("fault", [TimedOut("no answer"), Broken("500")])
async def test_an_unknown_outcome_is_asked_about_and_not_done_again(fault: Fault) -> None:
    bell = LoudBell(fault)
    async with toy_mesh(bell=bell) as mesh:
        await mesh.client.ask(Close(counter_id="a"))
        assert await tones(mesh) == ("tone-1",)
        assert bell.calls == 1


async def test_what_was_certainly_not_done_is_done_later() -> None:
    bell = LoudBell(Unavailable("closed for today"), Unavailable("and tomorrow"))
    async with toy_mesh(bell=bell) as mesh:
        await mesh.client.ask(Close(counter_id="a"))
        assert await tones(mesh) == ("tone-1",)
        assert bell.calls == 3


@pytest.mark.parametrize(
    "code", ["message_invalid", "message_unknown", "permission_missing", "principal_expired", "envelope_invalid"]
)
async def test_an_outcome_turned_away_at_the_door_is_told_again(code: str) -> None:
    async with toy_mesh() as mesh:
        wire = Wire(mesh)

        async def turned_away(_go_on: Any) -> BusReply:
            return refusal(code)

        wire.meddle["counters.command.record_rung"] = [turned_away] * 2
        await mesh.client.ask(Close(counter_id="a"))
        assert await tones(mesh) == ("tone-1",)


async def test_an_outcome_that_the_domain_does_not_want_is_the_end_of_it() -> None:
    async with toy_mesh() as mesh:
        wire = Wire(mesh)
        wire.always["counters.command.record_rung"] = wire.refused
        await mesh.client.ask(Close(counter_id="a"))
        assert await tones(mesh) == ()
        assert wire.count("counters.command.record_rung") == 1


@pytest.mark.parametrize("trouble", ["lost", "reply_lost"])
async def test_an_outcome_that_was_lost_is_told_again_under_the_same_id(trouble: str) -> None:
    bell = LoudBell()
    async with toy_mesh(bell=bell) as mesh:
        wire = Wire(mesh)
        wire.meddle["counters.command.record_rung"] = [getattr(wire, trouble)]
        await mesh.client.ask(Close(counter_id="a"))
        assert await tones(mesh) == ("tone-1",)
        assert bell.calls == 1
        assert len({command_id for kind, command_id in wire.sent if kind == "counters.command.record_rung"}) == 1


@pytest.mark.parametrize("point", ["effect.begun.ring", "effect.done.ring", "effect.told.ring"])
async def test_a_pool_that_dies_at_it_leaves_it_to_the_next_and_it_is_done_once(point: str) -> None:
    bell = LoudBell()
    mesh = MemoryMesh((counters.actor, limits.actor), outside={counters.BELL: bell}, chaos=Chaos(point, strike=die))
    async with mesh:
        mesh.revive()
        await mesh.client.ask(Close(counter_id="a"))
        await mesh.clock.sleep(1)
        await mesh.revived()
        assert await tones(mesh) == ("tone-1",)
        assert bell.calls == 1
        assert len(mesh.processes) == 3, "nobody died"


async def test_a_bug_in_the_provider_is_tried_again() -> None:
    bell = LoudBell(ZeroDivisionError())  # type: ignore[arg-type]

    async def ring(key: str, counter_id: str) -> str:
        bell.calls += 1
        if bell.calls == 1:
            raise ZeroDivisionError
        return bell.rung.setdefault(key, "tone-1")

    bell.ring = ring  # type: ignore[method-assign]
    async with toy_mesh(bell=bell) as mesh:
        await mesh.client.ask(Close(counter_id="a"))
        assert await tones(mesh) == ("tone-1",)
