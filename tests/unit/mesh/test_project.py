"""Views are their fold: out of order, twice, with gaps, wiped, and with events that nobody outside may see."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from random import Random

import pytest

from actors.mesh._pool import Pool
from actors.mesh._ports import StoredEvent
from actors.mesh._project import project
from actors.mesh.testing.memory_mesh import MemoryMesh
from actors.mesh.testing.quiet import at_rest, differing_views
from actors.mesh.testing.toys import toy_mesh
from actors.mesh.testing.toys.counters import Close, Count, CounterView, GetCounter, Note


def stop_reading(mesh: MemoryMesh) -> Pool:
    """Let nobody follow the stream of the counters, so that the test hands events over itself."""
    [pool] = [pool for pool in mesh.pools if pool._blueprint.name == "counters"]
    for follower in list(mesh.bus._followers):
        follower._stopping = True
        follower.wake()
    return pool


async def written(mesh: MemoryMesh, count: int) -> list[StoredEvent]:
    for number in range(count):
        await mesh.client.ask(Count(counter_id="a", amount=number + 1))
    return list(mesh.truth.domain("counters").events["counter/a"])


async def held(mesh: MemoryMesh) -> CounterView | None:
    rows = await mesh.views["counters"].get("counter_view", ["a"])
    return await mesh.privacy().open(CounterView, rows["a"].document) if "a" in rows else None


async def project_one_by_one(pool: Pool, events: Sequence[StoredEvent]) -> None:
    for event in events:
        await project(pool._views, [event])


@pytest.mark.parametrize("seed", range(10))
async def test_in_any_order_and_any_number_of_times_a_view_is_its_fold(seed: int) -> None:
    draw = Random(seed)
    async with toy_mesh() as mesh:
        pool = stop_reading(mesh)
        events = await written(mesh, 9)
        shuffled = draw.choices(events, k=20)
        while shuffled:
            count = draw.randint(1, 4)
            await project(pool._views, shuffled[:count])
            shuffled = shuffled[count:]
        await project(pool._views, events[-1:])
        assert await held(mesh) == CounterView(counter_id="a", total=45)
        assert await differing_views(mesh) == []


async def test_a_gap_is_filled_from_the_journal() -> None:
    async with toy_mesh() as mesh:
        pool = stop_reading(mesh)
        events = await written(mesh, 5)
        await project_one_by_one(pool, [events[0], events[4]])  # three of them were never delivered
        assert await held(mesh) == CounterView(counter_id="a", total=15)


async def test_an_old_event_changes_nothing() -> None:
    async with toy_mesh() as mesh:
        pool = stop_reading(mesh)
        events = await written(mesh, 3)
        await project_one_by_one(pool, [*events, *events])
        assert await held(mesh) == CounterView(counter_id="a", total=6)


async def test_two_pools_that_fold_the_same_events_at_once_lose_none() -> None:
    async with toy_mesh(pools_per_domain=2) as mesh:
        here, there = mesh.pools[:2]
        for follower in list(mesh.bus._followers):
            follower._stopping = True
            follower.wake()
        events = await written(mesh, 6)
        await asyncio.gather(*(project(pool._views, events[:size]) for size in range(1, 7) for pool in (here, there)))
        assert await differing_views(mesh) == []


async def test_a_secret_leaves_no_hole_and_is_not_published() -> None:
    async with toy_mesh() as mesh:
        await mesh.client.ask(Count(counter_id="a", amount=1))
        await mesh.client.ask(Note(counter_id="a", secret="hunter2"))
        await mesh.client.ask(Count(counter_id="a", amount=2))
        await at_rest(mesh)
        assert await held(mesh) == CounterView(counter_id="a", total=3, secrets=1)
        published = [message.body for message in mesh.bus._streams["COUNTERS"].messages]
        assert len(published) == 3
        assert not any(b"hunter2" in body for body in published)
        assert await differing_views(mesh) == []


async def test_what_was_wiped_heals_when_the_stream_is_read_again_and_by_a_question_at_once() -> None:
    async with toy_mesh() as mesh:
        for counter_id in ("a", "b"):
            await mesh.client.ask(Count(counter_id=counter_id, amount=4))
        await at_rest(mesh)
        await mesh.views["counters"].wipe("counter_view")
        assert (await mesh.client.ask(GetCounter(counter_id="a"))).total == 4
        await mesh.client.ask(Count(counter_id="b", amount=1))  # version 2 meets an empty view
        await at_rest(mesh)
        assert await differing_views(mesh) == []


async def test_one_own_write_is_read_at_once_though_no_event_was_delivered() -> None:
    async with toy_mesh() as mesh:
        stop_reading(mesh)
        version = (await mesh.client.ask(Count(counter_id="a", amount=4))).version
        began_ms = mesh.clock.now_ms()
        assert (await mesh.client.ask(GetCounter(counter_id="a", at_least_version=version))).total == 4
        assert mesh.clock.now_ms() == began_ms


async def test_an_event_that_this_code_does_not_know_holds_up_its_own_key_alone() -> None:
    async with toy_mesh() as mesh:
        stranger = mesh.truth.domain("counters").events
        await mesh.client.ask(Count(counter_id="old", amount=1))
        stranger["counter/old"][0] = stranger["counter/old"][0]._replace(name="counted_by_the_next_release")
        await mesh.clock.sleep(1)
        await mesh.views["counters"].wipe("counter_view")
        newer = stranger["counter/old"][0]
        await asyncio.gather(
            mesh.bus.store(
                "counters.event.counted_by_the_next_release.1",
                newer.body,
                {"Mesh-Key": newer.key, "Mesh-Version": "1"},
                message_id="counter/old@1-again",
            ),
            *(mesh.client.ask(Count(counter_id=f"c{number}", amount=1)) for number in range(5)),
        )
        await mesh.clock.sleep(5)
        rows = await mesh.views["counters"].get("counter_view", [f"c{number}" for number in range(5)])
        assert len(rows) == 5
        assert mesh.truth.domain("counters").dead_letters == {}, "another pool may know it already"


async def test_a_message_that_is_no_event_becomes_a_dead_letter_and_the_rest_is_folded() -> None:
    async with toy_mesh() as mesh:
        await asyncio.gather(
            mesh.bus.store("counters.event.counted.1", b"{}", {}, message_id="nonsense"),
            mesh.client.ask(Count(counter_id="a", amount=1)),
        )
        await at_rest(mesh)
        [letter] = mesh.truth.domain("counters").dead_letters.values()
        assert (letter.reader, letter.subject) == ("counters_views", "counters.event.counted.1")
        assert await differing_views(mesh) == []


async def test_the_check_that_views_are_their_fold_sees_one_that_is_not() -> None:
    async with toy_mesh() as mesh:
        await mesh.client.ask(Count(counter_id="a", amount=4))
        await mesh.client.ask(Close(counter_id="b"))
        await at_rest(mesh)
        assert await differing_views(mesh) == []
        await mesh.views["counters"].wipe("counter_view")
        assert len(await differing_views(mesh)) == 2
