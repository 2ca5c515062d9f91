"""What an operator's tools see and do: messages as they may be shown, bytes sent to where they belong."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import msgspec
import pytest

from actors.mesh import Unavailable
from actors.mesh import _operator as operator_module
from actors.mesh._operator import Heard, Operator, Tap, claimed, heard
from actors.mesh._ports import Received
from actors.mesh.testing.memory_mesh import MemoryMesh
from actors.mesh.testing.quiet import at_rest
from actors.mesh.testing.toys import counters, lockers, toy_mesh
from actors.mesh.testing.toys.counters import Close, Count, Note
from actors.mesh.testing.waiting import until
from schemas.envelope import KEY, PERSON, PRINCIPAL, PRIVATE, TRACEPARENT
from schemas.message import Message, subject_of
from schemas.orders import OrderPlaced, PlaceOrder
from schemas.users import RegisterUser

TYPES: dict[str, type[Message]] = {
    subject_of(kind): kind
    for kind in (
        Count, Close, Note, counters.Counted, counters.CounterClosed, counters.SecretNoted, lockers.OpenLocker,
        PlaceOrder, OrderPlaced, RegisterUser,
    )
}  # fmt: skip
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def operator_of(mesh: MemoryMesh) -> Operator:
    return Operator(mesh.bus, mesh.client, mesh.clock, mesh.telemetry("operator"))


async def unheard(_body: bytes, _headers: Any) -> None:
    raise AssertionError("a tap answers nobody")


def passing(subject: str, body: object, **headers: str) -> Heard:
    encoded = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return heard(Received(subject, headers, encoded, unheard), TYPES, 7)


def token(**claims: object) -> str:
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode() for part in ({}, claims, "signature"))


def test_a_command_is_shown_with_its_key_its_trace_and_who_asks() -> None:
    seen = passing(
        "counters.command.count.a",
        Count(counter_id="a", amount=2),
        **{TRACEPARENT: f"00-{TRACE}-00f067aa0ba902b7-01", PRINCIPAL: token(sub="orders", obo="ada")},
    )
    assert (seen.key, seen.trace_id, seen.who, seen.on_behalf_of) == ("a", TRACE, "orders", "ada")
    assert (seen.at_ms, seen.body) == (7, {"counter_id": "a", "amount": 2})


def test_an_event_is_shown_under_its_key_not_its_shard_and_whose_wish_it_was() -> None:
    event = counters.Counted(counter_id="a", amount=2)
    seen = passing("counters.event.counted.17", event, **{KEY: "counter/a", PERSON: "ada"})
    assert (seen.key, seen.who, seen.body) == ("counter/a", "ada", {"counter_id": "a", "amount": 2})


def test_what_is_personal_or_secret_is_hidden_in_what_passes_by() -> None:
    user = RegisterUser(user_id="c", name="Ada Byron", email="ada@example.org", password="correct horse battery")
    register = passing("users.command.register_user.c", user)
    assert register.body == {"user_id": "c", "name": "•••", "email": "•••", "password": "[masked]"}
    opened = passing("lockers.command.open_locker.l", lockers.OpenLocker(locker_id="l", pin="4711"))
    assert opened.body == {"locker_id": "l", "pin": "[masked]"}
    order = {"order_id": "o", "customer_id": "c", "lines": [{"sku": "s", "quantity": 1}], "deliver_to": "12 Harbour St"}
    placed = passing("orders.command.place_order.o", order | {"payment_token": "card-4111"})
    assert (placed.body["deliver_to"], placed.body["payment_token"]) == ("•••", "[masked]")


def test_a_private_event_is_shown_by_name_only() -> None:
    seen = passing("counters.event.secret_noted.3", b"{}", **{KEY: "counter/a", PRIVATE: "1"})
    assert (seen.private, seen.body) == (True, None)


@pytest.mark.parametrize(
    ("subject", "body"),
    [
        ("users.command.register_user.c", b'{"user_id":"c","name":"Ada Byron","mail":"ada@example.org"}'),
        ("users.command.register_user.c", b'"Ada Byron, 12 Harbour Street"'),
        ("users.command.register_user.c", b"Ada Byron"),
        ("users.command.register_user.c", b"\xff\xfe"),
        ("users.command.register_user.c", b"[" * 100_000),
        ("users.command.nobody_knows.c", b'{"name":"Ada Byron"}'),
        ("users.command", b'{"name":"Ada Byron"}'),
    ],
)
def test_a_body_that_is_no_such_message_is_shown_by_its_size_alone(subject: str, body: bytes) -> None:
    seen = passing(subject, body)
    assert (seen.body, seen.size) == (None, len(body))
    assert b"Ada" not in msgspec.json.encode(seen)


def test_a_tell_is_read_as_the_command_it_is() -> None:
    seen = passing("counters.tell.count.a", Count(counter_id="a", amount=2))
    assert (seen.key, seen.body) == ("a", {"counter_id": "a", "amount": 2})


@pytest.mark.parametrize(
    "text", ["", "x", "a.b", "a.b.c", "..", "a.!!.c", f"a.{'W' * 20_000}.c", "a.WzFd.c", "a.IiI.c"]
)
def test_a_token_that_says_nothing_claims_nothing(text: str) -> None:
    assert claimed(text) == {}


async def next_of(tap: Tap, count: int) -> list[str]:
    return [(await tap.next()).subject.rpartition(".")[0] for _ in range(count)]


async def test_a_tap_hears_commands_queries_and_events_once_and_no_answers() -> None:
    async with toy_mesh() as mesh:
        tap = await operator_of(mesh).tap(">", TYPES)
        await mesh.client.ask(Count(counter_id="a", amount=1))
        await mesh.client.ask(counters.GetCounter(counter_id="a"))
        await at_rest(mesh)
        await mesh.client.probe(["counters"])
        assert sorted(await next_of(tap, 3)) == [
            "counters.command.count", "counters.event.counted", "counters.query.get_counter",
        ]  # fmt: skip
        assert tap._heard.empty()
        event = Received("counters.event.counted.3", {"Nats-Msg-Id": "counter/a@1"}, b"{}", unheard)
        tap.hear(event)
        assert tap._heard.empty(), "a delivery to a reader is no second event"
        await tap.stop()


async def test_a_flood_is_counted_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operator_module, "HEARD_MAX", 10)
    async with toy_mesh() as mesh:
        tap = await operator_of(mesh).tap("counters.>", TYPES)
        for _ in range(25):
            await mesh.bus.publish("counters.command.count.a", b"{}", {})
        await until(lambda: tap.dropped == 15)
        assert len(await next_of(tap, 10)) == 10


async def test_what_a_stream_takes_is_kept_before_it_is_said_so() -> None:
    async with toy_mesh() as mesh:
        operator = operator_of(mesh)
        before = await mesh.bus.stream_state("COUNTERS")
        published = await operator.publish("counters.event.counted.1", b"{}")
        assert published == ("COUNTERS", before.last_sequence + 1)
        assert (await mesh.bus.stream_state("COUNTERS")).messages == before.messages + 1


async def test_what_no_stream_takes_goes_to_whoever_listens_signed() -> None:
    async with toy_mesh() as mesh:
        got: list[Received] = []
        await mesh.bus.listen("tools.hello", got.append)
        assert await operator_of(mesh).publish("tools.hello", b"world") == ("", 0)
        await until(lambda: bool(got))
        assert got[0].body == b"world"
        assert mesh.verifier.verify(got[0].headers[PRINCIPAL]).subject == "tester"


async def test_a_published_command_is_executed_though_nobody_waits() -> None:
    async with toy_mesh() as mesh:
        await operator_of(mesh).publish("counters.command.count.a", b'{"counter_id":"a","amount":3}')
        await until(lambda: "counter/a" in mesh.truth.domain("counters").events)


async def test_what_is_asked_within_a_trace_belongs_to_it() -> None:
    async with toy_mesh() as mesh:
        operator = operator_of(mesh)
        with operator.trace("look") as trace_id:
            await mesh.client.ask(Count(counter_id="a", amount=1))
        assert {span.trace_id.hex() for span in mesh.spans if span.name == "counters.command.count"} == {trace_id}


async def test_a_stranger_among_the_services_is_passed_over() -> None:
    async with toy_mesh() as mesh:

        def mumble(received: Received) -> None:
            mesh._keep(asyncio.ensure_future(received.respond(b"not JSON", {})))

        await mesh.bus.listen("$SRV.STATS", mumble)
        assert [stats.name for stats in await operator_of(mesh).stats()] == ["counters", "limits"]


async def test_a_domain_nobody_serves_is_unavailable() -> None:
    async with toy_mesh() as mesh:
        with pytest.raises(Unavailable):
            await operator_of(mesh).history("nobody", operator_module.HistoryQuestion(entity_id="a"))
