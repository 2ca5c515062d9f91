"""The OpenTelemetry SDK behind our face: a switch to compare with, some nine times dearer than our own exporter."""

from __future__ import annotations

import asyncio

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)
from opentelemetry.trace import SpanKind as OpenTelemetryKind

from actors.mesh._export import BATCH_SPANS, CLOSE_SECONDS, QUEUE_SPANS
from actors.mesh._spans import FinishedSpan, SpanKind

KINDS = {
    SpanKind.INTERNAL: OpenTelemetryKind.INTERNAL,
    SpanKind.SERVER: OpenTelemetryKind.SERVER,
    SpanKind.CLIENT: OpenTelemetryKind.CLIENT,
    SpanKind.PRODUCER: OpenTelemetryKind.PRODUCER,
    SpanKind.CONSUMER: OpenTelemetryKind.CONSUMER,
}
SAMPLED = TraceFlags(TraceFlags.SAMPLED)


class _GivenIds(IdGenerator):
    """The ids were drawn when the span began; the SDK asks for them when it ends."""

    def __init__(self) -> None:
        self.trace_id = 0
        self.span_id = 0

    def generate_trace_id(self) -> int:
        """Of the span that is being put."""
        return self.trace_id

    def generate_span_id(self) -> int:
        """Of the span that is being put."""
        return self.span_id


class SdkSink:
    """A sink that starts and ends an SDK span for each of ours; `dropped` stays 0, the SDK does not tell."""

    def __init__(self, endpoint: str, service: str, *, exporter: SpanExporter | None = None) -> None:
        self.dropped = 0
        self._ids = _GivenIds()
        self._provider = TracerProvider(
            sampler=ALWAYS_ON,  # what was not sampled never comes here
            resource=Resource.create({"service.name": service}),
            shutdown_on_exit=False,
            id_generator=self._ids,
            span_limits=SpanLimits(max_attribute_length=1024),
        )
        self._provider.add_span_processor(
            BatchSpanProcessor(
                exporter or OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces", compression=Compression.Gzip),
                max_queue_size=QUEUE_SPANS,
                max_export_batch_size=BATCH_SPANS,
            )
        )
        self._tracer = self._provider.get_tracer("actors.mesh")

    def put(self, span: FinishedSpan) -> None:
        """Hand one span to the SDK."""
        self._ids.trace_id = int.from_bytes(span.trace_id, "big")
        self._ids.span_id = int.from_bytes(span.span_id, "big")
        started = self._tracer.start_span(
            span.name,
            context=self._parent(span),
            kind=KINDS[span.kind],
            attributes=dict(span.attributes),
            start_time=span.start_ns,
        )
        if span.error is not None:
            started.set_status(Status(StatusCode.ERROR, span.error))
        started.end(span.end_ns)

    async def flush(self, timeout_seconds: float) -> None:
        """The SDK blocks while it sends, so it does so in a thread."""
        await asyncio.to_thread(self._provider.force_flush, round(timeout_seconds * 1000))

    async def close(self) -> None:
        """Flush and stop the SDK's own thread."""
        await self.flush(CLOSE_SECONDS)
        await asyncio.to_thread(self._provider.shutdown)

    def _parent(self, span: FinishedSpan) -> Context:
        if span.parent_id is None:
            return Context()
        trace_id = int.from_bytes(span.trace_id, "big")
        parent = SpanContext(trace_id, int.from_bytes(span.parent_id, "big"), is_remote=True, trace_flags=SAMPLED)
        return set_span_in_context(NonRecordingSpan(parent), Context())
