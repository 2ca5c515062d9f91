"""Events on their way to the broker: in order a key, none lost, whatever the broker does meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from actors.mesh._blueprint import Blueprint, consumers
from actors.mesh._errors import Refused, TimedOut, Unavailable
from actors.mesh._ports import BrokerMark
from actors.mesh._relay import SWEEP_OLDER_THAN_SECONDS, Relay
from actors.mesh.testing.memory_mesh import MemoryMesh
from actors.mesh.testing.quiet import at_rest, differing_views
from actors.mesh.testing.toys import toy_mesh
from actors.mesh.testing.toys.counters import Count, Note


class Broker:
    """Stands in the way of `store`; `trouble(message_id)` says what goes wrong with a message."""

    def __init__(self, mesh: MemoryMesh) -> None:
        self.trouble: Callable[[str], Exception | None] = lambda message_id: None
        self.asked: list[str] = []
        self._store = mesh.bus.store
        mesh.bus.store = self.store  # type: ignore[method-assign]

    async def store(self, subject: str, body: bytes, headers: Mapping[str, str], *, message_id: str) -> int:
        self.asked.append(message_id)
        if (trouble := self.trouble(message_id)) is not None:
            if isinstance(trouble, TimedOut):
                await self._store(subject, body, headers, message_id=message_id)
            raise trouble
        return await self._store(subject, body, headers, message_id=message_id)


def stored(mesh: MemoryMesh) -> list[str]:
    return [message.headers["Nats-Msg-Id"] for message in mesh.bus._streams["COUNTERS"].messages]


def relay_of(mesh: MemoryMesh, index: int = 0) -> Relay:
    return mesh.pools[index]._relay


async def lose_the_stream(mesh: MemoryMesh) -> None:
    mesh.bus.lose("COUNTERS")
    await provision(mesh, mesh.blueprints)


async def provision(mesh: MemoryMesh, blueprints: tuple[Blueprint, ...]) -> None:
    await mesh.bus.provision(
        [stream for each in blueprints for stream in each.streams],
        [spec for each in blueprints for spec in consumers(each)],
    )


async def test_what_is_written_is_published_in_order_and_the_outbox_is_empty() -> None:
    async with toy_mesh() as mesh:
        for _ in range(5):
            await mesh.client.ask(Count(counter_id="a", amount=1))
        await at_rest(mesh)
        assert stored(mesh) == [f"counter/a@{version}" for version in range(1, 6)]


async def test_when_the_broker_was_away_for_a_while_all_is_published_in_order_a_key() -> None:
    async with toy_mesh(pools_per_domain=2) as mesh:
        broker = Broker(mesh)
        broker.trouble = lambda message_id: Unavailable("the broker is away")
        for amount in range(1, 5):
            await asyncio.gather(*(mesh.client.ask(Count(counter_id=key, amount=amount)) for key in "abc"))
            await mesh.clock.sleep(1)
        assert stored(mesh) == []
        broker.trouble = lambda message_id: None
        await mesh.client.ask(Count(counter_id="a", amount=5))  # a newer one does not overtake those that wait
        await mesh.clock.sleep(SWEEP_OLDER_THAN_SECONDS + 3)
        await at_rest(mesh)
        for key, last in (("a", 5), ("b", 4), ("c", 4)):
            mine = [message_id for message_id in stored(mesh) if message_id.startswith(f"counter/{key}@")]
            assert sorted(mine) == [f"counter/{key}@{version}" for version in range(1, last + 1)]
        assert await differing_views(mesh) == []


async def test_in_one_pool_a_newer_event_never_overtakes_one_that_failed() -> None:
    async with toy_mesh() as mesh:
        broker = Broker(mesh)
        broker.trouble = lambda message_id: Unavailable("away") if message_id == "counter/a@1" else None
        for _ in range(3):
            await mesh.client.ask(Count(counter_id="a", amount=1))
            await mesh.clock.sleep(0.5)
        assert stored(mesh) == []
        broker.trouble = lambda message_id: None
        await at_rest(mesh)
        assert stored(mesh) == ["counter/a@1", "counter/a@2", "counter/a@3"]
        await mesh.client.ask(Count(counter_id="a", amount=1))  # and from here on it is published at once again
        await mesh.clock.sleep(0.2)
        assert stored(mesh)[-1] == "counter/a@4"


async def test_an_acknowledgement_that_was_lost_stores_nothing_twice() -> None:
    async with toy_mesh() as mesh:
        broker = Broker(mesh)
        broker.trouble = lambda message_id: TimedOut("stored, but nobody knows")
        await mesh.client.ask(Count(counter_id="a", amount=1))
        await mesh.clock.sleep(1)
        broker.trouble = lambda message_id: None
        await at_rest(mesh)
        assert stored(mesh) == ["counter/a@1"]
        assert broker.asked.count("counter/a@1") >= 2


@pytest.mark.parametrize("trouble", [Refused("message_too_large"), ValueError("no message at all")])
async def test_an_event_that_the_broker_never_takes_keeps_no_other_from_being_published(trouble: Exception) -> None:
    async with toy_mesh() as mesh:
        broker = Broker(mesh)
        broker.trouble = lambda message_id: Unavailable("away")
        await asyncio.gather(*(mesh.client.ask(Count(counter_id=key, amount=1)) for key in "abc"))
        await mesh.clock.sleep(1)
        broker.trouble = lambda message_id: trouble if message_id == "counter/b@1" else None
        await mesh.clock.sleep(20)
        assert sorted(stored(mesh)) == ["counter/a@1", "counter/c@1"]
        assert list(mesh.truth.domain("counters").unpublished) == [("counter/b", 1)]
        asked = broker.asked.count("counter/a@1")
        await mesh.clock.sleep(10)
        assert broker.asked.count("counter/a@1") == asked, "what was published is not published again and again"
        broker.trouble = lambda message_id: None
        await at_rest(mesh)


async def test_a_bug_in_publishing_leaves_the_key_to_the_sweeper() -> None:
    async with toy_mesh() as mesh:
        broker = Broker(mesh)
        broker.trouble = lambda message_id: ZeroDivisionError()
        await mesh.client.ask(Count(counter_id="a", amount=1))
        await mesh.clock.sleep(1)
        broker.trouble = lambda message_id: None
        await at_rest(mesh)
        await mesh.client.ask(Count(counter_id="a", amount=1))
        await mesh.clock.sleep(0.2)
        assert stored(mesh) == ["counter/a@1", "counter/a@2"]
        assert relay_of(mesh).backlog == 0


async def test_a_broker_that_lost_everything_gets_it_all_again_while_the_pools_run() -> None:
    async with toy_mesh(pools_per_domain=2) as mesh:
        for key in "abc":
            await mesh.client.ask(Count(counter_id=key, amount=1))
            await mesh.client.ask(Note(counter_id=key, secret="hush"))
        await at_rest(mesh)
        await lose_the_stream(mesh)
        assert stored(mesh) == []
        await mesh.clock.sleep(8)
        await at_rest(mesh)
        assert sorted(stored(mesh)) == [f"counter/{key}@{version}" for key in "abc" for version in (1, 2)]
        assert await differing_views(mesh) == []


async def test_a_broker_that_lost_everything_gets_it_all_again_at_the_next_start() -> None:
    async with toy_mesh() as mesh:
        await mesh.client.ask(Count(counter_id="a", amount=1))
        await at_rest(mesh)
        [pool] = [pool for pool in mesh.pools if pool._blueprint.name == "counters"]
        mesh.kill(pool)
        await lose_the_stream(mesh)
        await mesh.start_pool(mesh.blueprints[0])
        await at_rest(mesh)
        assert stored(mesh) == ["counter/a@1"]


async def test_a_repair_that_failed_is_tried_again_and_until_then_the_loss_stays_marked() -> None:
    async with toy_mesh() as mesh:
        await mesh.client.ask(Count(counter_id="a", amount=1))
        await at_rest(mesh)
        outbox: Any = mesh.pools[0]._world.store.outbox
        put_back, failures = outbox.put_back, [Unavailable("the database is away")]

        async def failing_once(stored_events: Any, mark: BrokerMark) -> int:
            if failures:
                raise failures.pop()
            return int(await put_back(stored_events, mark))

        outbox.put_back = failing_once
        await lose_the_stream(mesh)
        await mesh.clock.sleep(6)
        await mesh.client.ask(Count(counter_id="b", amount=1))  # it is cleared meanwhile, and marks nothing as mended
        await mesh.clock.sleep(6)
        await at_rest(mesh)
        assert sorted(stored(mesh)) == ["counter/a@1", "counter/b@1"]
        assert not failures


async def test_a_second_pool_that_sees_a_mended_stream_marks_it_where_it_stands() -> None:
    async with toy_mesh(pools_per_domain=2) as mesh:
        await mesh.client.ask(Count(counter_id="a", amount=1))
        [event] = mesh.truth.domain("counters").events["counter/a"]
        headers = {"Mesh-Key": event.key, "Mesh-Version": "1"}
        for number in range(30):  # the old stream held more than the journal: repeats that came too late to be known
            await mesh.bus.store("counters.event.counted.1", event.body, headers, message_id=f"repeat-{number}")
        await asyncio.gather(*(mesh.client.ask(Count(counter_id=key, amount=1)) for key in "bc"))  # one in each pool
        await at_rest(mesh)
        await lose_the_stream(mesh)
        await mesh.clock.sleep(8)
        await at_rest(mesh)
        await asyncio.gather(*(mesh.client.ask(Count(counter_id=key, amount=1)) for key in "defg"))
        await at_rest(mesh)
        mark, state = mesh.truth.domain("counters").broker, await mesh.bus.stream_state("COUNTERS")
        assert mark == BrokerMark(state.born, state.last_sequence)


async def test_what_a_killed_pool_had_not_published_another_one_does() -> None:
    async with toy_mesh(pools_per_domain=2) as mesh:
        broker = Broker(mesh)
        broker.trouble = lambda message_id: Unavailable("away")
        await mesh.client.ask(Count(counter_id="a", amount=1))
        mesh.kill(mesh.pools[0])
        broker.trouble = lambda message_id: None
        await at_rest(mesh)
        assert stored(mesh) == ["counter/a@1"]


async def test_a_pool_that_is_drained_publishes_what_it_wrote() -> None:
    async with toy_mesh() as mesh:
        await asyncio.gather(*(mesh.client.ask(Count(counter_id=f"c{number}", amount=1)) for number in range(200)))
        await mesh.pools[0].drain()
        assert len(stored(mesh)) == 200
        assert mesh.truth.domain("counters").unpublished == {}
