"""What the exporter owes its process: nothing is lost while the collector is busy, everything lost is counted."""

from __future__ import annotations

import zlib

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from actors.mesh import _export
from actors.mesh._export import SpanExporter
from actors.mesh._export_sdk import SdkSink
from actors.mesh._telemetry import (
    FinishedSpan,
    SpanKind,
    Telemetry,
    TelemetrySettings,
    TraceContext,
    open_telemetry,
    traceparent,
)

SAMPLED = TraceContext(b"t" * 16, b"s" * 8, True)


def names(request: httpx.Request) -> list[str]:
    body = ExportTraceServiceRequest.FromString(zlib.decompress(request.content, 31))
    return [span.name for part in body.resource_spans for scope in part.scope_spans for span in scope.spans]


class Collector:
    """Answers with the given statuses, then always with 200, and remembers what it took."""

    def __init__(self, *statuses: int, retry_after: str | None = "0") -> None:
        self.statuses = list(statuses)
        self.headers = {} if retry_after is None else {"retry-after": retry_after}
        self.asked = 0
        self.taken: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        assert traceparent() is None, "the exporter must not run inside a span"
        assert "traceparent" not in request.headers
        status = self.statuses.pop(0) if self.statuses else 200
        if status == 200:
            self.taken += names(request)
        return httpx.Response(status, headers=self.headers)


def exporting(collector: Collector) -> tuple[Telemetry, SpanExporter]:
    exporter = SpanExporter("http://collector/", "orders", transport=httpx.MockTransport(collector))
    return Telemetry("orders", sink=exporter), exporter


def write(telemetry: Telemetry, count: int) -> list[str]:
    for number in range(count):
        with telemetry.span(f"span {number}", parent=SAMPLED):
            pass
    return [f"span {number}" for number in range(count)]


async def test_a_collector_that_is_busy_for_a_while_loses_nothing() -> None:
    collector = Collector(503, 429, 503)
    telemetry, _ = exporting(collector)
    with telemetry.span("request", parent=None):
        written = write(telemetry, 1500)
    await telemetry.close()
    assert sorted(collector.taken) == sorted([*written, "request"])
    assert telemetry.dropped == 0
    assert collector.asked == 3 + 3


async def test_what_the_collector_refuses_for_good_is_counted_and_not_repeated() -> None:
    collector = Collector(400)
    telemetry, _ = exporting(collector)
    write(telemetry, 10)
    await telemetry.close()
    assert (collector.asked, collector.taken, telemetry.dropped) == (1, [], 10)


async def test_a_collector_that_stays_away_costs_a_bounded_number_of_attempts() -> None:
    collector = Collector(*[503] * 100)
    telemetry, _ = exporting(collector)
    write(telemetry, 10)
    await telemetry.flush(5)
    assert (collector.asked, telemetry.dropped) == (_export.ATTEMPTS, 10)
    await telemetry.close()


async def test_an_overflowing_queue_drops_and_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_export, "QUEUE_SPANS", 100)
    collector = Collector()
    telemetry, _ = exporting(collector)
    write(telemetry, 130)
    assert telemetry.dropped == 30
    await telemetry.close()
    assert (len(collector.taken), telemetry.dropped) == (100, 30)


async def test_closing_waits_a_bounded_time_and_counts_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_export, "CLOSE_SECONDS", 0.05)
    telemetry, _ = exporting(Collector(*[503] * 100, retry_after="30"))
    write(telemetry, 700)
    await telemetry.close()
    assert telemetry.dropped == 700
    write(telemetry, 1)
    assert telemetry.dropped == 701


async def test_a_value_that_cannot_be_written_costs_its_slice_and_not_the_exporter() -> None:
    collector = Collector()
    telemetry, exporter = exporting(collector)
    exporter.put(FinishedSpan("orders", "odd", SpanKind.INTERNAL, bytes(16), bytes(8), None, -1, 2, None, {}))
    await telemetry.flush(5)
    write(telemetry, 3)
    await telemetry.close()
    assert (len(collector.taken), telemetry.dropped) == (3, 1)


@pytest.mark.parametrize("endpoint", ["", "collector:4318", "127.0.0.1:4318", "ftp://collector", "http:///only-path"])
def test_a_malformed_endpoint_stops_the_start(endpoint: str) -> None:
    with pytest.raises((ValueError, httpx.InvalidURL)):
        open_telemetry(TelemetrySettings(service="orders", endpoint=endpoint))


async def test_the_sdk_behind_the_same_face_tells_the_same_story() -> None:
    memory = InMemorySpanExporter()
    telemetry = Telemetry("orders", sink=SdkSink("http://collector", "orders", exporter=memory))
    with telemetry.span("root", SpanKind.SERVER, parent=SAMPLED) as root:
        with telemetry.span("below", attributes={"mesh.key": "o-1"}) as below:
            pass
        root.fail("LookupError")
    await telemetry.close()
    told = {span.name: span for span in memory.get_finished_spans()}
    assert (below_told := told["below"]).context is not None
    assert below_told.context.span_id == int.from_bytes(below.context.span_id, "big")
    assert below_told.context.trace_id == int.from_bytes(SAMPLED.trace_id, "big")
    assert below_told.parent is not None
    assert below_told.parent.span_id == int.from_bytes(root.context.span_id, "big")
    assert below_told.attributes == {"mesh.key": "o-1"}
    assert (told["root"].kind.name, told["root"].status.description) == ("SERVER", "LookupError")
