"""Traces over real processes: one order is one trace of all services, through journal, JetStream and dead letters."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

import httpx
import msgspec
import pytest

from actors.mesh._telemetry import TraceContext, format_traceparent, parse_traceparent
from actors.mesh.adapters.nats import NatsBus, open_nats
from actors.mesh.adapters.world import SystemClock, SystemIds
from actors.mesh.testing.waiting import until
from cli.demo import spans_of
from cli.shop import Shop, shop_at
from cli.trace import TraceProblem, fetch
from cli.waterfall import TraceSpan
from infra.local.ports import LOOPBACK, free_ports
from infra.local.services import answers_200
from schemas.envelope import TRACEPARENT
from schemas.orders import OrderView
from tests.integration.shop_platform import ShopPlatform

pytestmark = pytest.mark.asyncio(loop_scope="session")

SERVICES = {"gateway", "users", "orders", "inventory", "payments", "notifications"}
READERS = {"orders_sagas", "orders_views"}
GIVEN = TraceContext(bytes(range(16, 32)), bytes(range(8, 16)), sampled=True)
SPANS_SECONDS = 20.0


@asynccontextmanager
async def ada_at(shop: ShopPlatform, url: str) -> AsyncIterator[Shop]:
    async with shop_at(url) as http:
        yield Shop(http, shop.platform.endpoints.tokens["ada"])


async def paid(ada: Shop, sku: str) -> OrderView:
    """Place an order over HTTP and see it paid."""
    _, order = await ada.place([(sku, 1)], "card-approved")
    resting = await ada.at_rest(order.order_id)
    assert resting.status == "paid"
    return resting


async def spans_with(shop: ShopPlatform, order_id: str, name: str) -> list[TraceSpan]:
    """Return the spans of an order's trace as soon as the last of them is in."""
    url = shop.platform.endpoints.traces

    async def is_in() -> bool:
        return any(span.name == name for span in await spans_of(url, order_id))

    await until(is_in, timeout_seconds=SPANS_SECONDS)
    return await spans_of(url, order_id)


async def traceparents(shop: ShopPlatform, order_id: str) -> list[TraceContext | None]:
    """Return the trace context of each event of an order in the journal."""
    rows = await shop.events("orders", f"order/{order_id}")
    headers = (msgspec.json.decode(row["headers"], type=dict[str, str]) for row in rows)
    return [parse_traceparent(each.get(TRACEPARENT)) for each in headers]


async def test_one_order_is_one_trace_of_all_services_through_journal_and_stream(shop: ShopPlatform) -> None:
    await shop.stock("traced", 5)
    async with ada_at(shop, shop.platform.endpoints.gateway) as ada:
        order = await paid(ada, "traced")
    spans = await spans_with(shop, order.order_id, "orders_views orders.event.order_paid")
    assert len(fetch(order.order_id, shop.platform.endpoints.traces)) == 1, "the story is in several traces"
    assert {span.service for span in spans} == SERVICES
    assert len({span.span_id for span in spans}) == len(spans)
    known = {span.span_id for span in spans}
    assert [span.name for span in spans if span.parent_id not in known] == ["POST /v1/orders"]
    in_journal = await traceparents(shop, order.order_id)
    assert {context and context.trace_id.hex() for context in in_journal} == {trace_of(spans)}
    assert {context and context.span_id.hex() for context in in_journal} <= known
    parents = {span.span_id: span for span in spans}
    delivered = [span for span in spans if span.kind == "consumer"]
    assert delivered, "nothing came out of JetStream"
    assert {parents[span.parent_id].kind for span in delivered if span.parent_id} == {"producer"}


def trace_of(spans: Sequence[TraceSpan]) -> str:
    (trace_id,) = {span.trace_id for span in spans}
    return trace_id


async def test_a_trace_that_a_client_began_goes_on(shop: ShopPlatform) -> None:
    await shop.stock("begun", 5)
    url, token = shop.platform.endpoints.gateway, shop.platform.endpoints.tokens["ada"]
    headers = {"authorization": f"Bearer {token}", TRACEPARENT: format_traceparent(GIVEN)}
    async with httpx.AsyncClient(base_url=url, headers=headers, trust_env=False) as http:
        assert (await http.get("/v1/items/begun")).status_code == 200
    spans = await spans_with(shop, GIVEN.trace_id.hex(), "inventory.query.get_item")
    (first,) = (span for span in spans if span.name == "GET /v1/items/{sku}")
    assert first.parent_id == GIVEN.span_id.hex()


