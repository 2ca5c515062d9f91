"""The live stream: everything after a position, once, in order, and only to whom it belongs."""

from __future__ import annotations

from typing import Any

import pytest

from actors.mesh import Refused, Unavailable
from actors.mesh.adapters.memory.bus import MemoryBus
from gateway.limits import Bounds
from gateway.live.broadcast import LiveBounds
from gateway.live.feeds import CATCH_UP_MAX
from gateway.live.listeners import EVENTS_MAX
from tests.unit.gateway.conftest import Gateway
from tests.unit.gateway.listening import DECIDED_MS, happened, listening, streams

TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
async def open_gateway(gateway: Gateway) -> Gateway:
    await streams(gateway.bus)
    return gateway


async def orders(gateway: Gateway, *versions: int, key: str = "order/o-1", owner: str = "cust-ada") -> None:
    for version in versions:
        await happened(gateway.bus, "orders.order_paid", key, version, owner=owner, body={"order_id": key[6:]})
    await gateway.clock.settle()


def versions(data: list[Any]) -> list[int]:
    return [one["version"] for one in data]


async def test_an_event_is_shown_with_its_fields_and_nothing_else(open_gateway: Gateway) -> None:
    placed = {
        "order_id": "o-1",
        "customer_id": "cust-ada",
        "lines": [],
        "total": {"amount_minor": 700, "currency": "EUR"},
        "deliver_to": "Ada, 1 Engine Row",
        "payment_token": "tok",
    }
    async with listening(open_gateway) as client:
        trace = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
        await happened(open_gateway.bus, "orders.order_placed", "order/o-1", body=placed, **trace)
        await open_gateway.clock.settle()
        ready, shown = client.events
    assert (client.status, client.headers["content-type"]) == (200, "text/event-stream")
    assert (client.headers["cache-control"], client.headers["x-accel-buffering"]) == ("no-store", "no")
    assert "mesh-trace-id" in client.headers
    assert client.retry_ms == 2000
    assert ready.event, ready.data == ("ready", {"topics": ["items", "orders", "payments"]})
    assert shown.event == "orders"
    assert shown.data == {
        "topic": "orders",
        "event": "order_placed",
        "key": "order/o-1",
        "version": 1,
        "at_ms": DECIDED_MS,
        "data": {"order_id": "o-1", "customer_id": "cust-ada", "total": placed["total"]},
        "trace_id": TRACE,
    }


async def test_it_begins_now(open_gateway: Gateway) -> None:
    await orders(open_gateway, 1, 2)
    async with listening(open_gateway) as client:
        await orders(open_gateway, 3)
        assert versions(client.named("orders")) == [3]


@pytest.mark.parametrize("at_once", [False, True])
async def test_who_comes_back_with_an_id_gets_all_after_it_once(open_gateway: Gateway, *, at_once: bool) -> None:
    async with listening(open_gateway) as client:
        if at_once:
            client.takes.clear()
        await orders(open_gateway, 1, 2, 3)
        client.takes.set()
        await open_gateway.clock.settle()
    ids = [one.id for one in client.events]
    assert len(set(ids)) == 4
    await orders(open_gateway, 4, 5)
    for had, last_id in enumerate(ids):
        async with listening(open_gateway, last_id=last_id) as again:
            await orders(open_gateway, 6 + had)
            assert versions(again.named("orders")) == list(range(1 + had, 7 + had))
            assert again.named("reset") == []


async def test_one_id_stands_for_all_streams(open_gateway: Gateway) -> None:
    bus = open_gateway.bus
    async with listening(open_gateway) as client:
        await orders(open_gateway, 1)
        await happened(bus, "inventory.stock_received", "item/tea", 1, body={"sku": "tea", "quantity": 3})
        await orders(open_gateway, 2)
        await happened(bus, "payments.payment_captured", "payment/p-1", 1, body={"payment_id": "p-1"})
        await open_gateway.clock.settle()
    after_tea = next(one.id for one in client.events if one.event == "items")
    async with listening(open_gateway, last_id=after_tea) as again:
        assert [(one.event, one.data.get("version")) for one in again.events[1:]] == [("orders", 2), ("payments", 1)]


