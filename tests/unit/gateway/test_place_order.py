"""Placing an order answers what became of it."""

from __future__ import annotations

from typing import Any

import pytest

from actors.mesh import Refused, TimedOut, Unavailable
from schemas.envelope import derived_id
from schemas.orders import GetOrder, OrderCancelled, OrderReserved, OrderView, PlaceOrder
from schemas.values import Money
from tests.unit.gateway.conftest import Reply


def view(status: Any, **changes: Any) -> OrderView:
    return OrderView(
        order_id="o", customer_id="cust-ada", status=status, lines=(), deliver_to="Ada", placed_at_ms=1,
        total=Money(amount_minor=1, currency="EUR"), **changes,
    )  # fmt: skip


async def test_a_reserved_order_is_shown(gateway: Any, client: Any, order: Any) -> None:
    gateway.mesh.happens = lambda key: OrderReserved(order_id=key)
    gateway.mesh.answers["GetOrder"] = view("reserved")
    answer = await client.post("/v1/orders", json=order)
    assert answer.status_code == 201
    assert answer.json()["status"] == "reserved"
    (placed, envelope), (shown, following) = gateway.mesh.asked
    assert answer.headers["location"] == f"/v1/orders/{placed.order_id}"
    assert placed.order_id == envelope.command_id
    assert placed.customer_id == "cust-ada"
    assert shown == GetOrder(order_id=placed.order_id, customer_id="cust-ada", at_least_version=2)
    assert following.cause_id == envelope.command_id
    assert not gateway.mesh.listening, "nobody listens any more"


async def test_the_command_carries_principal_deadline_and_trace(gateway: Any, client: Any, order: Any) -> None:
    await client.post("/v1/orders", json=order)
    _, envelope = gateway.mesh.asked[0]
    assert gateway.verifier.verify(envelope.principal).subject == "cust-ada"
    assert envelope.deadline_ms == gateway.clock.now_ms() + 5000
    assert envelope.correlation_id == envelope.command_id
    assert envelope.traceparent.startswith("00-")


async def test_an_order_that_cannot_be_reserved_is_refused_with_its_reason(
    gateway: Any, client: Any, order: Any
) -> None:
    gateway.mesh.happens = lambda key: OrderCancelled(
        order_id=key, customer_id="cust-ada", reason_code="stock_short", detail="no tea"
    )
    answer = await client.post("/v1/orders", json=order)
    assert answer.status_code == 409
    assert answer.json() | {"instance": ""} == {
        "type": "urn:actor-mesh:problem:stock_short",
        "title": "Conflict",
        "status": 409,
        "code": "stock_short",
        "detail": "no tea",
        "instance": "",
    }


async def test_who_does_not_want_to_wait_does_not(gateway: Any, client: Any, order: Any) -> None:
    answer = await client.post("/v1/orders", json=order, headers={"prefer": "respond-async"})
    assert answer.status_code == 202
    assert answer.json() == {"entity_id": "x", "version": 1}
    assert answer.headers["location"].startswith("/v1/orders/")
    assert gateway.mesh.waited_seconds == []


async def test_an_order_that_takes_too_long_is_accepted(gateway: Any, client: Any, order: Any) -> None:
    gateway.mesh.answers["GetOrder"] = view("placed")
    answer = await client.post("/v1/orders", json=order)
    assert answer.status_code == 202
    assert gateway.mesh.waited_seconds == [5.0]


async def test_an_outcome_that_was_not_heard_is_found_in_the_view(gateway: Any, client: Any, order: Any) -> None:
    gateway.mesh.answers["GetOrder"] = view("confirmed")
    assert (await client.post("/v1/orders", json=order)).status_code == 201


@pytest.mark.parametrize("error", [Unavailable(), Refused("order_unknown", kind="not_found")])
async def test_a_settled_order_whose_view_is_away_is_accepted(
    gateway: Any, client: Any, order: Any, error: Exception
) -> None:
    gateway.mesh.happens = lambda key: OrderReserved(order_id=key)
    gateway.mesh.answers["GetOrder"] = error
    assert (await client.post("/v1/orders", json=order)).status_code == 202


