"""A pool drains without losing anything, and what runs beside it is kept up."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from actors.mesh._errors import Unavailable
from actors.mesh.testing.quiet import at_rest
from actors.mesh.testing.toys import toy_mesh
from actors.mesh.testing.toys.counters import Close, Count


async def test_a_pool_that_is_drained_answers_what_it_took_and_takes_no_more() -> None:
    async with toy_mesh() as mesh:
        asked = [asyncio.create_task(mesh.client.ask(Count(counter_id=f"c{number}", amount=1))) for number in range(50)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await mesh.pools[0].drain()
        assert len(await asyncio.gather(*asked)) == 50
        with pytest.raises(Unavailable) as fault:
            await mesh.client.ask(Count(counter_id="a", amount=1))
        assert not fault.value.executed


async def test_one_of_two_pools_drained_loses_no_request() -> None:
    async with toy_mesh(pools_per_domain=2) as mesh:
        asked = [asyncio.create_task(mesh.client.ask(Count(counter_id="a", amount=1))) for _ in range(60)]
        await asyncio.sleep(0)
        await mesh.pools[0].drain()
        assert {reply.version for reply in await asyncio.gather(*asked)} == set(range(1, 61))


async def test_a_scan_that_met_a_bug_is_started_again() -> None:
    async with toy_mesh() as mesh:
        timers: Any = mesh.pools[0]._timers._rows
        lease, calls = timers.lease, []

        async def stumbling(*arguments: Any) -> Any:
            calls.append(arguments)
            if len(calls) == 1:
                raise ZeroDivisionError
            return await lease(*arguments)

        timers.lease = stumbling
        await mesh.client.ask(Close(counter_id="a"))
        await mesh.clock.sleep(62)
        assert mesh.pools[0].restarts == 1
        assert not mesh.truth.domain("counters").timers


async def test_a_pool_says_what_keeps_it_from_working() -> None:
    async with toy_mesh() as mesh:
        assert await mesh.client.probe(["counters", "limits"]) == {"nats": "ok", "counters": "ok", "limits": "ok"}
        journal: Any = mesh.pools[0]._world.store.journal

        async def away(*arguments: Any) -> Any:
            raise Unavailable("the database is away")

        journal.confirm = away
        found = await mesh.client.probe(["counters", "nobody"])
        assert "journal: unavailable: the database is away" in found["counters"]
        assert "nobody serves" in found["nobody"]


async def test_a_pool_that_was_killed_leaves_its_work_to_the_other() -> None:
    async with toy_mesh(pools_per_domain=2) as mesh:
        await mesh.client.ask(Close(counter_id="a"))
        mesh.kill(mesh.pools[0])
        assert (await mesh.client.ask(Count(counter_id="b", amount=1))).version == 1
        await at_rest(mesh)