async def test_the_id_may_stand_in_the_query_and_the_header_counts_first(open_gateway: Gateway) -> None:
    async with listening(open_gateway, query=b"topics=orders") as client:
        await orders(open_gateway, 1, 2)
    _, first, second = (one.id for one in client.events)
    query = f"topics=orders&last_event_id={first}".encode()
    async with listening(open_gateway, query=query) as again:
        assert versions(again.named("orders")) == [2]
    async with listening(open_gateway, query=query, last_id=second) as again:
        assert versions(again.named("orders")) == []


async def test_events_that_are_not_shown_move_the_id_on(open_gateway: Gateway) -> None:
    async with listening(open_gateway, token="ada-token", query=b"topics=orders") as client:
        await orders(open_gateway, 1)
        await orders(open_gateway, 1, 2, 3, key="order/o-2", owner="cust-grace")
        await open_gateway.clock.advance(15)
        assert client.comments == ["heartbeat"]
        assert (client.events[-1].id.partition("@")[0], client.last_id.partition("@")[0]) == ("orders:1", "orders:4")
        await orders(open_gateway, 2)
    async with listening(open_gateway, token="ada-token", query=b"topics=orders", last_id=client.events[0].id) as again:
        assert versions(again.named("orders")) == [1, 2]


async def test_what_waits_stands_behind_what_is_not_shown_too(open_gateway: Gateway) -> None:
    async with listening(open_gateway, token="ada-token", query=b"topics=orders") as client:
        client.takes.clear()
        await orders(open_gateway, 1)
        await orders(open_gateway, 2)
        await orders(open_gateway, 1, 2, 3, key="order/o-2", owner="cust-grace")
        client.takes.set()
        await open_gateway.clock.settle()
        assert [one.id.partition("@")[0] for one in client.events] == ["orders:0", "orders:1", "orders:5"]


async def test_a_heartbeat_comes_every_fifteen_seconds(open_gateway: Gateway) -> None:
    async with listening(open_gateway) as client:
        await open_gateway.clock.advance(14)
        assert client.comments == []
        await open_gateway.clock.advance(1)
        await open_gateway.clock.advance(30)
        assert client.comments == ["heartbeat"] * 3


# Who may hear what


async def test_a_customer_hears_what_is_their_own_and_of_items(open_gateway: Gateway) -> None:
    async with listening(open_gateway, token="ada-token") as client:
        await orders(open_gateway, 1)
        await orders(open_gateway, 1, key="order/o-2", owner="cust-grace")
        await orders(open_gateway, 1, key="order/o-3", owner="")
        held = {"sku": "tea", "reservation_id": "r-1", "quantity": 2}
        trace = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
        await happened(open_gateway.bus, "inventory.stock_held", "item/tea", body=held, **trace)
        await open_gateway.clock.settle()
    assert [one["key"] for one in client.named("orders")] == ["order/o-1"]
    (shown,) = client.named("items")
    assert shown["data"] == {"sku": "tea", "quantity": 2}
    assert "trace_id" not in shown, "it would tell which items a stranger bought together"


async def test_a_customer_that_catches_up_hears_what_is_their_own(open_gateway: Gateway) -> None:
    async with listening(open_gateway, token="ada-token") as client:
        pass
    await orders(open_gateway, 1)
    await orders(open_gateway, 1, 2, key="order/o-2", owner="cust-grace")
    async with listening(open_gateway, token="ada-token", last_id=client.last_id) as again:
        assert [one["key"] for one in again.named("orders")] == ["order/o-1"]


@pytest.mark.parametrize(
    ("token", "topics"),
    [
        ("ada-token", ["items", "orders", "payments"]),
        ("wendy-token", ["items"]),
        ("otto-token", ["items", "orders", "payments"]),
    ],
)
async def test_all_that_is_allowed_is_heard_by_default(open_gateway: Gateway, token: str, topics: list[str]) -> None:
    async with listening(open_gateway, token=token) as client:
        assert client.events[0].data == {"topics": topics}