@asynccontextmanager
async def quiet_gateway(shop: ShopPlatform) -> AsyncIterator[str]:
    """Run a gateway that samples nothing; give its URL."""
    port = free_ports(1)[0]
    own = {"MESH_TRACE_RATIO": "0", "MESH_GATEWAY_PORT": str(port)}
    url = f"http://{LOOPBACK}:{port}"
    part = shop.platform.part("gateway", "gateway-quiet", own)
    await shop.platform.add(replace(part, probe=partial(answers_200, f"{url}/readyz")))
    try:
        yield url
    finally:
        await shop.platform.remove("gateway-quiet")


async def test_what_is_not_sampled_leaves_nothing_though_it_goes_all_the_way(shop: ShopPlatform) -> None:
    await shop.stock("quiet", 5)
    async with quiet_gateway(shop) as url, ada_at(shop, url) as ada:
        quiet = await paid(ada, "quiet")
    async with ada_at(shop, shop.platform.endpoints.gateway) as ada:
        loud = await paid(ada, "quiet")
    await spans_with(shop, loud.order_id, "orders_views orders.event.order_paid")  # by then the other's would be in
    with pytest.raises(TraceProblem, match="No trace names"):
        fetch(quiet.order_id, shop.platform.endpoints.traces)
    contexts = await traceparents(shop, quiet.order_id)
    assert contexts, "the order left no events"
    assert not any(context.sampled for context in contexts if context)


async def test_what_fails_is_recorded_though_it_was_not_sampled_and_what_succeeds_is_not(shop: ShopPlatform) -> None:
    await shop.stock("failing", 5)
    platform, lines = shop.platform, [{"sku": "failing", "quantity": 1}]
    order = {"lines": lines, "deliver_to": "1 Example Street", "payment_token": "card-approved"}
    async with quiet_gateway(shop) as url:
        headers = {"authorization": f"Bearer {platform.endpoints.tokens['ada']}"}
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=30, trust_env=False) as http:
            answered = await http.get("/v1/items/failing")
            await platform.remove("inventory")
            try:
                asked = await http.get("/v1/items/failing")
                wished = await http.post("/v1/orders", json=order)
            finally:
                await platform.add(platform.part("inventory", "inventory"))
            refused = await http.get("/v1/items/nothing-of-the-kind")
    assert (answered.status_code, asked.status_code, wished.status_code, refused.status_code) == (200, 503, 503, 404)
    assert await failing_hops(shop, asked) == ["gateway: GET /v1/items/{sku}"]
    assert await failing_hops(shop, wished) == ["gateway: POST /v1/orders", "orders: orders.command.place_order"]
    for fine in (answered, refused):
        with pytest.raises(TraceProblem, match="No trace names"):
            fetch(fine.headers["mesh-trace-id"], platform.endpoints.traces)


async def failing_hops(shop: ShopPlatform, answer: httpx.Response) -> list[str]:
    """Return the hops of a trace that was kept because they failed, the root first; the others are its children."""
    trace_id, url, found = answer.headers["mesh-trace-id"], shop.platform.endpoints.traces, list[TraceSpan]()

    def is_in() -> bool:
        try:
            found[:] = fetch(trace_id, url)[0]
        except TraceProblem:
            return False
        return any(span.parent_id is None for span in found)

    await until(is_in, timeout_seconds=SPANS_SECONDS)
    (root,) = (span for span in found if span.parent_id is None)
    assert all(span.error and span.tags["mesh.sampled"] is False for span in found)
    assert {span.parent_id for span in found if span is not root} <= {root.span_id}
    return [f"{span.service}: {span.name}" for span in (root, *(span for span in found if span is not root))]


async def test_a_dead_letter_keeps_the_trace_it_came_in(shop: ShopPlatform) -> None:
    subject, trace = "orders.event.order_placed.0", format_traceparent(GIVEN)
    url = shop.platform.endpoints.nats
    async with open_nats(url, name="test", clock=SystemClock(), ids=SystemIds()) as bus:
        await poisoned(bus, subject, trace)
        letters = "SELECT reader, headers, reason FROM orders.dead_letters WHERE subject = $1"

        async def parked() -> bool:
            return {row["reader"] for row in await shop.database.fetch(letters, subject)} == READERS

        await until(parked, timeout_seconds=20)
    try:
        for row in await shop.database.fetch(letters, subject):
            assert msgspec.json.decode(row["headers"], type=dict[str, str])[TRACEPARENT] == trace
            assert row["reason"] == "KeyError"
    finally:
        await shop.database.execute("DELETE FROM orders.dead_letters WHERE subject = $1", subject)


async def poisoned(bus: NatsBus, subject: str, trace: str) -> None:
    """Store a message that no reader can use: it names no key."""
    await bus.store(subject, b"{}", {TRACEPARENT: trace}, message_id="poison@1")
