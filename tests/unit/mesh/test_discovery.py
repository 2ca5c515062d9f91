"""Pools answer the NATS service API as ADR-32 has it, and count what passes through them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from nats.micro.service import NAME_REGEX, SEMVER_REGEX, ServiceInfo, ServicePing, ServiceStats

from actors.mesh import Broken, Overloaded, Refused, Unavailable
from actors.mesh import _pool as pool_module
from actors.mesh._blueprint import consumers
from actors.mesh._discovery import LOOK_EVERY_SECONDS
from actors.mesh._service_api import PoolState, read_declared
from actors.mesh._tally import Tallies
from actors.mesh.testing.memory_mesh import MemoryMesh
from actors.mesh.testing.toys import toy_mesh
from actors.mesh.testing.toys.counters import Close, Count, GetCounter, Stumble


async def gathered(mesh: MemoryMesh, subject: str) -> list[dict[str, Any]]:
    """Return what answers on a subject, as a stock tool reads it."""
    replies = await mesh.bus.gather(subject, b"", {}, timeout_seconds=2, stall_seconds=0.2, replies_max=100)
    return [msgspec.json.decode(reply.body) for reply in replies]


async def stats_of(mesh: MemoryMesh, name: str = "counters") -> dict[str, dict[str, Any]]:
    """Return the endpoints of the one instance of a service, by name."""
    [stats] = await gathered(mesh, f"$SRV.STATS.{name}")
    return {endpoint["name"]: endpoint for endpoint in stats["endpoints"]}


async def state_of(mesh: MemoryMesh) -> PoolState:
    return msgspec.convert((await stats_of(mesh))["ready"]["data"], PoolState)


async def test_every_pool_answers_who_it_is() -> None:
    async with toy_mesh(pools_per_domain=2) as mesh:
        pings = await gathered(mesh, "$SRV.PING")
        assert sorted(ping["name"] for ping in pings) == ["counters", "counters", "limits", "limits"]
        assert len({ping["id"] for ping in pings}) == 4
        for ping in pings:
            assert ping["type"] == "io.nats.micro.v1.ping_response"
            read = ServicePing.from_dict(ping)
            assert NAME_REGEX.match(read.name)
            assert SEMVER_REGEX.match(read.version)
            assert read.metadata["pid"].isdigit()


async def test_a_service_and_an_instance_can_be_asked_by_name() -> None:
    async with toy_mesh(pools_per_domain=2) as mesh:
        of_name = await gathered(mesh, "$SRV.INFO.counters")
        assert [info["name"] for info in of_name] == ["counters", "counters"]
        one = of_name[0]["id"]
        assert [info["id"] for info in await gathered(mesh, f"$SRV.INFO.counters.{one}")] == [one]
        assert await gathered(mesh, f"$SRV.INFO.limits.{one}") == []
        assert await gathered(mesh, "$SRV.INFO.nobody") == []


async def test_a_verb_of_tomorrow_is_not_answered() -> None:
    async with toy_mesh() as mesh:
        assert await gathered(mesh, "$SRV.SCHEMA.counters") == []


async def test_info_names_every_message_with_what_it_needs() -> None:
    async with toy_mesh() as mesh:
        [info] = await gathered(mesh, "$SRV.INFO.counters")
        assert info["type"] == "io.nats.micro.v1.info_response"
        assert ServiceInfo.from_dict(info).description
        by_name = {endpoint["name"]: endpoint for endpoint in info["endpoints"]}
        blueprint = mesh.pools[0]._blueprint
        assert set(by_name) == {*blueprint.commands, *blueprint.queries, "events", "tell_outcome", "ready"}
        assert all(NAME_REGEX.match(name) for name in by_name)
        assert by_name["count"] == {
            "name": "count",
            "subject": "counters.command.count.*",
            "queue_group": "counters",
            "metadata": {
                "kind": "command", "request": "Count", "reply": "Accepted", "permission": "counters:count",
            },
        }  # fmt: skip
        assert by_name["get_counter"]["metadata"]["reply"] == "CounterView"
        assert by_name["events"]["subject"] == "counters.query.events.*"
        assert by_name["events"]["metadata"]["permission"] == "counters:events"


async def test_info_tells_which_streams_are_read() -> None:
    async with toy_mesh() as mesh:
        [info] = await gathered(mesh, "$SRV.INFO.counters")
        specs = consumers(mesh.pools[0]._blueprint)
        told = read_declared(info["metadata"])
        assert [(each.stream, each.name, each.filter_subjects) for each in told] == [
            (spec.stream, spec.name, spec.filter_subjects) for spec in specs
        ]
        assert info["metadata"]["stream"] == "COUNTERS"


async def test_stats_count_answers_refusals_and_errors_of_each_message() -> None:
    async with toy_mesh() as mesh:
        for amount in (1, 2, 99, 3):
            try:
                await mesh.client.ask(Count(counter_id="a", amount=amount))
            except Refused:
                continue
        await mesh.client.ask(GetCounter(counter_id="a"))
        with pytest.raises(Broken):
            await mesh.client.ask(Stumble(counter_id="a"))
        endpoints = await stats_of(mesh)
        count, stumble = endpoints["count"], endpoints["stumble"]
        assert (count["num_requests"], count["num_errors"], count["data"]) == (4, 0, {"refusals": 1})
        assert count["last_error"] == ""
        assert count["average_processing_time"] == count["processing_time"] // 4 > 0
        assert (stumble["num_requests"], stumble["num_errors"], stumble["last_error"]) == (1, 1, "broken")
        assert endpoints["get_counter"]["num_requests"] == 1
        assert endpoints["close"]["num_requests"] == endpoints["close"]["average_processing_time"] == 0


async def test_stats_are_read_by_the_stock_client() -> None:
    async with toy_mesh() as mesh:
        [stats] = await gathered(mesh, "$SRV.STATS.counters")
        assert stats["type"] == "io.nats.micro.v1.stats_response"
        read = ServiceStats.from_dict(stats)
        started = read.started.replace(tzinfo=UTC)
        assert abs(started - datetime.fromtimestamp(mesh.clock.now_ms() / 1000, UTC)).total_seconds() < 60
        assert {endpoint.queue_group for endpoint in read.endpoints} == {"counters"}


async def test_what_nobody_knows_is_not_counted() -> None:
    tallies = Tallies(["counters.command.count"])
    for number in range(1000):
        tallies.count(f"counters.command.made_up_{number}.a", b"", {}, 1)
    assert len(tallies._tallies) == 1
    assert tallies["counters.command.count"].requests == 0


async def test_what_found_no_room_is_counted_as_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "IN_FLIGHT_MAX", 0)
    async with toy_mesh() as mesh:
        with pytest.raises(Overloaded):
            await mesh.client.ask(Count(counter_id="a", amount=1))
        count = (await stats_of(mesh))["count"]
        assert (count["num_requests"], count["num_errors"], count["last_error"]) == (1, 1, "overloaded")


async def test_stats_tell_what_waits_in_the_domain() -> None:
    async with toy_mesh() as mesh:
        assert await state_of(mesh) == PoolState(effects={"ring": 0})
        await mesh.client.ask(Close(counter_id="a"))
        with pytest.raises(Broken):
            await mesh.client.ask(Stumble(counter_id="a"))
        await mesh.clock.sleep(LOOK_EVERY_SECONDS)
        state = await state_of(mesh)
        assert (state.dead_letters, state.unpublished, state.problems) == (1, 0, ())


async def test_the_rows_are_not_counted_again_for_everybody_who_asks() -> None:
    async with toy_mesh() as mesh:
        letters: Any = mesh.pools[0]._world.store.dead_letters
        count, counted = letters.count, []

        async def counting() -> int:
            counted.append(1)
            return int(await count())

        letters.count = counting
        await asyncio.gather(*(mesh.pools[0].state() for _ in range(50)))
        assert len(counted) == 1
        await mesh.clock.sleep(LOOK_EVERY_SECONDS)
        await mesh.pools[0].state()
        assert len(counted) == 2


async def test_a_pool_whose_database_is_away_says_so_and_is_there_all_the_same() -> None:
    async with toy_mesh() as mesh:
        letters: Any = mesh.pools[0]._world.store.dead_letters

        async def away() -> int:
            raise Unavailable("the database is away")

        letters.count = away
        state = await state_of(mesh)
        assert "the database is away" in state.problems[0]


async def test_a_drained_pool_is_found_no_more() -> None:
    async with toy_mesh(pools_per_domain=2) as mesh:
        await mesh.pools[0].drain()
        assert sorted(ping["name"] for ping in await gathered(mesh, "$SRV.PING")) == ["counters", "limits", "limits"]
