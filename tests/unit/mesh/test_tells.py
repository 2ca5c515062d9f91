"""Told commands: done once when the domain comes to them, and how they ended is kept for who told them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from actors.mesh import Refused, _tell_outcomes
from actors.mesh._blueprint import TELL_BYTES_MAX
from actors.mesh._errors import Unavailable
from actors.mesh._ports import TellRow
from actors.mesh._tell_outcomes import KEPT_DAYS
from actors.mesh._tells import ATTEMPTS_MAX, Tells
from actors.mesh.testing.memory_mesh import MemoryMesh
from actors.mesh.testing.quiet import at_rest
from actors.mesh.testing.toys import toy_mesh
from actors.mesh.testing.toys.counters import Close, Count, CountWithin, GetCounter, Stumble
from actors.mesh.testing.toys.limits import SetLimit
from schemas.envelope import COMMAND_ID, DEADLINE, PRINCIPAL, Envelope, read_envelope
from schemas.message import Accepted, Refusal
from schemas.principal import Principal
from schemas.tells import TellOutcome

ONE = "00000000-0000-4000-8000-000000000001"
TWO = "00000000-0000-4000-8000-000000000002"
MALLORY = Principal(subject="mallory", roles=("customer",))
OTTO = Principal(subject="otto", roles=("operator",))


def count(counter_id: str = "a", amount: int = 1) -> Count:
    return Count(counter_id=counter_id, amount=amount)


def under(command_id: str) -> Envelope:
    return Envelope(command_id=command_id)


async def outcome(mesh: MemoryMesh, command_id: str) -> TellOutcome:
    return await mesh.client.outcome_of_tell(Count, command_id)


def letters(mesh: MemoryMesh) -> list[Any]:
    return list(mesh.truth.domain("counters").dead_letters.values())


def tells_of(mesh: MemoryMesh, index: int = 0) -> Tells:
    return mesh.pools[index]._tells


async def test_what_was_told_is_done_and_its_outcome_can_be_asked_for() -> None:
    async with toy_mesh() as mesh:
        command_id = await mesh.client.tell(count(amount=3))
        await at_rest(mesh)
        assert (await mesh.client.ask(GetCounter(counter_id="a"))).total == 3
        assert await outcome(mesh, command_id) == TellOutcome(
            ending="accepted", accepted=Accepted(entity_id="a", version=1)
        )
        assert mesh.truth.domain("counters").tells == {}, "the journal knows what was accepted"


async def test_a_body_is_gone_from_the_stream_once_it_was_dealt_with() -> None:
    async with toy_mesh() as mesh:
        await mesh.client.tell(count())
        await at_rest(mesh)
        assert (await mesh.bus.stream_state("COUNTERS_TELLS")).messages == 0
        assert mesh.bus._streams["COUNTERS_TELLS"].messages[0].body == b""


async def test_told_twice_under_one_id_it_is_done_once() -> None:
    async with toy_mesh() as mesh:
        for _ in range(3):
            assert await mesh.client.tell(count(), under(ONE)) == ONE
            await mesh.clock.sleep(1)
        await at_rest(mesh)
        assert mesh.truth.domain("counters").version("counter/a") == 1
        assert (await outcome(mesh, ONE)).ending == "accepted"


async def test_the_very_same_telling_is_stored_once() -> None:
    async with toy_mesh() as mesh:
        same = Envelope(command_id=ONE, issued_at_ms=mesh.clock.now_ms())
        for _ in range(2):
            await mesh.client.tell(count(), same)
        assert (await mesh.bus.stream_state("COUNTERS_TELLS")).last_sequence == 1


async def test_a_refusal_is_kept_for_who_told_it_and_told_again_it_may_be_accepted() -> None:
    async with toy_mesh() as mesh:
        await mesh.client.ask(Close(counter_id="a"))
        await mesh.client.tell(count(), under(ONE))
        await mesh.clock.sleep(1)
        refused = await outcome(mesh, ONE)
        assert refused.ending == "refused"
        assert refused.refusal == Refusal(code="counter_closed", detail="a closed counter counts no more")
        await mesh.clock.sleep(65)  # it opens again by itself
        await mesh.client.tell(count(), under(ONE))
        await at_rest(mesh)
        assert (await outcome(mesh, ONE)).ending == "accepted"
        assert letters(mesh) == []


async def test_how_an_earlier_telling_ended_can_be_left_out_of_account() -> None:
    async with toy_mesh() as mesh:
        await mesh.client.tell(count(amount=999), Envelope(command_id=ONE, issued_at_ms=5))
        await mesh.clock.sleep(1)
        assert (await mesh.client.outcome_of_tell(Count, ONE, since_ms=5)).ending == "refused"
        assert (await mesh.client.outcome_of_tell(Count, ONE, since_ms=6)).ending == "pending"
        accepted = await mesh.client.tell(count())
        await at_rest(mesh)
        assert (await mesh.client.outcome_of_tell(Count, accepted, since_ms=2**50)).ending == "accepted", "for good"


async def test_what_is_not_dealt_with_yet_or_was_never_told_is_pending() -> None:
    async with toy_mesh() as mesh:
        assert await outcome(mesh, ONE) == TellOutcome(ending="pending")


async def test_an_id_that_was_another_command_is_refused_and_the_first_stays_as_it_is() -> None:
    async with toy_mesh() as mesh:
        await mesh.client.tell(count(), under(ONE))
        await mesh.client.tell(count(amount=2), under(ONE))
        await at_rest(mesh)
        refused = await outcome(mesh, ONE)
        assert refused.refusal is not None
        assert (refused.ending, refused.refusal.code) == ("refused", "command_id_reused")
        assert mesh.truth.domain("counters").version("counter/a") == 1


async def test_what_one_told_is_pending_to_another_and_open_to_an_operator(
    customers_may: Callable[[str], None],
) -> None:
    customers_may("counters:count")
    async with toy_mesh() as mesh:
        mallory = mesh.client_of(MALLORY)
        refused = await mesh.client_of(Principal(subject="ada", roles=("customer",))).tell(count(amount=999))
        accepted = await mesh.client_of(Principal(subject="ada", roles=("customer",))).tell(count())
        await at_rest(mesh)
        for command_id in (refused, accepted):
            assert (await mallory.outcome_of_tell("counters", command_id)).ending == "pending"
        operator = mesh.client_of(OTTO)
        assert (await operator.outcome_of_tell("counters", refused)).ending == "refused"
        assert (await operator.outcome_of_tell("counters", accepted)).ending == "accepted"
        # Telling something of one's own under the same id hides nothing from who told it first.
        await mallory.tell(count(amount=998), under(refused))
        await at_rest(mesh)
        ada = mesh.client_of(Principal(subject="ada", roles=("customer",)))
        assert (await ada.outcome_of_tell("counters", refused)).ending == "refused"
        assert (await mallory.outcome_of_tell("counters", refused)).ending == "refused"
        assert len(mesh.truth.domain("counters").tells) == 2


async def test_a_refusal_is_kept_sealed() -> None:
    async with toy_mesh() as mesh:
        await mesh.client.tell(count(amount=999), under(ONE))
        await at_rest(mesh)
        [row] = mesh.truth.domain("counters").tells.values()
        assert (row.principal, row.subject, row.ending) == ("tester", "counters.tell.count.a", "refused")
        assert b"counter_full" not in row.refusal
        opened = await mesh.privacy().open_bytes("tell", row.refusal)
        assert msgspec.json.decode(opened or b"", type=Refusal).code == "counter_full"


async def test_old_outcomes_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_tell_outcomes, "FORGET_EVERY_SECONDS", 10.0)
    async with toy_mesh() as mesh:
        rows = mesh.pools[0]._world.store.tells
        for age_days in (KEPT_DAYS + 1, KEPT_DAYS - 1):
            at_ms = mesh.clock.now_ms() - age_days * 86_400_000
            await rows.keep(
                TellRow(ONE, f"told {age_days} days ago", "counters.tell.count.a", "refused", b"", 0, at_ms)
            )
        await mesh.clock.sleep(11)
        assert [row.principal for row in mesh.truth.domain("counters").tells.values()] == [
            f"told {KEPT_DAYS - 1} days ago"
        ]


@pytest.mark.parametrize("key", ["a.b", "*", ">", "", "a b", "a\n", "x" * 65, "ä"])
async def test_an_id_that_would_change_the_subject_is_refused_before_it_is_sent(key: str) -> None:
    async with toy_mesh() as mesh:
        with pytest.raises(Refused, match="id_invalid"):
            await mesh.client.tell(count(key))
        assert (await mesh.bus.stream_state("COUNTERS_TELLS")).last_sequence == 0


@pytest.mark.parametrize("command_id", ["1", ONE.upper().replace("4", "A"), "{" + ONE + "}", "a" * 5000, "a\nb"])
async def test_a_command_id_that_is_no_uuid_is_refused_before_it_is_sent(command_id: str) -> None:
    async with toy_mesh() as mesh:
        with pytest.raises(Refused, match="command_id_invalid"):
            await mesh.client.tell(count(), under(command_id))
        with pytest.raises(Refused, match="command_id_invalid"):
            await mesh.client.outcome_of_tell(Count, command_id)


async def test_what_is_larger_than_a_stream_takes_is_refused_to_who_tells_it() -> None:
    async with toy_mesh() as mesh:
        with pytest.raises(Refused, match="message_too_large"):
            await mesh.client.tell_bytes("counters.tell.note.a", b" " * TELL_BYTES_MAX)


async def test_with_nobody_to_take_it_it_is_unavailable() -> None:
    async with toy_mesh() as mesh:
        with pytest.raises(Unavailable):
            await mesh.client.tell_bytes("nobody.tell.count.a", b"{}")


async def test_a_tell_waits_for_a_domain_that_is_away_longer_than_any_token_lives() -> None:
    async with toy_mesh() as mesh:
        [counters] = [pool for pool in mesh.pools if pool._blueprint.name == "counters"]
        mesh.kill(counters)
        await mesh.client.tell(count(), under(ONE))
        await mesh.clock.sleep(600)
        await mesh.start_pool(mesh.blueprints[0])
        await at_rest(mesh)
        assert (await outcome(mesh, ONE)).ending == "accepted"


async def test_a_deadline_holds_where_one_is_named() -> None:
    async with toy_mesh() as mesh:
        [counters] = [pool for pool in mesh.pools if pool._blueprint.name == "counters"]
        mesh.kill(counters)
        await mesh.client.tell(count(), Envelope(command_id=ONE, deadline_ms=mesh.clock.now_ms() + 1000))
        await mesh.clock.sleep(2)
        await mesh.start_pool(mesh.blueprints[0])
        await at_rest(mesh)
        refused = await outcome(mesh, ONE)
        assert refused.refusal is not None
        assert (refused.refusal.code, refused.refusal.kind) == ("deadline_passed", "gone")
        assert mesh.truth.domain("counters").events == {}


async def test_a_role_without_the_permission_is_refused_and_told_so() -> None:
    async with toy_mesh() as mesh:
        mallory = mesh.client_of(MALLORY)
        command_id = await mallory.tell(count())
        await at_rest(mesh)
        refused = await mallory.outcome_of_tell("counters", command_id)
        assert refused.refusal is not None
        assert (refused.ending, refused.refusal.code) == ("refused", "permission_missing")


async def test_commands_of_one_key_are_done_in_the_order_they_were_told() -> None:
    async with toy_mesh(pools_per_domain=1) as mesh:
        ids = [await mesh.client.tell(count(amount=amount)) for amount in (60, 30, 20, 10)]
        await at_rest(mesh)
        endings = [(await outcome(mesh, command_id)).ending for command_id in ids]
        assert endings == ["accepted", "accepted", "refused", "accepted"]


async def test_a_bug_is_a_dead_letter_at_once_and_its_teller_hears_no_more_than_that() -> None:
    async with toy_mesh() as mesh:
        await mesh.client.tell(Stumble(counter_id="a"), under(ONE))
        await mesh.client.tell(count(), under(TWO))
        await at_rest(mesh)
        [letter] = letters(mesh)
        assert (letter.subject, letter.reader, letter.reason) == (
            "counters.tell.stumble.a",
            "counters_tells",
            "ZeroDivisionError",
        )
        assert PRINCIPAL not in letter.headers
        assert b"counter_id" not in letter.body
        assert await mesh.privacy().open_bytes("dead_letter", letter.body) == b'{"counter_id":"a"}'
        dead = await outcome(mesh, ONE)
        assert (dead.ending, dead.refusal) == ("dead", Refusal(code="command_failed", detail="an error of ours"))
        assert (await outcome(mesh, TWO)).ending == "accepted", "what follows it in its key goes on"


async def test_what_fails_for_now_is_tried_again_ever_later_before_what_follows_it_in_its_key() -> None:
    async with toy_mesh() as mesh:
        await mesh.client.ask(SetLimit(limit_id="a", most=5))
        for pool in tuple(mesh.pools):
            mesh.kill(pool)
        await mesh.client.tell(CountWithin(counter_id="a", amount=5), under(ONE))
        await mesh.client.tell(count(), under(TWO))
        await mesh.client.tell(count("b"))
        await mesh.start_pool(mesh.blueprints[0])
        await mesh.clock.sleep(30)
        assert (await outcome(mesh, ONE)).ending == "pending"
        assert (await outcome(mesh, TWO)).ending == "pending"
        assert mesh.truth.domain("counters").version("counter/b") == 1, "another key waits for nothing"
        await mesh.start_pool(mesh.blueprints[1])
        await at_rest(mesh, within_seconds=300)
        assert (await outcome(mesh, ONE)).accepted == Accepted(entity_id="a", version=1)
        assert (await outcome(mesh, TWO)).accepted == Accepted(entity_id="a", version=2)
        assert letters(mesh) == []


async def test_what_keeps_failing_is_a_dead_letter_in_the_end_and_what_waited_for_it_was_not_counted() -> None:
    async with toy_mesh() as mesh:
        for pool in tuple(mesh.pools):
            mesh.kill(pool)
        began_ms = mesh.clock.now_ms()
        await mesh.client.tell(CountWithin(counter_id="a", amount=5), under(ONE))
        await mesh.client.tell(count(), under(TWO))
        await mesh.start_pool(mesh.blueprints[0])
        await at_rest(mesh, within_seconds=3600)
        assert 120 < (mesh.clock.now_ms() - began_ms) / 1000 < 1200
        [letter] = letters(mesh)
        assert (letter.reason, letter.attempts) == ("unavailable", ATTEMPTS_MAX)
        dead = await outcome(mesh, ONE)
        assert dead.refusal is not None
        assert (dead.ending, dead.refusal.code) == ("dead", "unavailable")
        assert (await outcome(mesh, TWO)).ending == "accepted"
        assert tells_of(mesh)._failures == {}


async def test_while_an_end_cannot_be_written_down_it_has_not_come() -> None:
    async with toy_mesh() as mesh:
        rows: Any = mesh.pools[0]._world.store.tells
        keep, away = rows.keep, True

        async def keeping(row: TellRow) -> None:
            if away:
                raise Unavailable("the database is away")
            await keep(row)

        rows.keep = keeping
        await mesh.client.tell(count(amount=999), under(ONE))
        await mesh.clock.sleep(1200)
        assert (await outcome(mesh, ONE)).ending == "pending"
        away = False
        await at_rest(mesh, within_seconds=300)
        assert (await outcome(mesh, ONE)).ending == "refused"


class Hanging:
    """Lets one key's appends wait until it is told otherwise."""

    def __init__(self, mesh: MemoryMesh, keys: Sequence[str]) -> None:
        self.go_on, self.keys = asyncio.Event(), set(keys)
        journal: Any = mesh.pools[0]._serving.deciding.journal
        self._append, journal.append = journal.append, self.append

    async def append(self, commit: Any, *, in_turn: bool = False) -> Any:
        if self.keys & {part.key for part in commit.parts}:
            await self.go_on.wait()
        return await self._append(commit, in_turn=in_turn)


