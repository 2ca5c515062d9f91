"""What a decision may know of the world, replies it names itself, unique values, and whose entity an event is about."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import msgspec
import pytest

from actors.mesh import Broken, Refused, decides
from actors.mesh._commit import WITHHELD, Asked, sealed_request
from actors.mesh.testing.asking import ask_pool
from actors.mesh.testing.memory_mesh import TESTER, MemoryMesh
from actors.mesh.testing.toys import lockers
from actors.mesh.testing.toys.lockers import Codes, GuessPin, MoveIn, OpenLocker, Relabel, Rent, TableCodes
from schemas.envelope import OWNER, Envelope
from schemas.message import Accepted, subject_of

ONE = Envelope(command_id="00000000-0000-4000-8000-000000000001")
PIN = "1234"


def locker_mesh(codes: Codes | None = None) -> MemoryMesh:
    return MemoryMesh([lockers.actor], outside={Codes: codes or TableCodes()})


def rent(locker_id: str, label: str) -> Rent:
    return Rent(locker_id=locker_id, renter_id="ada", label=label)


def open_locker(pin: str = PIN) -> OpenLocker:
    return OpenLocker(locker_id="a", pin=pin)


async def test_a_decision_is_told_what_its_port_says_and_replies_with_it() -> None:
    async with locker_mesh() as mesh:
        await mesh.client.ask(rent("a", "skis"))
        reply = await mesh.client.ask(open_locker())
        assert (reply.code, reply.holder_of_label, reply.times) == ("code-1", "a", 1)
        assert (await mesh.client.ask(open_locker())).times == 2


async def test_a_consultation_may_refuse_and_then_nothing_is_written() -> None:
    async with locker_mesh() as mesh:
        await mesh.client.ask(rent("a", "skis"))
        with pytest.raises(Refused, match="pin_refused"):
            await mesh.client.ask(open_locker("0000"))
        assert mesh.truth.domain("lockers").version("locker/a") == 1


async def test_a_reply_that_holds_a_secret_is_told_once_and_kept_nowhere() -> None:
    async with locker_mesh() as mesh:
        await mesh.client.ask(rent("a", "skis"))
        reply = await mesh.client.ask(open_locker(), ONE)
        with pytest.raises(Refused, match="command_done"):
            await mesh.client.ask(open_locker(), ONE)
        assert mesh.truth.domain("lockers").version("locker/a") == 2
        kept = mesh.truth.domain("lockers").commands[ONE.command_id]
        assert (reply.code, kept.reply) == ("code-1", b"")


async def test_a_sensitive_field_is_not_in_the_request_that_the_journal_keeps() -> None:
    async with locker_mesh() as mesh:
        here = mesh.pools[0]._serving.deciding
        asked = Asked(here.blueprint.commands["open_locker"], open_locker(), ONE, TESTER, b"", ())
        sealed = await sealed_request(here, asked)
        opened = await mesh.privacy().open_bytes("request", sealed.partition(b"\n")[2])
        assert opened is not None
        assert msgspec.json.decode(opened)["command"] == {"locker_id": "a", "pin": WITHHELD}


async def test_a_unique_value_is_refused_to_a_second_and_free_again_once_given_back() -> None:
    async with locker_mesh() as mesh:
        await mesh.client.ask(rent("a", "skis"))
        with pytest.raises(Refused, match="label_taken"):
            await mesh.client.ask(rent("b", "skis"))
        await mesh.client.ask(Relabel(locker_id="a", label="boots"))
        assert await mesh.client.ask(rent("b", "skis")) == Accepted(entity_id="b", version=1)
        with pytest.raises(Refused, match="label_taken"):
            await mesh.client.ask(Relabel(locker_id="b", label="boots"))


async def test_a_unique_value_is_kept_as_a_blind_index() -> None:
    async with locker_mesh() as mesh:
        await mesh.client.ask(rent("a", "skis"))
        assert list(mesh.truth.domain("lockers").claims) == [("label", mesh.privacy().blind_index("label", "skis"))]


async def test_every_event_says_whose_entity_it_is_about() -> None:
    async with locker_mesh() as mesh:
        await mesh.client.ask(rent("a", "skis"))
        await mesh.client.ask(Relabel(locker_id="a", label="boots"))
        events = mesh.truth.domain("lockers").events["locker/a"]
        assert [msgspec.json.decode(event.headers)[OWNER] for event in events] == ["ada", "ada"]


def events_of(mesh: MemoryMesh, locker_id: str) -> list[str]:
    return [event.name for event in mesh.truth.domain("lockers").events.get(f"locker/{locker_id}", [])]


async def test_a_refusal_in_the_place_of_a_reply_is_told_after_the_events_are_written() -> None:
    async with locker_mesh() as mesh:
        await mesh.client.ask(rent("a", "skis"))
        with pytest.raises(Refused, match="pin_refused"):
            await mesh.client.ask(GuessPin(locker_id="a", pin="0000"), ONE)
        assert events_of(mesh, "a") == ["locker_rented", "locker_locked"]
        with pytest.raises(Refused, match="command_done"):
            await mesh.client.ask(GuessPin(locker_id="a", pin="0000"), ONE)
        assert (await mesh.client.ask(GuessPin(locker_id="a", pin=PIN))).times == 1


async def test_a_reply_that_would_be_remembered_is_no_refusal() -> None:
    decisions = [decides(each.command, each.decide, consults=each.consults, replies=each.replies)
                 for each in lockers.actor.aggregates[0].decisions if each.command is GuessPin]  # fmt: skip
    aggregate = replace(lockers.actor.aggregates[0], decisions=(decides(Rent, lockers.rent), *decisions))
    forgetful = replace(lockers.actor, aggregates=(aggregate,))
    async with MemoryMesh([forgetful], outside={Codes: TableCodes()}) as mesh:
        await mesh.client.ask(rent("a", "skis"))
        with pytest.raises(Broken):
            await mesh.client.ask(GuessPin(locker_id="a", pin="0000"))
        assert events_of(mesh, "a") == ["locker_rented"]


async def test_a_consultation_may_hold_another_entity_which_then_gets_events_too() -> None:
    async with locker_mesh() as mesh:
        await mesh.client.ask(rent("a", "skis"))
        await mesh.client.ask(rent("b", "boots"))
        assert await mesh.client.ask(MoveIn(locker_id="b", label="skis")) == Accepted(entity_id="b", version=2)
        assert events_of(mesh, "a") == ["locker_rented", "locker_emptied"]


async def test_two_pools_that_hold_the_same_entity_besides_are_both_written_one_after_the_other() -> None:
    async with MemoryMesh([lockers.actor], outside={Codes: TableCodes()}, pools_per_domain=2) as mesh:
        for locker_id, label in (("a", "skis"), ("b", "boots"), ("c", "hats")):
            await mesh.client.ask(rent(locker_id, label))
        here, there = mesh.pools
        await asyncio.gather(
            ask_pool(mesh, here, MoveIn(locker_id="b", label="skis")),
            ask_pool(mesh, there, MoveIn(locker_id="c", label="skis")),
        )
        assert events_of(mesh, "a") == ["locker_rented", "locker_emptied", "locker_emptied"]


async def test_a_repeat_is_known_by_all_but_what_nobody_may_keep() -> None:
    async with locker_mesh() as mesh:
        await mesh.client.ask(rent("a", "skis"))
        await mesh.client.ask(open_locker(), ONE)
        with pytest.raises(Refused, match="command_done"):
            await mesh.client.ask(open_locker("0000"), ONE)
        kept = mesh.truth.domain("lockers").commands[ONE.command_id].fingerprint
        subject, privacy = subject_of(OpenLocker), mesh.privacy()
        assert kept == privacy.fingerprint(subject, TESTER.subject, open_locker(WITHHELD))
        assert kept != privacy.fingerprint(subject, TESTER.subject, open_locker())
