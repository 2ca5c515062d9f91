"""One server span a request, in the trace of whoever asked."""

from __future__ import annotations

from typing import Any

from actors.mesh import Refused, Unavailable
from actors.mesh._telemetry import SpanKind, parse_traceparent

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def test_a_request_is_one_span_named_after_its_route(gateway: Any, client: Any) -> None:
    answer = await client.get("/v1/orders/o-1")
    (span,) = gateway.spans
    assert (span.name, span.kind) == ("GET /v1/orders/{order_id}", SpanKind.SERVER)
    assert span.attributes == {
        "http.request.method": "GET",
        "http.route": "/v1/orders/{order_id}",
        "http.response.status_code": 200,
    }
    assert answer.headers["mesh-trace-id"] == span.trace_id.hex()
    sent = parse_traceparent(gateway.mesh.asked[0][1].traceparent)
    assert (sent.trace_id, sent.span_id) == (span.trace_id, span.span_id)


async def test_a_valid_parent_is_followed(gateway: Any, client: Any) -> None:
    await client.get("/v1/items", headers={"traceparent": PARENT})
    (span,) = gateway.spans
    assert span.trace_id.hex() == PARENT[3:35]
    assert span.parent_id.hex() == PARENT[36:52]


async def test_an_invalid_parent_is_as_good_as_none(gateway: Any, client: Any) -> None:
    await client.get("/v1/items", headers={"traceparent": PARENT.replace("0af7", "0AF7")})
    assert gateway.spans[0].parent_id is None


async def test_an_unsampled_parent_is_followed_in_silence(gateway: Any, client: Any) -> None:
    answer = await client.get("/v1/items", headers={"traceparent": PARENT[:-1] + "0"})
    assert gateway.spans == []
    assert gateway.mesh.asked[0][1].traceparent.endswith("-00")
    assert answer.headers["mesh-trace-id"] == PARENT[3:35]


async def test_a_refusal_is_an_answer_and_a_fault_is_an_error(gateway: Any, client: Any) -> None:
    gateway.mesh.answers["GetItem"] = Refused("item_unknown", kind="not_found")
    await client.get("/v1/items/tea")
    gateway.mesh.answers["GetItem"] = Unavailable()
    await client.get("/v1/items/tea")
    refused, failed = gateway.spans
    assert (refused.error, refused.attributes["mesh.refusal"]) == (None, "item_unknown")
    assert (failed.error, failed.attributes["error.type"]) == ("unavailable", "unavailable")
    assert failed.attributes["http.response.status_code"] == 503


async def test_probes_and_lost_paths_are_not_traced(gateway: Any, client: Any) -> None:
    for path in ("/healthz", "/readyz", "/v1/nowhere"):
        await client.get(path)
    assert gateway.spans == []
