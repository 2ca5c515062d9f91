"""Following a domain: its events from a position on, decoded as far as the tool's code goes."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import pytest

from actors.mesh._client import Client
from actors.mesh._errors import Unavailable
from actors.mesh._followed import After, Followed, followed, selection
from actors.mesh._personal import MASK
from actors.mesh._ports import Delivered
from actors.mesh.testing.toys import counters, limits, toy_mesh
from actors.mesh.testing.toys.counters import Close, Count, Counted, CounterClosed, Note
from actors.mesh.testing.toys.limits import LimitSet
from schemas import orders, users
from schemas.orders import OrderPlaced

HEADERS = {"Mesh-Key": "counter/a", "Mesh-Version": "3", "Mesh-Decided-At": "1767225600000"}


async def taken(client: Client, events: Any, count: int, *, after: After) -> list[Followed[Any]]:
    async with aclosing(client.follow(events, after=after)) as following, asyncio.timeout(5):
        return [await anext(following) for _ in range(count)]


def delivered(subject: str, body: bytes, headers: dict[str, str] | None = None) -> Delivered:
    return Delivered(subject, HEADERS if headers is None else headers, body, 7, 1, 1_767_225_600_500)


async def test_a_domain_is_followed_from_its_first_event_on() -> None:
    async with toy_mesh() as mesh:
        at_ms = mesh.clock.now_ms()
        await mesh.client.ask(Count(counter_id="a", amount=1))
        await mesh.client.ask(Close(counter_id="b"))
        one, two = await taken(mesh.client, counters, 2, after="start")
        assert one.event == Counted(counter_id="a", amount=1)
        assert (one.name, one.key, one.version, one.position, one.at_ms) == ("counted", "counter/a", 1, 1, at_ms)
        assert one.headers["Mesh-Person"] == "tester"
        assert (two.event, two.key) == (CounterClosed(counter_id="b"), "counter/b")


async def test_it_goes_on_after_a_position() -> None:
    async with toy_mesh() as mesh:
        for amount in range(1, 6):
            await mesh.client.ask(Count(counter_id="a", amount=amount))
        first = await taken(mesh.client, counters, 2, after="start")
        rest = await taken(mesh.client, counters, 3, after=first[-1].position)
        assert [each.event.amount for each in (*first, *rest)] == [1, 2, 3, 4, 5]


async def test_from_now_on_means_what_comes() -> None:
    async with toy_mesh() as mesh:
        await mesh.client.ask(Count(counter_id="a", amount=1))
        waiting = asyncio.create_task(taken(mesh.client, Counted, 1, after="now"))
        await mesh.clock.sleep(1)
        await mesh.client.ask(Count(counter_id="a", amount=2))
        [found] = await waiting
        assert found.event == Counted(counter_id="a", amount=2)


async def test_only_the_types_asked_for_come() -> None:
    async with toy_mesh() as mesh:
        await mesh.client.ask(Count(counter_id="a", amount=1))
        await mesh.client.ask(Close(counter_id="a"))
        [found] = await taken(mesh.client, CounterClosed, 1, after="start")
        assert (found.name, found.position) == ("counter_closed", 2)


async def test_what_is_private_comes_without_its_content() -> None:
    async with toy_mesh() as mesh:
        await mesh.client.ask(Note(counter_id="a", secret="hush"))
        [found] = await taken(mesh.client, counters, 1, after="start")
        assert (found.event, found.name, found.version) == (None, "secret_noted", 1)


async def test_a_position_behind_the_end_is_unavailable() -> None:
    async with toy_mesh() as mesh:
        with pytest.raises(Unavailable):
            await taken(mesh.client, counters, 1, after=99)


@pytest.mark.parametrize(
    "message",
    [
        delivered("counters.event.of_a_newer_release.1", b'{"counter_id":"a"}'),
        delivered("counters.event.counted.1", b'{"counter_id":"a","amount":"many"}'),
        delivered("counters.event.counted.1", b"\xff"),
        delivered("counters.event.counted.1", b"[" * 100_000),
        delivered("counters.event.counted.1", b"", {"Mesh-Version": "x", "Mesh-Decided-At": "y"}),
        delivered("counters", b"{}"),
    ],
)
def test_what_this_code_cannot_read_is_handed_on_undecoded(message: Delivered) -> None:
    found = followed(message, {"counted": Counted})
    assert (found.event, found.position) == (None, 7)


def test_fields_of_a_newer_release_are_passed_over() -> None:
    message = delivered("counters.event.counted.1", b'{"counter_id":"a","amount":1,"colour":"red"}')
    assert followed(message, {"counted": Counted}).event == Counted(counter_id="a", amount=1)


def test_without_a_time_of_its_own_it_has_that_of_the_stream() -> None:
    assert followed(delivered("counters.event.counted.1", b"{}", {}), {}).at_ms == 1_767_225_600_500


def test_personal_texts_are_masked() -> None:
    body = (
        b'{"order_id":"o1","customer_id":"ada","lines":[],"total":{"amount_minor":1,"currency":"EUR"},'
        b'"deliver_to":"1 Example Street","payment_token":"card"}'
    )
    event = followed(delivered("orders.event.order_placed.1", body), {"order_placed": OrderPlaced}).event
    assert isinstance(event, OrderPlaced)
    assert (event.deliver_to, event.order_id) == (MASK, "o1")


def test_a_module_of_the_contract_stands_for_its_domain() -> None:
    found = selection(orders)
    assert (found.stream, found.subjects) == ("ORDERS", ())
    assert found.known["order_placed"] is OrderPlaced
    assert "place_order" not in found.known
    assert selection(users).stream == "USERS"
    assert selection((Counted, CounterClosed)).subjects == (
        "counters.event.counted.*",
        "counters.event.counter_closed.*",
    )


@pytest.mark.parametrize("events", [(), (Counted, LimitSet)])
def test_events_of_one_domain_are_followed_together(events: Any) -> None:
    with pytest.raises(ValueError, match="events of one domain"):
        selection(events)


def test_modules_of_others_hold_only_their_own_events() -> None:
    assert set(selection(counters).known.values()).isdisjoint({LimitSet})
    assert set(selection(limits).known) == {"limit_set"}