async def test_a_refused_order_is_not_waited_for(gateway: Any, client: Any, order: Any) -> None:
    gateway.mesh.answers["PlaceOrder"] = Refused("customer_deactivated", "no more orders")
    answer = await client.post("/v1/orders", json=order)
    assert (answer.status_code, answer.json()["code"]) == (409, "customer_deactivated")
    assert gateway.mesh.waited_seconds == []
    assert not gateway.mesh.listening


async def test_a_key_names_the_command(gateway: Any, client: Any, order: Any) -> None:
    for _ in range(2):
        await client.post("/v1/orders", json=order, headers={"idempotency-key": "k-1"})
    await client.post("/v1/orders", json=order, headers={"idempotency-key": "k-2"})
    await client.post(
        "/v1/orders", json=order, headers={"idempotency-key": "k-1", "authorization": "Bearer grace-token"}
    )
    ids = [envelope.command_id for message, envelope in gateway.mesh.asked if isinstance(message, PlaceOrder)]
    assert ids[0] == ids[1] == derived_id("cust-ada", "PlaceOrder", "k-1")
    assert len(set(ids)) == 3, "another key or another person is another command"


async def test_two_without_a_key_are_two_orders(gateway: Any, client: Any, order: Any) -> None:
    for _ in range(2):
        await client.post("/v1/orders", json=order)
    placed = [message.order_id for message, _ in gateway.mesh.asked if isinstance(message, PlaceOrder)]
    assert placed[0] != placed[1]


@pytest.mark.parametrize("key", ["", "a b", "x" * 65, "\u00e9"])
async def test_a_malformed_key_is_refused(gateway: Any, key: str) -> None:
    answer = await gateway.call(
        "POST", "/v1/orders/a/cancel", b'{"reason":"x"}', headers=[(b"idempotency-key", key.encode("latin-1"))]
    )
    assert (answer.status, answer.problem["code"]) == (400, "idempotency_key_invalid")


async def test_another_body_under_the_same_key_is_unprocessable(gateway: Any, client: Any, order: Any) -> None:
    gateway.mesh.answers["PlaceOrder"] = Refused("command_id_reused", kind="invalid")
    answer = await client.post("/v1/orders", json=order, headers={"idempotency-key": "k"})
    assert (answer.status_code, answer.json()["code"]) == (422, "command_id_reused")


@pytest.mark.parametrize(
    ("status", "expected"),
    [("reserved", 201), ("confirmed", 201), ("paid", 201), ("cancelling", 201), ("cancelled", 409), ("placed", 202)],
)
async def test_a_repeat_is_answered_like_the_first_time(
    gateway: Any, client: Any, order: Any, status: Any, expected: int
) -> None:
    gateway.mesh.answers["PlaceOrder"] = Reply(b'{"entity_id":"o","version":1}', repeated=True)
    gateway.mesh.answers["GetOrder"] = view(status, reason_code="stock_short" if status == "cancelled" else "")
    answer = await client.post("/v1/orders", json=order, headers={"idempotency-key": "k"})
    assert answer.status_code == expected
    if expected == 409:
        assert answer.json()["code"] == "stock_short"
    if expected != 202:
        assert gateway.mesh.waited_seconds == [], "what has settled is not waited for"


async def test_an_order_of_unknown_outcome_says_how_to_ask_again(gateway: Any, client: Any, order: Any) -> None:
    gateway.mesh.answers["PlaceOrder"] = TimedOut()
    answer = await client.post("/v1/orders", json=order)
    assert answer.status_code == 504
    assert "Idempotency-Key" in answer.json()["detail"]


async def test_staff_say_for_whom_they_order(gateway: Any, client: Any, order: Any) -> None:
    staff = {"authorization": "Bearer alma-token", "prefer": "respond-async"}
    answer = await client.post("/v1/orders", json=order, headers=staff)
    assert (answer.status_code, answer.json()["pointer"]) == (400, "/customer_id")
    answer = await client.post("/v1/orders?customer_id=cust-ada", json=order, headers=staff)
    assert answer.status_code == 202
    assert gateway.mesh.asked[-1][0].customer_id == "cust-ada"
