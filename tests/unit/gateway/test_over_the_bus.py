"""From HTTP to a subject and back, with the real client over the bus in memory."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from litestar.testing import AsyncTestClient

from actors.mesh._client import Client
from actors.mesh._principals import Signer, Verifier
from actors.mesh._telemetry import FinishedSpan, Telemetry, span_tree
from actors.mesh.adapters.memory.bus import MemoryBus
from actors.mesh.testing.clock import FakeClock
from gateway.app import create_app
from gateway.auth import DevelopmentTokens
from gateway.live.broadcast import Broadcast
from schemas.envelope import DEADLINE, ERROR, PRINCIPAL, REPEATED
from schemas.message import Accepted, Refusal, shard, subject_of
from schemas.orders import GetOrder, OrderReserved, PlaceOrder
from schemas.principal import Principal
from tests.unit.gateway.conftest import ORDER, FakeIds

ADA = Principal(subject="cust-ada", roles=("customer",))


class Pool:
    """Plays the orders domain: accepts, reserves at once, shows."""

    def __init__(self, bus: MemoryBus, verifier: Verifier) -> None:
        self.bus, self.verifier = bus, verifier
        self.refusal: Refusal | None = None
        self.repeated = False
        self.tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        for message, serve in ((PlaceOrder, self.place), (GetOrder, self.show)):
            await self.bus.serve(f"{subject_of(message)}.*", "orders", self.started(serve))

    def started(self, serve: Any) -> Any:
        def handle(received: Any) -> None:
            task = asyncio.create_task(serve(received))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

        return handle

    async def place(self, received: Any) -> None:
        assert self.verifier.verify(received.headers[PRINCIPAL]) == ADA
        assert int(received.headers[DEADLINE]) > 0
        order = msgspec.json.decode(received.body, type=PlaceOrder)
        assert received.subject == f"orders.command.place_order.{order.order_id}"
        if self.refusal is not None:
            await received.respond(msgspec.json.encode(self.refusal), {ERROR: "refused"})
            return
        reply = msgspec.json.encode(Accepted(entity_id=order.order_id, version=1))
        await received.respond(reply, {REPEATED: "1"} if self.repeated else {})
        event = OrderReserved(order_id=order.order_id)
        await self.bus.publish(
            f"{subject_of(OrderReserved)}.{shard(order.order_id)}",
            msgspec.json.encode(event),
            {"Nats-Msg-Id": f"order/{order.order_id}@2"},
        )

    async def show(self, received: Any) -> None:
        query = msgspec.json.decode(received.body, type=GetOrder)
        await received.respond(b'{"shown_at":%d}' % query.at_least_version, {})


@pytest.fixture
async def house() -> Any:
    clock = FakeClock()
    bus = MemoryBus(clock)
    spans: list[FinishedSpan] = []
    telemetry = Telemetry("gateway", collect=spans)
    signer = Signer(bytes(32), "gateway", clock)
    pool = Pool(bus, Verifier({"gateway": signer.public_key}, clock))
    await pool.open()
    identity = Principal(subject="gateway", roles=("service",))
    mesh = Client(bus, signer, identity, clock=clock, ids=FakeIds(), telemetry=telemetry)
    app = create_app(
        mesh,
        authenticate=DevelopmentTokens({"t": ADA}),
        signer=signer,
        clock=clock,
        ids=FakeIds(),
        telemetry=telemetry,
        live=Broadcast(bus, clock=clock, ids=FakeIds()),
    )
    async with AsyncTestClient(app) as client:
        client.headers["authorization"] = "Bearer t"
        yield client, pool, spans
    await mesh.close()
    await bus.close()


async def test_an_order_is_placed_settled_and_shown(house: Any) -> None:
    client, _, spans = house
    answer = await client.post("/v1/orders", json=ORDER)
    assert (answer.status_code, answer.json()) == (201, {"shown_at": 2})
    assert span_tree(spans) == (
        "gateway: POST /v1/orders [server]\n"
        "  gateway: ask orders.command.place_order [client]\n"
        "  gateway: ask orders.query.get_order [client]\n"
    )


async def test_a_refusal_comes_back_as_a_problem(house: Any) -> None:
    client, pool, _ = house
    pool.refusal = Refusal(code="command_id_reused", kind="invalid", detail="another body")
    answer = await client.post("/v1/orders", json=ORDER, headers={"idempotency-key": "k"})
    assert (answer.status_code, answer.json()["code"]) == (422, "command_id_reused")


async def test_a_domain_that_nobody_serves_is_unavailable(house: Any) -> None:
    client, _, _ = house
    answer = await client.get("/v1/items/tea")
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
