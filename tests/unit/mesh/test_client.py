"""Asking: what is sent along, what comes back, and waiting for what happens."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from actors.mesh import Refused
from actors.mesh._errors import Broken, Expired, Overloaded, TimedOut, Unavailable
from actors.mesh._ports import BusReply
from actors.mesh.testing.toys import toy_mesh
from actors.mesh.testing.toys.counters import Close, Count, Counted, CounterClosed, GetCounter
from schemas.envelope import ERROR, Envelope, read_envelope
from schemas.message import Accepted, Failure
from tests.saga.meddling import Wire, refusal


@pytest.mark.parametrize("key", ["a.b", "*", ">", "", "a b", "a\n", "x" * 65, "ä"])
async def test_an_id_that_would_change_the_subject_is_refused_before_it_is_sent(key: str) -> None:
    async with toy_mesh() as mesh:
        wire = Wire(mesh)
        with pytest.raises(Refused) as refused:
            await mesh.client.ask(Count(counter_id=key, amount=1))
        assert (refused.value.code, refused.value.kind) == ("id_invalid", "invalid")
        assert wire.sent == []


async def test_a_message_carries_who_when_until_when_and_why() -> None:
    async with toy_mesh() as mesh:
        seen: list[Mapping[str, str]] = []
        request = mesh.bus.request

        async def noting(subject: str, body: bytes, headers: Any, *, timeout_seconds: float) -> BusReply:
            seen.append(headers)
            return await request(subject, body, headers, timeout_seconds=timeout_seconds)

        mesh.bus.request = noting  # type: ignore[method-assign]
        now_ms = mesh.clock.now_ms()
        await mesh.client.ask(Count(counter_id="a", amount=1), on_behalf_of="ada")
        [headers] = seen
        sent = read_envelope(headers)
        assert sent.command_id == sent.correlation_id
        assert (headers["Mesh-Issued-At"], headers["Mesh-Deadline"]) == (str(now_ms), str(now_ms + 5000))
        principal = mesh.verifier.verify(headers["Mesh-Principal"])
        assert (principal.subject, principal.person) == ("tester", "ada")


@pytest.mark.parametrize(
    ("failure", "error", "executed"),
    [
        (Failure(code="overloaded", executed=False), Overloaded, False),
        (Failure(code="expired", executed=False), Expired, False),
        (Failure(code="unavailable", executed=False), Unavailable, False),
        (Failure(code="timed_out"), TimedOut, True),
        (Failure(code="of_a_newer_release", executed=False), Broken, True),
    ],
)
async def test_a_failure_is_raised_as_the_fault_it_names(failure: Failure, error: type[Any], executed: bool) -> None:
    async with toy_mesh() as mesh:
        wire = Wire(mesh)

        async def failing(_go_on: Any) -> BusReply:
            return BusReply({ERROR: "failed"}, msgspec.json.encode(failure))

        wire.always["counters.command.count"] = failing
        with pytest.raises(error) as raised:
            await mesh.client.ask(Count(counter_id="a", amount=1))
        assert raised.value.executed is executed


@pytest.mark.parametrize("reply", [BusReply({}, b"nonsense"), BusReply({}, b"\xff"), BusReply({ERROR: "failed"}, b"{")])
async def test_a_reply_that_cannot_be_read_is_broken(reply: BusReply) -> None:
    async with toy_mesh() as mesh:
        wire = Wire(mesh)

        async def replying(_go_on: Any) -> BusReply:
            return reply

        wire.always["counters.query.get_counter"] = replying
        with pytest.raises(Broken):
            await mesh.client.ask(GetCounter(counter_id="a"))


async def test_what_the_door_refuses_is_a_fault_to_who_must_not_give_up_and_a_rule_stays_a_refusal() -> None:
    async with toy_mesh() as mesh:
        wire = Wire(mesh)

        async def turned_away(_go_on: Any) -> BusReply:
            return refusal("message_invalid")

        wire.meddle["counters.command.count"] = [turned_away, wire.refused]
        command, envelope = Count(counter_id="a", amount=1), mesh.client.envelope()
        with pytest.raises(Unavailable) as fault:
            await mesh.client.carry(command, envelope)
        assert not fault.value.executed
        with pytest.raises(Refused, match="test_refused"):
            await mesh.client.carry(command, envelope)


async def test_who_waits_is_told_of_the_first_of_the_events_of_that_key() -> None:
    async with toy_mesh() as mesh:
        await mesh.client.watch((Counted, CounterClosed))
        with mesh.client.awaiting((Counted, CounterClosed), "a") as waiting:
            await mesh.client.ask(Close(counter_id="b"))
            await mesh.client.ask(Count(counter_id="a", amount=1))
            settled = await waiting.result(5)
            assert settled is not None
            assert (settled.event, settled.version) == (Counted(counter_id="a", amount=1), 1)
            await mesh.client.ask(Close(counter_id="a"))
        assert mesh.client._waiting == {}
        with mesh.client.awaiting((Counted,), "nobody") as waiting:
            assert await waiting.result(0.01) is None
        with pytest.raises(LookupError):
            mesh.client.awaiting((type("Other", (), {}),), "a").__enter__()  # type: ignore[arg-type]
        await mesh.client.close()


async def test_an_envelope_keeps_what_was_given() -> None:
    async with toy_mesh() as mesh:
        given = Envelope(command_id="00000000-0000-4000-8000-000000000001", correlation_id="story", deadline_ms=9)
        filled = mesh.client.envelope(given)
        assert (filled.command_id, filled.correlation_id, filled.deadline_ms) == (given.command_id, "story", 9)
        replies = await asyncio.gather(*(mesh.client.ask(Count(counter_id="a", amount=1)) for _ in range(3)))
        assert max(replies, key=lambda reply: reply.version) == Accepted(entity_id="a", version=3)
