"""One paid order as a tree of spans, from HTTP to the last view: a snapshot that only a real change alters."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import httpx
import msgspec
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from actors.mesh._export_sdk import KINDS, SdkSink
from actors.mesh._spans import FinishedSpan, span_tree
from actors.mesh.testing.quiet import at_rest
from gateway.app import awaited, create_app
from gateway.auth import DevelopmentTokens
from gateway.live.broadcast import Broadcast
from gateway.routes import ROUTES
from schemas.orders import OrderView
from schemas.principal import Principal
from tests.sim.shop import Shop

SNAPSHOT = Path(__file__).with_name("order_spans.txt")
REGENERATE = "python -m tests.contract.test_span_tree"
HEADING = """\
# The spans of one order that is paid: `service: name [kind]`. In memory all happens at one instant, so children stand
# by name, not in the order in which they came.
"""
ORDER = {"lines": [{"sku": "tea", "quantity": 2}], "deliver_to": "Ada, 1 Engine Row", "payment_token": "card-approved"}
ADA = Principal(subject="ada", roles=("customer",))


class Kept(SpanExporter):
    """Keeps what the SDK would send."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.spans += spans
        return SpanExportResult.SUCCESS


async def spans_of_an_order() -> list[FinishedSpan]:
    """Place an order over HTTP, all in memory; return the spans of its trace when its story is over."""
    shop = Shop()
    async with shop.mesh as mesh:
        await shop.open()
        telemetry = mesh.telemetry("gateway")
        client = mesh.client_of(Principal(subject="gateway", roles=("service",)), telemetry)
        await client.watch(awaited(ROUTES))
        people = DevelopmentTokens({"ada-token": ADA})
        app = create_app(
            client,
            authenticate=people,
            signer=mesh.signer,
            clock=mesh.clock,
            ids=mesh.ids,
            telemetry=telemetry,
            live=Broadcast(mesh.bus, clock=mesh.clock, ids=mesh.ids),
        )
        await at_rest(mesh)
        mesh.spans.clear()
        # In this very loop: the clock in memory would take another thread's work for rest.
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
            answer = await http.post("/v1/orders", json=ORDER, headers={"authorization": "Bearer ada-token"})
        assert answer.status_code == 201, answer.text
        order = msgspec.json.decode(answer.content, type=OrderView)
        await at_rest(mesh)
        placed = tuple(mesh.spans)
        assert (await shop.order(order.order_id)).status == "paid"
        await client.close()
    (root,) = [span for span in placed if span.name == "POST /v1/orders"]
    return [span for span in placed if span.trace_id == root.trace_id]


async def current() -> str:
    return HEADING + span_tree(await spans_of_an_order())


async def through_the_sdk(spans: Sequence[FinishedSpan]) -> list[FinishedSpan]:
    """Return what OpenTelemetry's own SDK makes of these spans, read back as ours."""
    kinds = {theirs: ours for ours, theirs in KINDS.items()}
    read: list[FinishedSpan] = []
    for service in dict.fromkeys(span.service for span in spans):
        kept = Kept()
        sink = SdkSink("http://nowhere", service, exporter=kept)
        for span in spans:
            if span.service == service:
                sink.put(span)
        await sink.close()
        for theirs in kept.spans:
            assert theirs.context is not None
            read.append(
                FinishedSpan(
                    service=str(theirs.resource.attributes["service.name"]),
                    name=theirs.name,
                    kind=kinds[theirs.kind],
                    trace_id=theirs.context.trace_id.to_bytes(16, "big"),
                    span_id=theirs.context.span_id.to_bytes(8, "big"),
                    parent_id=theirs.parent.span_id.to_bytes(8, "big") if theirs.parent else None,
                    start_ns=theirs.start_time or 0,
                    end_ns=theirs.end_time or 0,
                    error=theirs.status.description,
                    attributes=dict(theirs.attributes or {}),
                )
            )
    return read


async def test_the_spans_of_an_order_are_what_was_agreed() -> None:
    agreed = SNAPSHOT.read_text(encoding="utf-8")
    assert await current() == agreed, f"the trace of an order has changed; if it was meant to, run: {REGENERATE}"


async def test_every_span_of_an_order_hangs_below_the_request() -> None:
    spans = await spans_of_an_order()
    known = {span.span_id for span in spans}
    assert [span.name for span in spans if span.parent_id not in known] == ["POST /v1/orders"]
    assert {span.service for span in spans} == {"gateway", "users", "orders", "inventory", "payments"}


async def test_the_sdk_tells_the_same_tree() -> None:
    spans = await spans_of_an_order()
    assert span_tree(await through_the_sdk(spans)) == span_tree(spans)


if __name__ == "__main__":
    SNAPSHOT.write_text(asyncio.run(current()), encoding="utf-8")
    sys.stdout.write(f"written: {SNAPSHOT.name}\n")
