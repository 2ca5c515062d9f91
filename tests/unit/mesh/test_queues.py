"""Work that is tried so often and then given up: pauses that grow, a dead letter, the domain told once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from actors.mesh import Actor, Retries, performs
from actors.mesh._blueprint import Misdeclared, consumers, draw
from actors.mesh._chaos import NO_CHAOS, Chaos
from actors.mesh._errors import TimedOut, Unavailable
from actors.mesh._perform import AT_ONCE_MAX, LEASE_MS, longest_pause_seconds
from actors.mesh._ports import BusReply
from actors.mesh.testing.memory_mesh import MemoryMesh
from actors.mesh.testing.processes import die
from actors.mesh.testing.quiet import at_rest
from actors.mesh.testing.toys import LoudBell, counters, limits
from actors.mesh.testing.toys.counters import BELL, Close, CounterClosed, GetCounter, RecordRung, find_ring, ring
from tests.saga.meddling import Wire

RETRIES = Retries(attempts_max=3, first_seconds=2.0, longest_seconds=60.0)


def silence(event: CounterClosed, reason: str) -> RecordRung:
    return RecordRung(counter_id=event.counter_id, tone=f"silence ({reason})")


def ringing(**more: Any) -> Actor:
    """The toy whose bell is a queue of its own."""
    more = {"queue": "bells", "retries": RETRIES, "gives_up": silence} | more
    return replace(counters.actor, performances=(performs(CounterClosed, port=BELL, do=ring, ask=find_ring, **more),))


def mesh_with(bell: Any, chaos: Chaos = NO_CHAOS, **more: Any) -> MemoryMesh:
    return MemoryMesh((ringing(**more), limits.actor), outside={BELL: bell}, chaos=chaos)


async def tones(mesh: MemoryMesh) -> tuple[str, ...]:
    await at_rest(mesh, within_seconds=600)
    version = mesh.truth.domain("counters").version("counter/a")
    return (await mesh.client.ask(GetCounter(counter_id="a", at_least_version=version))).tones


def letters(mesh: MemoryMesh) -> list[tuple[str, str, int]]:
    found = mesh.truth.domain("counters").dead_letters.values()
    return [(letter.reader, letter.reason, letter.attempts) for letter in found]


def test_each_queue_has_a_consumer_of_its_own() -> None:
    assert "counters_bells" in {consumer.name for consumer in consumers(draw(ringing()))}


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"queue": "views"}, "no name of a queue"),
        ({"queue": "two words"}, "no name of a queue"),
        ({"retries": None}, "never gives up"),
        ({"retries": Retries(0, 1, 1)}, "cannot be tried"),
        ({"retries": Retries(3, 2, 1)}, "cannot be tried"),
    ],
)
def test_a_queue_that_contradicts_itself_stops_the_start(more: Mapping[str, Any], sentence: str) -> None:
    with pytest.raises(Misdeclared, match=sentence):
        draw(ringing(**more))


def test_two_works_cannot_share_the_name_of_their_rows() -> None:
    twice = replace(counters.actor, performances=counters.actor.performances * 2)
    with pytest.raises(Misdeclared, match="two works"):
        draw(twice)


def test_the_bound_of_a_pause_doubles_up_to_the_longest() -> None:
    assert [longest_pause_seconds(RETRIES, attempts) for attempts in range(7)] == [2, 4, 8, 16, 32, 60, 60]
    assert longest_pause_seconds(RETRIES, 10**6) == 60


async def test_what_failed_is_put_off_under_the_bound_and_tried_again() -> None:
    bell = LoudBell(Unavailable("closed"), Unavailable("closed"))
    async with mesh_with(bell) as mesh:
        await mesh.client.ask(Close(counter_id="a"))
        await mesh.clock.sleep(0.5)
        (row,) = mesh.truth.domain("counters").effects.values()
        assert row.next_at_ms <= mesh.clock.now_ms() + 2000 < mesh.clock.now_ms() - 500 + LEASE_MS, "no lease's length"
        assert await tones(mesh) == ("tone-1",)
        assert bell.calls == 3
        assert letters(mesh) == []


async def test_after_the_last_attempt_the_event_is_a_dead_letter_and_the_domain_is_told() -> None:
    bell = LoudBell(*[Unavailable("closed for ever")] * 9)
    async with mesh_with(bell) as mesh:
        await mesh.client.ask(Close(counter_id="a"))
        assert await tones(mesh) == ("silence (unavailable: closed for ever)",)
        assert bell.calls == 3
        assert letters(mesh) == [("counters_bells", "unavailable", 3)]


async def test_the_dead_letter_holds_the_event_sealed() -> None:
    bell = LoudBell(*[Unavailable("closed")] * 9)
    async with mesh_with(bell) as mesh:
        await mesh.client.ask(Close(counter_id="a"))
        await at_rest(mesh, within_seconds=600)
        (letter,) = mesh.truth.domain("counters").dead_letters.values()
        assert b"counter_id" not in letter.body
        assert await mesh.privacy().open_bytes("dead_letter", letter.body) == b'{"counter_id":"a"}'
        assert letter.subject == "counters.event.counter_closed"


async def test_who_does_not_say_what_giving_up_means_only_leaves_the_letter() -> None:
    async with mesh_with(LoudBell(*[Unavailable("closed")] * 9), gives_up=None) as mesh:
        await mesh.client.ask(Close(counter_id="a"))
        assert await tones(mesh) == ()
        assert letters(mesh) == [("counters_bells", "unavailable", 3)]


async def test_a_bug_of_the_provider_counts_as_an_attempt() -> None:
    class Broken(LoudBell):
        async def ring(self, key: str, counter_id: str) -> str:
            raise ZeroDivisionError("a bug, on purpose")

    async with mesh_with(Broken()) as mesh:
        await mesh.client.ask(Close(counter_id="a"))
        assert await tones(mesh) == ("silence (a bug, on purpose)",)
        assert letters(mesh) == [("counters_bells", "ZeroDivisionError", 3)]


async def test_what_was_done_after_all_is_found_out_before_it_is_given_up() -> None:
    bell = LoudBell(Unavailable("closed"), Unavailable("closed"), TimedOut("rang, and did not say so"))
    async with mesh_with(bell) as mesh:
        await mesh.client.ask(Close(counter_id="a"))
        assert await tones(mesh) == ("tone-1",)
        assert letters(mesh) == []


@pytest.mark.parametrize("point", ["effect.parked.ring", "effect.told.ring"])
async def test_a_pool_that_dies_while_giving_up_leaves_one_letter_and_one_telling(point: str) -> None:
    mesh = mesh_with(LoudBell(*[Unavailable("closed")] * 20), Chaos(point, strike=die))
    async with mesh:
        mesh.revive()
        await mesh.client.ask(Close(counter_id="a"))
        await mesh.clock.sleep(60)
        await mesh.revived()
        assert len(await tones(mesh)) == 1
        assert len(letters(mesh)) == 1
        assert len(mesh.processes) == 3, "nobody died"


async def test_what_kills_its_pool_each_time_is_given_up_as_well() -> None:
    deaths = 0

    class Deadly(LoudBell):
        async def ring(self, key: str, counter_id: str) -> str:
            nonlocal deaths
            deaths += 1
            die()
            raise AssertionError("dead")

    mesh = mesh_with(Deadly())
    async with mesh:
        mesh.revive()
        await mesh.client.ask(Close(counter_id="a"))
        await mesh.clock.sleep(120)
        await mesh.revived()
        assert await tones(mesh) == ("silence (timed_out: nobody has said what became of the last attempt)",)
        assert deaths == 3


async def test_while_the_outcome_cannot_be_told_it_is_not_done_again() -> None:
    class Forgetful(LoudBell):
        """A bell that cannot be asked, as a mail server cannot."""

        async def heard(self, key: str) -> str | None:
            return None

    bell = Forgetful()
    async with mesh_with(bell) as mesh:
        wire = Wire(mesh)

        async def lost(_go_on: Any) -> BusReply:
            raise Unavailable("no journal")

        wire.meddle["counters.command.record_rung"] = [lost] * 4
        await mesh.client.ask(Close(counter_id="a"))
        assert await tones(mesh) == ("tone-1",)
        assert bell.calls == 1
        assert letters(mesh) == []


async def test_a_slow_queue_does_not_hold_up_another() -> None:
    """One bell hangs with every place of its queue taken; the other rings all the same."""
    bell = LoudBell()

    async def hang(port: LoudBell, event: CounterClosed, effect_id: str) -> RecordRung:
        await mesh.clock.sleep(300)
        return RecordRung(counter_id=event.counter_id, tone="late")

    async def unheard(port: LoudBell, event: CounterClosed, effect_id: str) -> RecordRung | None:
        return None

    actor = replace(
        counters.actor,
        performances=(
            performs(CounterClosed, port=BELL, do=hang, ask=unheard, queue="slow"),
            performs(CounterClosed, port=BELL, do=ring, ask=find_ring, queue="bells"),
        ),
        timers=(),
    )
    mesh = MemoryMesh((actor, limits.actor), outside={BELL: bell})
    async with mesh:
        names = [f"c{number}" for number in range(AT_ONCE_MAX + 5)]
        for name in names:
            await mesh.client.ask(Close(counter_id=name))
        await mesh.clock.sleep(5)
        assert bell.calls == len(names)
        begun = [row for row in mesh.truth.domain("counters").effects.values() if row.performer == "hang"]
        assert len(begun) == AT_ONCE_MAX, "what waits for a place is not begun"
