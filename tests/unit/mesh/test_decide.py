"""What becomes of a command: once, on fresh state, within its deadline, all or nothing."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from actors.mesh import Refused
from actors.mesh._errors import Expired, TimedOut, Unavailable
from actors.mesh.testing.asking import ask_pool
from actors.mesh.testing.memory_mesh import MemoryMesh
from actors.mesh.testing.toys import toy_mesh
from actors.mesh.testing.toys.counters import Borrow, Close, Count, CountWithin, GetCounter, Move, Reopen
from actors.mesh.testing.toys.limits import SetLimit
from schemas.envelope import Envelope
from schemas.message import Accepted, Failure

ONE = Envelope(command_id="00000000-0000-4000-8000-000000000001")
TWO = Envelope(command_id="00000000-0000-4000-8000-000000000002")


def version(mesh: MemoryMesh, counter_id: str) -> int:
    return mesh.truth.domain("counters").version(f"counter/{counter_id}")


async def total(mesh: MemoryMesh, counter_id: str) -> int:
    query = GetCounter(counter_id=counter_id, at_least_version=version(mesh, counter_id))
    return (await mesh.client.ask(query)).total


async def test_a_repeated_command_is_answered_as_the_first_time_and_changes_nothing() -> None:
    async with toy_mesh() as mesh:
        command = Count(counter_id="a", amount=3)
        first = await mesh.client.ask(command, ONE)
        await mesh.client.ask(Count(counter_id="a", amount=4))
        again = await mesh.client.ask_raw(command, mesh.client.envelope(ONE))
        assert first == Accepted(entity_id="a", version=1)
        assert msgspec.json.decode(again.body, type=Accepted) == first
        assert again.repeated
        assert version(mesh, "a") == 2


async def test_a_repeat_is_answered_as_the_first_time_where_the_rule_would_refuse_it_by_now() -> None:
    async with toy_mesh() as mesh:
        command = Count(counter_id="a", amount=60)
        first = await mesh.client.ask(command, ONE)
        with pytest.raises(Refused, match="counter_full"):
            await mesh.client.ask(command, TWO)
        await mesh.client.ask(Close(counter_id="a"))
        assert await mesh.client.ask(command, ONE) == first


async def test_a_repeat_is_answered_as_the_first_time_where_a_need_refuses_by_now() -> None:
    async with toy_mesh() as mesh:
        await mesh.client.ask(SetLimit(limit_id="a", most=10))
        command = CountWithin(counter_id="a", amount=5)
        first = await mesh.client.ask(command, ONE)
        mesh.truth.domain("limits").events.clear()
        await mesh.views["limits"].wipe("limit_view")
        with pytest.raises(Refused, match="limit_unknown"):
            await mesh.client.ask(command, TWO)
        assert await mesh.client.ask(command, ONE) == first


async def test_a_refused_command_may_be_tried_again_under_its_id() -> None:
    async with toy_mesh() as mesh:
        with pytest.raises(Refused, match="limit_unknown"):
            await mesh.client.ask(CountWithin(counter_id="a", amount=5), ONE)
        await mesh.client.ask(SetLimit(limit_id="a", most=10))
        assert (await mesh.client.ask(CountWithin(counter_id="a", amount=5), ONE)).version == 1


@pytest.mark.parametrize(
    "other", [Count(counter_id="a", amount=4), Count(counter_id="b", amount=3), Close(counter_id="a")]
)
async def test_an_id_is_refused_for_any_other_command(other: Any) -> None:
    async with toy_mesh() as mesh:
        await mesh.client.ask(Count(counter_id="a", amount=3), ONE)
        with pytest.raises(Refused) as refused:
            await mesh.client.ask(other, ONE)
        assert (refused.value.code, refused.value.kind) == ("command_id_reused", "invalid")


async def test_an_id_is_refused_for_the_same_command_of_somebody_else() -> None:
    async with toy_mesh() as mesh:
        await mesh.client.ask(Count(counter_id="a", amount=3), ONE, on_behalf_of="ada")
        with pytest.raises(Refused, match="command_id_reused"):
            await mesh.client.ask(Count(counter_id="a", amount=3), ONE, on_behalf_of="eve")


async def test_a_decision_that_changes_nothing_is_remembered_too() -> None:
    async with toy_mesh() as mesh:
        await mesh.client.ask(Count(counter_id="a", amount=3))
        first = await mesh.client.ask(Count(counter_id="a", amount=0), ONE)
        assert first == Accepted(entity_id="a", version=1)
        await mesh.client.ask(Count(counter_id="a", amount=3))
        await mesh.client.ask(Close(counter_id="a"))
        assert await mesh.client.ask(Count(counter_id="a", amount=0), ONE) == first
        with pytest.raises(Refused, match="command_id_reused"):
            await mesh.client.ask(Count(counter_id="a", amount=1), ONE)


async def test_twenty_copies_at_once_in_three_pools_are_one() -> None:
    async with toy_mesh(pools_per_domain=3) as mesh:
        command = Count(counter_id="a", amount=3)
        replies = await asyncio.gather(*(mesh.client.ask(command, ONE) for _ in range(20)))
        assert set(replies) == {Accepted(entity_id="a", version=1)}
        assert version(mesh, "a") == 1


async def test_a_pool_that_remembers_an_old_state_refuses_nothing_before_it_has_looked() -> None:
    async with toy_mesh(pools_per_domain=2) as mesh:
        here, there = mesh.pools[:2]
        await ask_pool(mesh, here, Count(counter_id="a", amount=100))
        with pytest.raises(Refused, match="counter_full"):
            await ask_pool(mesh, there, Count(counter_id="a", amount=1))
        await ask_pool(mesh, here, Count(counter_id="a", amount=-50))
        assert (await ask_pool(mesh, there, Count(counter_id="a", amount=1))).version == 3
        assert await total(mesh, "a") == 51


async def test_a_pool_that_remembers_an_old_state_calls_nothing_done_before_it_has_looked() -> None:
    async with toy_mesh(pools_per_domain=2) as mesh:
        here, there = mesh.pools[:2]
        await ask_pool(mesh, here, Count(counter_id="a", amount=1))
        await ask_pool(mesh, there, Reopen(counter_id="a"))  # so it is already; and now it is remembered as version 1
        await ask_pool(mesh, here, Close(counter_id="a"))
        await ask_pool(mesh, there, Reopen(counter_id="a"))
        events = [event.name for event in mesh.truth.domain("counters").events["counter/a"]]
        assert "counter_reopened" in events


async def test_what_two_decisions_read_and_write_crosswise_is_not_both_written() -> None:
    async with toy_mesh(pools_per_domain=2) as mesh:
        await mesh.client.ask(Count(counter_id="a", amount=1))
        await mesh.client.ask(Count(counter_id="b", amount=1))
        answers = await asyncio.gather(
            mesh.client.ask(Borrow(counter_id="a", other_id="b", amount=1)),
            mesh.client.ask(Borrow(counter_id="b", other_id="a", amount=1)),
            return_exceptions=True,
        )
        assert sorted(getattr(answer, "code", "accepted") for answer in answers) == ["accepted", "counters_empty"]
        assert await total(mesh, "a") + await total(mesh, "b") == 1


async def test_moves_between_two_counters_in_three_pools_lose_nothing_and_never_stall() -> None:
    async with toy_mesh(pools_per_domain=3) as mesh:
        await mesh.client.ask(Count(counter_id="a", amount=50))
        await mesh.client.ask(Count(counter_id="b", amount=50))
        pairs = [("a", "b"), ("b", "a")] * 30
        await asyncio.gather(*(mesh.client.ask(Move(counter_id=a, to_id=b, amount=1)) for a, b in pairs))
        assert (await total(mesh, "a"), await total(mesh, "b")) == (50, 50)
        assert version(mesh, "a") == 61


async def test_a_move_that_fails_on_one_counter_writes_neither() -> None:
    async with toy_mesh() as mesh:
        with pytest.raises(Refused, match="counter_empty"):
            await mesh.client.ask(Move(counter_id="a", to_id="b", amount=1))
        assert (version(mesh, "a"), version(mesh, "b")) == (0, 0)


async def test_a_need_that_refuses_refuses_the_command() -> None:
    async with toy_mesh() as mesh:
        with pytest.raises(Refused) as refused:
            await mesh.client.ask(CountWithin(counter_id="a", amount=1))
        assert (refused.value.code, refused.value.kind) == ("limit_unknown", "not_found")
        assert version(mesh, "a") == 0


async def test_a_need_is_asked_within_the_deadline_of_the_command() -> None:
    async with toy_mesh() as mesh:
        for pool in [pool for pool in mesh.pools if pool._blueprint.name == "limits"]:
            mesh.kill(pool)
        await mesh.bus.serve("limits.query.>", "limits", lambda received: None)  # takes it, and never answers
        began_ms = mesh.clock.now_ms()
        deadline = msgspec.structs.replace(ONE, deadline_ms=began_ms + 700)
        with pytest.raises(TimedOut):
            await mesh.client.ask(CountWithin(counter_id="a", amount=1), deadline)
        assert mesh.clock.now_ms() - began_ms == pytest.approx(700, abs=100)


async def test_a_need_that_nobody_serves_is_a_fault_and_nothing_is_done() -> None:
    async with toy_mesh() as mesh:
        for pool in [pool for pool in mesh.pools if pool._blueprint.name == "limits"]:
            mesh.kill(pool)
        with pytest.raises(Unavailable) as fault:
            await mesh.client.ask(CountWithin(counter_id="a", amount=1))
        assert not fault.value.executed


async def test_what_was_asked_and_what_was_needed_is_kept_with_the_command_and_encrypted() -> None:
    async with toy_mesh() as mesh:
        commits: list[Any] = []
        journal = mesh.pools[0]._world.store.journal
        append = journal.append

        async def noting(commit: Any, *, in_turn: bool = False) -> Any:
            commits.append(commit)
            return await append(commit, in_turn=in_turn)

        mesh.pools[0]._serving.deciding.journal.append = noting  # type: ignore[method-assign]
        await mesh.client.ask(SetLimit(limit_id="a", most=10))
        await mesh.client.ask(CountWithin(counter_id="a", amount=5))
        [commit] = [commit for commit in commits if commit.message == "counters.command.count_within"]
        person, _, sealed = commit.request.partition(b"\n")
        assert b"amount" not in sealed
        opened = msgspec.json.decode(await mesh.privacy().open_bytes("request", sealed, person.decode() or None))
        assert opened == {
            "command": {"counter_id": "a", "amount": 5},
            "needs": [{"limit_id": "a", "most": 10}],
        }


async def test_a_command_whose_deadline_passed_while_it_waited_is_not_executed() -> None:
    async with toy_mesh() as mesh:
        hold = mesh.pools[0]._serving.deciding.mailboxes.hold
        deadline = msgspec.structs.replace(ONE, deadline_ms=mesh.clock.now_ms() + 1000)
        async with hold(["counter/a"]):
            asked = asyncio.create_task(mesh.client.ask(Count(counter_id="a", amount=1), deadline))
            await mesh.clock.sleep(1.5)
        with pytest.raises(TimedOut):
            await asked
        await mesh.clock.sleep(1)
        assert version(mesh, "a") == 0


async def test_a_command_that_comes_after_its_deadline_is_not_executed() -> None:
    async with toy_mesh() as mesh:
        envelope = mesh.client.envelope(msgspec.structs.replace(ONE, deadline_ms=mesh.clock.now_ms() - 1))
        reply = await mesh.bus.request(
            "counters.command.count.a", b'{"counter_id":"a","amount":1}', envelope.headers(), timeout_seconds=5
        )
        failure = msgspec.json.decode(reply.body, type=Failure)
        assert (failure.code, failure.executed) == ("expired", False)
        assert version(mesh, "a") == 0
        with pytest.raises(Expired):
            await mesh.client.ask(Count(counter_id="a", amount=1), envelope)


async def test_a_state_that_made_room_for_others_is_read_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.mesh._states.STATES_MAX", 1)
    async with toy_mesh() as mesh:
        for name in ("a", "b"):
            await mesh.client.ask(Count(counter_id=name, amount=60))
        await mesh.client.ask(Move(counter_id="a", to_id="b", amount=10))
        await mesh.client.ask(Move(counter_id="a", to_id="b", amount=50))
        with pytest.raises(Refused, match="0 are there"):
            await mesh.client.ask(Move(counter_id="a", to_id="b", amount=1))


async def test_losing_races_passes_no_time_of_the_mesh() -> None:
    async with toy_mesh(pools_per_domain=3) as mesh:
        began_ms = mesh.clock.now_ms()
        await asyncio.gather(*(mesh.client.ask(Count(counter_id="a", amount=1)) for _ in range(90)))
        assert await total(mesh, "a") == 90
        assert mesh.clock.now_ms() - began_ms < 1000


async def test_the_first_event_carries_who_wished_it_and_why() -> None:
    async with toy_mesh() as mesh:
        story = msgspec.structs.replace(ONE, correlation_id="story-1")
        await mesh.client.ask(Count(counter_id="a", amount=1), story, on_behalf_of="ada")
        [event] = mesh.truth.domain("counters").events["counter/a"]
        headers = msgspec.json.decode(event.headers)
        assert headers["Mesh-Person"] == "ada"
        assert headers["Mesh-Cause-Id"] == ONE.command_id
        assert headers["Mesh-Correlation-Id"] == "story-1"
