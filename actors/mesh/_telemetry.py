"""The face of tracing: a process opens one `Telemetry`, code writes `with telemetry.span(...)`, headers carry the rest.

An unsampled span draws no ids and leaves no tuple; its parent's header travels on. Should the hop fail, it is recorded.
"""

from __future__ import annotations

import enum
import os
import time
from collections.abc import Callable, Mapping
from typing import Final, Literal

import msgspec

from actors.mesh._open_spans import NOTHING, Failures, RecordedSpan, Span, Unchanged, UnsampledSpan
from actors.mesh._spans import AttributeValue, FinishedSpan, SpanKind, SpanList, SpanSink, span_tree
from actors.mesh._trace_context import (
    TraceContext,
    current,
    format_traceparent,
    parse_traceparent,
    traceparent,
)

__all__ = [
    "INHERIT",
    "AttributeValue",
    "FinishedSpan",
    "Inherit",
    "Span",
    "SpanKind",
    "Telemetry",
    "TelemetrySettings",
    "TraceContext",
    "current",
    "format_traceparent",
    "open_telemetry",
    "parse_traceparent",
    "span_tree",
    "traceparent",
]

RANDOM_BLOCK_BYTES = 2048  # ids are cut from a block: a system call for each would cost more than the rest of the span
RATIO_SCALE = 2**64  # the head decision reads the last eight bytes of the trace id, as OpenTelemetry's own sampler does


class Inherit(enum.Enum):
    """The default parent: where the running task is. None means something else, a new root."""

    INHERIT = "inherit"


INHERIT: Final = Inherit.INHERIT


class TelemetrySettings(msgspec.Struct, frozen=True, kw_only=True):
    """How one process traces; `endpoint` is an OTLP base URL, without it nothing is recorded."""

    service: str
    endpoint: str | None = None
    mode: Literal["lean", "sdk", "off"] = "lean"
    ratio: float = 1.0


class Telemetry:
    """A process' tracing. Open it after a fork: the block of random bytes must not be shared by two processes.

    Tests pass `collect`, a list that receives every finished span; several services may share one list.
    """

    def __init__(
        self,
        service: str,
        *,
        ratio: float = 1.0,
        collect: list[FinishedSpan] | None = None,
        sink: SpanSink | None = None,
        now_ns: Callable[[], int] = time.time_ns,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self.service = service
        self.collect = collect
        self.now_ns = now_ns
        self.sink: SpanSink = sink if sink is not None else SpanList([] if collect is None else collect)
        self.failures = Failures()
        self._records = sink is not None or collect is not None
        self._bound = round(ratio * RATIO_SCALE)
        self._random_bytes = random_bytes
        self._block = b""
        self._used = 0

    @property
    def dropped(self) -> int:
        """Spans that were recorded and never reached a collector."""
        return self.sink.dropped

    def span(
        self,
        name: str,
        kind: SpanKind = SpanKind.INTERNAL,
        *,
        parent: TraceContext | Inherit | None = INHERIT,
        attributes: Mapping[str, AttributeValue] | None = None,
        start_ns: int | None = None,
        roots: bool = False,
    ) -> Span:
        """Open a span: under the running one, under a message's `parent`, or with None as a new root.

        Outside of every trace the default records nothing, unless `roots` asks for a trace of its own.
        """
        around = None
        if parent is INHERIT:
            parent = around = current()
            if parent is None and not roots:
                return NOTHING
        if parent is None:
            context, parent_id = self._root(), None
        elif parent.sampled and self._records:
            context, parent_id = TraceContext(parent.trace_id, self.new_id(8), True), parent.span_id
        else:
            context, parent_id = parent, parent.span_id
        opened = RecordedSpan
        if not (context.sampled and self._records):
            if not self._records or not (kind is SpanKind.SERVER or kind is SpanKind.CONSUMER):
                return Span(context) if context is not around else Unchanged(context)
            opened = UnsampledSpan  # a request or a message comes in here: it is recorded if it fails
        return opened(
            self,
            name,
            kind,
            context,
            parent_id,
            {} if attributes is None else dict(attributes),
            self.now_ns() if start_ns is None else start_ns,
        )

    def record(
        self,
        name: str,
        kind: SpanKind,
        *,
        parent: TraceContext,
        start_ns: int,
        end_ns: int,
        attributes: Mapping[str, AttributeValue] | None = None,
    ) -> None:
        """Keep a span that is over already: a wait in a mailbox or an outbox."""
        if not (parent.sampled and self._records):
            return
        end_ns = max(end_ns, start_ns)
        self.sink.put(
            FinishedSpan(
                self.service,
                name,
                kind,
                parent.trace_id,
                self.new_id(8),
                parent.span_id,
                start_ns,
                end_ns,
                None,
                {} if attributes is None else dict(attributes),
            )
        )

    async def flush(self, timeout_seconds: float) -> None:
        """Send what is held, as far as the time allows."""
        await self.sink.flush(timeout_seconds)

    async def close(self) -> None:
        """Flush within the sink's own limit and stop."""
        await self.sink.close()

    def _root(self) -> TraceContext:
        ids = self.new_id(24)
        return TraceContext(ids[:16], ids[16:], int.from_bytes(ids[8:16], "big") < self._bound)

    def new_id(self, length: int) -> bytes:
        """Return so many random bytes, cut from a block."""
        used = self._used
        if used + length > len(self._block):
            self._block = self._random_bytes(RANDOM_BLOCK_BYTES)
            used = 0
        self._used = used + length
        return self._block[used : used + length]


def open_telemetry(settings: TelemetrySettings) -> Telemetry:
    """Build what the settings say; the exporters are imported only by who uses them, the SDK alone takes 0.2 s."""
    sink: SpanSink | None = None
    if settings.endpoint is not None and settings.mode == "lean":
        from actors.mesh._export import SpanExporter

        sink = SpanExporter(settings.endpoint, settings.service)
    elif settings.endpoint is not None and settings.mode == "sdk":
        from actors.mesh._export_sdk import SdkSink

        sink = SdkSink(settings.endpoint, settings.service)
    return Telemetry(settings.service, ratio=settings.ratio, sink=sink)