@asynccontextmanager
async def hanging(*keys: str) -> AsyncIterator[tuple[MemoryMesh, Hanging]]:
    async with toy_mesh() as mesh:
        wall = Hanging(mesh, [f"counter/{key}" for key in keys])
        yield mesh, wall
        wall.go_on.set()


async def test_a_key_that_hangs_holds_up_no_other() -> None:
    async with hanging("slow") as (mesh, wall):
        slow = [await mesh.client.tell(count("slow")) for _ in range(3)]
        began_ms = mesh.clock.now_ms()
        quick = [await mesh.client.tell(count(f"quick{number}")) for number in range(200)]
        await mesh.clock.sleep(5)
        assert {(await outcome(mesh, command_id)).ending for command_id in quick} == {"accepted"}
        assert mesh.clock.now_ms() - began_ms < 10_000
        assert [(await outcome(mesh, command_id)).ending for command_id in slow] == ["pending"] * 3
        assert len(tells_of(mesh)._under_way) == 1, "it is not begun a second time beside itself"
        wall.go_on.set()
        await at_rest(mesh)
        assert [(await outcome(mesh, command_id)).accepted for command_id in slow] == [
            Accepted(entity_id="slow", version=version) for version in (1, 2, 3)
        ]


async def test_a_pool_that_is_drained_finishes_what_it_had_taken() -> None:
    async with hanging("slow") as (mesh, wall):
        command_id = await mesh.client.tell(count("slow"))
        await mesh.clock.sleep(3)
        draining = asyncio.create_task(tells_of(mesh).stop())
        await asyncio.sleep(0)
        wall.go_on.set()
        await draining
        assert tells_of(mesh)._under_way == {}
        assert mesh.truth.domain("counters").commands[command_id]