async def test_only_the_topics_asked_for_are_heard(open_gateway: Gateway) -> None:
    async with listening(open_gateway, query=b"topics=items,payments,items") as client:
        await orders(open_gateway, 1)
        await happened(open_gateway.bus, "payments.payment_voided", "payment/p-1", body={"payment_id": "p-1"})
        await open_gateway.clock.settle()
    assert [one.event for one in client.events] == ["ready", "payments"]
    assert "orders" not in client.last_id


async def test_what_is_private_or_no_topic_or_unreadable_is_not_shown(open_gateway: Gateway) -> None:
    bus = open_gateway.bus
    async with listening(open_gateway) as client:
        await happened(bus, "orders.order_paid", "order/o-1", 1, **{"Mesh-Private": "1"})
        await happened(bus, "inventory.stock_reserved", "reservation/r-1", 1, body={"reservation_id": "r-1"})
        for number, body in enumerate((b"", b"{", b"[]", b"\xff", b"[" * 5000)):
            await happened(bus, "orders.order_paid", f"order/bad-{number}", 1, body=body)
        await bus.store("orders.event.order_paid.1", b"{}", {}, message_id="no headers")
        await happened(bus, "orders.order_paid", "order/o-2", 1, body=b'{"order_id":\n\n"o-2",\r\n\r\n"x":1}')
        await open_gateway.clock.settle()
    assert [(one.event, one.data["key"]) for one in client.events[1:]] == [("orders", "order/o-2")]
    assert client.events[1].data["data"] == {"order_id": "o-2"}


# What is refused


@pytest.mark.parametrize(
    ("token", "query", "last_id", "status", "code", "pointer"),
    [
        ("nobody", b"", "", 401, "principal_invalid", None),
        ("wendy-token", b"topics=orders", "", 403, "permission_missing", "/topics"),
        ("wendy-token", b"topics=items,payments", "", 403, "permission_missing", "/topics"),
        ("otto-token", b"topics=nothing", "", 400, "topic_unknown", "/topics"),
        ("otto-token", b"topics=", "", 400, "topic_unknown", "/topics"),
        ("otto-token", b"topics=orders,", "", 400, "topic_unknown", "/topics"),
        ("otto-token", b"topic=orders", "", 400, "parameter_unknown", "/topic"),
        ("otto-token", b"topics=orders&topics=items", "", 400, "parameter_repeated", "/topics"),
        ("otto-token", b"", "17", 400, "last_event_id_invalid", "/last_event_id"),
        ("otto-token", b"", "orders:1@2c26b46b,", 400, "last_event_id_invalid", "/last_event_id"),
        ("otto-token", b"", "orders:1@2c26b46b,orders:2@2c26b46b", 400, "last_event_id_invalid", "/last_event_id"),
        ("otto-token", b"", "orders:-1@2c26b46b", 400, "last_event_id_invalid", "/last_event_id"),
        ("otto-token", b"", "orders:%s@2c26b46b" % ("9" * 16), 400, "last_event_id_invalid", "/last_event_id"),
        ("otto-token", b"", "orders:1@2c26b46b," * 100, 400, "last_event_id_invalid", "/last_event_id"),
        ("otto-token", b"last_event_id=%00", "", 400, "last_event_id_invalid", "/last_event_id"),
        ("otto-token", b"access_token=otto-token", "", 400, "parameter_unknown", "/access_token"),
    ],
)
async def test_what_cannot_be_read_or_may_not_be_heard_is_refused(
    open_gateway: Gateway, token: str, query: bytes, last_id: str, status: int, code: str, pointer: str | None
) -> None:
    async with listening(open_gateway, token=token, query=query, last_id=last_id) as client:
        assert (client.status, client.problem["code"], client.problem.get("pointer")) == (status, code, pointer)
        assert client.is_over
    if status == 403:
        assert any(name in client.problem["detail"] for name in ("orders", "payments"))


