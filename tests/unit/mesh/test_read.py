"""What queries see: mended from the journal where a view is behind or gone, and never a row that is not there."""

from __future__ import annotations

import pytest

from actors.mesh import Refused
from actors.mesh._errors import Unavailable
from actors.mesh._read import Reader
from actors.mesh.testing.memory_mesh import TESTER, MemoryMesh
from actors.mesh.testing.quiet import at_rest
from actors.mesh.testing.toys import toy_mesh
from actors.mesh.testing.toys.counters import Close, Count, CounterView, Note


def reader(mesh: MemoryMesh) -> Reader:
    return Reader(mesh.pools[0]._views, TESTER)


async def test_a_version_that_is_not_written_yet_is_answered_with_a_fault_and_not_with_less() -> None:
    async with toy_mesh() as mesh:
        await mesh.client.ask(Count(counter_id="a", amount=1))
        with pytest.raises(Unavailable, match="version 1, 2 was asked for"):
            await reader(mesh).one(CounterView, "a", at_least_version=2)


async def test_what_is_asked_for_as_of_now_is_not_a_moment_behind() -> None:
    async with toy_mesh() as mesh:
        await mesh.client.ask(Count(counter_id="a", amount=1))
        await at_rest(mesh)
        for reading in mesh.pools[0]._readers:
            await reading.stop()
        await mesh.client.ask(Count(counter_id="a", amount=1))
        assert (await reader(mesh).one(CounterView, "a")).total == 1
        assert (await reader(mesh).one(CounterView, "a", current=True)).total == 2


async def test_what_nobody_wrote_is_unknown() -> None:
    async with toy_mesh() as mesh:
        with pytest.raises(Refused, match="counter_unknown"):
            await reader(mesh).one(CounterView, "a")
        assert await reader(mesh).many(CounterView, ["a"]) == {}


async def test_many_are_read_together_those_that_are_gone_from_the_journal() -> None:
    async with toy_mesh() as mesh:
        for key in "abc":
            await mesh.client.ask(Count(counter_id=key, amount=1))
        await at_rest(mesh)
        await mesh.views["counters"].wipe("counter_view")
        await mesh.client.ask(Count(counter_id="b", amount=1))
        found = await reader(mesh).many(CounterView, ["a", "b", "nobody", "a"])
        assert {key: view.total for key, view in found.items()} == {"a": 1, "b": 2}


async def test_a_page_holds_what_is_equal_in_all_fields_that_are_given() -> None:
    async with toy_mesh() as mesh:
        for key in "abc":
            await mesh.client.ask(Count(counter_id=key, amount=1))
        await mesh.client.ask(Note(counter_id="b", secret="hush"))
        await mesh.client.ask(Close(counter_id="c"))
        await at_rest(mesh)
        everything = await reader(mesh).page(CounterView, {"closed": None}, cursor="", limit=2)
        rest = await reader(mesh).page(CounterView, {"closed": None}, cursor=everything.next_cursor, limit=2)
        assert [view.counter_id for view in (*everything.rows, *rest.rows)] == ["a", "b", "c"]
        assert rest.next_cursor == ""


async def test_a_long_history_is_mended_in_several_trips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.mesh._read.EVENTS_AT_ONCE_MAX", 7)
    async with toy_mesh() as mesh:
        for _ in range(21):
            await mesh.client.ask(Count(counter_id="a", amount=1))
        await mesh.views["counters"].wipe("counter_view")
        assert (await reader(mesh).one(CounterView, "a", at_least_version=21)).total == 21