async def test_two_pools_share_what_is_told_and_each_command_is_done_once() -> None:
    async with toy_mesh(pools_per_domain=2) as mesh:
        ids = [await mesh.client.tell(count(f"c{number % 7}")) for number in range(140)]
        await at_rest(mesh)
        assert {(await outcome(mesh, command_id)).ending for command_id in ids} == {"accepted"}
        assert [mesh.truth.domain("counters").version(f"counter/c{number}") for number in range(7)] == [20] * 7


async def test_a_flood_leaves_requests_alone_and_is_worked_off() -> None:
    async with toy_mesh() as mesh:
        ids = [await mesh.client.tell(count(f"c{number % 50}", amount=0)) for number in range(3000)]
        began_ms = mesh.clock.now_ms()
        assert (await mesh.client.ask(count("asked"))).version == 1
        assert mesh.clock.now_ms() - began_ms < 100
        await at_rest(mesh)
        assert (await outcome(mesh, ids[-1])).ending == "accepted"


async def test_a_telling_carries_what_a_request_does_and_a_token_of_its_own() -> None:
    async with toy_mesh() as mesh:
        mesh.kill(mesh.pools[0])
        await mesh.client.tell(count())
        [message] = mesh.bus._streams["COUNTERS_TELLS"].messages
        sent = read_envelope(message.headers)
        assert (message.subject, sent.issued_at_ms) == ("counters.tell.count.a", mesh.clock.now_ms())
        assert DEADLINE not in message.headers
        with pytest.raises(Refused, match="principal_mismatch"):
            mesh.verifier.verify(sent.principal)
        assert message.headers[COMMAND_ID] == sent.command_id


async def test_a_story_told_can_be_followed_through_its_spans() -> None:
    async with toy_mesh() as mesh:
        with mesh.telemetry("tool").span("import", roots=True) as span:
            await mesh.client.tell(count(), under(ONE))
        await at_rest(mesh)
        assert span.context is not None
        story = [each.name for each in mesh.spans if each.trace_id == span.context.trace_id]
        assert {"tell counters.tell.count", "counters.tell.count", "decide count", "append"} <= set(story)
        [done] = [each for each in mesh.spans if each.name == "counters.tell.count"]
        assert (done.attributes["mesh.key"], done.attributes["mesh.correlation_id"]) == ("a", ONE)


async def test_a_command_sent_by_hand_is_told_as_it_is() -> None:
    async with toy_mesh() as mesh:
        command_id = await mesh.client.tell_bytes("counters.tell.count.a", b'{ "counter_id": "a", "amount": 2 }')
        await at_rest(mesh)
        assert (await outcome(mesh, command_id)).ending == "accepted"