async def test_a_stream_that_is_not_there_is_503_with_a_time_to_come_again(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.live.feeds.READY_SECONDS", 0.01)
    answer = await gateway.call("GET", "/v1/live", token="otto-token")
    assert (answer.status, answer.problem["code"], answer.headers["retry-after"]) == (503, "unavailable", "1")


@pytest.mark.parametrize("method", ["POST", "HEAD"])
async def test_it_is_only_read(gateway: Gateway, method: str) -> None:
    answer = await gateway.call(method, "/v1/live")
    assert (answer.status, answer.headers["allow"]) == (405, "GET")


# Streams that are not what they were


@pytest.mark.parametrize("told_meanwhile", [1, 7])
async def test_a_stream_made_anew_is_told_and_goes_on_from_now(open_gateway: Gateway, told_meanwhile: int) -> None:
    async with listening(open_gateway, query=b"topics=orders") as before:
        await orders(open_gateway, 1, 2, 3)
    open_gateway.bus.lose("ORDERS")
    await streams(open_gateway.bus)
    await orders(open_gateway, *range(4, 4 + told_meanwhile))
    async with listening(open_gateway, query=b"topics=orders", last_id=before.last_id) as again:
        await orders(open_gateway, 50)
        assert again.named("reset") == [{"reason": "stream_made_anew", "topics": ["orders"], "detail": "load it again"}]
        assert versions(again.named("orders")) == [50]
    async with listening(open_gateway, query=b"topics=orders", last_id=again.last_id) as third:
        assert third.named("reset") == []


async def test_a_stream_lost_under_a_listener_is_told_when_it_is_back(open_gateway: Gateway) -> None:
    async with listening(open_gateway) as client:
        await orders(open_gateway, 1)
        open_gateway.bus.lose("ORDERS")
        await open_gateway.clock.advance(3)
        assert client.named("reset") == []
        await streams(open_gateway.bus)
        await open_gateway.clock.advance(1)
        await orders(open_gateway, 2)
        assert [one["topics"] for one in client.named("reset")] == [["orders"]]
        assert versions(client.named("orders")) == [1, 2]
        assert not client.is_over


async def test_one_who_missed_too_much_is_told_to_load_it_again(open_gateway: Gateway) -> None:
    async with listening(open_gateway, query=b"topics=items") as before:
        pass
    stream = open_gateway.bus
    for number in range(CATCH_UP_MAX + 1):
        await stream.store("inventory.event.price_changed.1", b"{}", {}, message_id=str(number))
    async with listening(open_gateway, query=b"topics=items", last_id=before.last_id) as again:
        assert [one["reason"] for one in again.named("reset")] == ["too_much_missed"]


# Bounds and ends


async def test_a_slow_client_is_dropped_and_told_how_to_go_on(open_gateway: Gateway) -> None:
    async with listening(open_gateway) as client, listening(open_gateway) as quick:
        await orders(open_gateway, 1)
        client.takes.clear()
        await orders(open_gateway, *range(2, EVENTS_MAX + 4))
        client.takes.set()
        await open_gateway.clock.settle()
        assert client.is_over
        assert len(quick.named("orders")) == EVENTS_MAX + 3
        assert not quick.is_over
    dropped = client.events[-1]
    assert (dropped.event, dropped.data["code"]) == ("dropped", "client_too_slow")
    assert dropped.id in dropped.data["detail"]
    had = versions(client.named("orders"))
    async with listening(open_gateway, last_id=dropped.id) as again:
        assert had + versions(again.named("orders")) == list(range(1, EVENTS_MAX + 4))
        assert again.events[-1].event == "orders"


async def test_what_waits_for_a_client_is_bounded_in_bytes(open_gateway: Gateway) -> None:
    async with listening(open_gateway) as client:
        await orders(open_gateway, 1)
        client.takes.clear()
        for number in range(2, 6):
            body = {"order_id": "o-1", "reason_code": "x" * 60_000}
            await happened(open_gateway.bus, "orders.order_cancelled", "order/o-1", number, body=body)
        client.takes.set()
        await open_gateway.clock.settle()
        assert client.events[-1].event == "dropped"


async def test_a_client_that_takes_nothing_is_cut_off(gateway_of: Any) -> None:
    gateway = gateway_of(live=LiveBounds(send_seconds=0.01))
    await streams(gateway.bus)
    async with listening(gateway) as client:
        client.takes.clear()
        await orders(gateway, 1)
        await client._hung_up.wait()
        assert client.aborted


async def test_one_who_catches_up_slowly_is_not_dropped_for_it(open_gateway: Gateway) -> None:
    async with listening(open_gateway) as client:
        pass
    await orders(open_gateway, *range(1, 3 * EVENTS_MAX))
    async with listening(open_gateway, last_id=client.last_id) as again:
        await open_gateway.clock.settle()
        assert versions(again.named("orders")) == list(range(1, 3 * EVENTS_MAX))
        assert not again.is_over


async def test_a_client_whose_token_is_no_longer_good_is_sent_away(open_gateway: Gateway) -> None:
    people = open_gateway.people
    async with listening(open_gateway) as client:
        await open_gateway.clock.advance(16)
        assert not client.is_over
        people.refuses = Refused("principal_expired", "refresh the session", kind="unauthenticated")
        await open_gateway.clock.advance(15)
        await orders(open_gateway, 1)
        assert client.is_over
    assert (client.events[-1].event, client.named("orders")) == ("expired", [])


async def test_while_nobody_says_whether_a_token_counts_a_client_is_told_to_come_back(open_gateway: Gateway) -> None:
    async with listening(open_gateway) as client:
        open_gateway.people.refuses = Unavailable("users stands still")
        await open_gateway.clock.advance(16)
        await orders(open_gateway, 1)
        assert client.is_over
    assert client.events[-1].data["code"] == "stream_interrupted"


async def test_a_gateway_that_is_stopped_sends_everybody_away_at_once(open_gateway: Gateway) -> None:
    async with listening(open_gateway) as client:
        await orders(open_gateway, 1)
        open_gateway.live.close()
        await open_gateway.clock.settle()
        assert client.is_over
        assert client.events[-1].data["code"] == "gateway_closing"
    answer = await open_gateway.call("GET", "/v1/live", token="otto-token")
    assert (answer.status, answer.problem["code"]) == (503, "gateway_closing")


async def test_connections_are_bounded_for_all_and_for_each(gateway_of: Any) -> None:
    gateway = gateway_of(live=LiveBounds(connections=3, connections_each=2))
    await streams(gateway.bus)
    async with listening(gateway), listening(gateway) as second:
        async with listening(gateway) as client:
            assert (client.status, client.problem["code"]) == (429, "live_connections_limited")
            assert client.headers["retry-after"] == "1"
        async with listening(gateway, token="ada-token"), listening(gateway, token="sam-token") as client:
            assert (client.status, client.problem["code"]) == (503, "overloaded")
        second.hang_up()
        await gateway.clock.settle()
        async with listening(gateway) as client:
            assert client.status == 200


async def test_those_who_listen_take_no_place_from_those_who_ask(gateway_of: Any) -> None:
    gateway = gateway_of(Bounds(running=1))
    await streams(gateway.bus)
    async with listening(gateway, token="ada-token") as one, listening(gateway, token="ada-token") as two:
        assert (one.status, two.status) == (200, 200)
        assert (await gateway.call("GET", "/v1/items")).status == 200


async def test_nothing_is_read_when_nobody_listens(open_gateway: Gateway) -> None:
    assert isinstance(open_gateway.bus, MemoryBus)
    async with listening(open_gateway), listening(open_gateway):
        assert len(open_gateway.bus._wakers) == 3, "one reader a stream, however many listen"
    await open_gateway.clock.settle()
    assert len(open_gateway.bus._wakers) == 0
