"""The face of tracing: a process opens one `Telemetry`, code writes `with telemetry.span(...)`, headers carry the rest.

An unsampled span is an object that does nothing: no ids are drawn, no tuple is kept, its parent's header travels on.
"""

from __future__ import annotations

import enum
import os
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Final, Literal

import msgspec

from actors.mesh._quiet_spans import NOTHING, Span, Unchanged
from actors.mesh._spans import AttributeValue, FinishedSpan, SpanKind, SpanList, SpanSink, span_tree
from actors.mesh._trace_context import (
    TraceContext,
    current,
    enter,
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


class _RecordedSpan(Span):
    """The sampled one: at its end it becomes a tuple in the sink."""

    __slots__ = ("_attributes", "_error", "_kind", "_name", "_parent_id", "_start_ns", "_telemetry")

    def __init__(
        self,
        telemetry: Telemetry,
        name: str,
        kind: SpanKind,
        context: TraceContext,
        parent_id: bytes | None,
        attributes: dict[str, AttributeValue],
        start_ns: int,
    ) -> None:
        self.context = context
        self._former = None
        self._telemetry = telemetry
        self._name = name
        self._kind = kind
        self._parent_id = parent_id
        self._attributes = attributes
        self._start_ns = start_ns
        self._error: str | None = None

    def set(self, key: str, value: AttributeValue) -> None:
        """Add an attribute, or change it."""
        self._attributes[key] = value

    def fail(self, description: str) -> None:
        """Mark the work as failed; the last description stays."""
        self._error = description

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        enter(self._former)
        if error is not None:
            self._note(error)
        telemetry = self._telemetry
        context = self.context
        end_ns = telemetry.now_ns()
        telemetry.sink.put(
            FinishedSpan(
                telemetry.service,
                self._name,
                self._kind,
                context.trace_id,
                context.span_id,
                self._parent_id,
                self._start_ns,
                max(end_ns, self._start_ns),  # the wall clock may step back
                self._error,
                self._attributes,
            )
        )

    def _note(self, error: BaseException) -> None:
        """Say how the block was left: a refusal is an answer and a cancellation somebody else's wish, neither failed.

        Only the type's name is kept: a message may hold what the contract declares personal.
        """
        if getattr(error, "is_refusal", False):
            self._attributes["mesh.refusal"] = str(getattr(error, "code", type(error).__name__))
        elif isinstance(error, Exception):
            self._attributes["error.type"] = type(error).__qualname__
            if self._error is None:
                self._error = type(error).__qualname__
        else:
            self._attributes["mesh.cancelled"] = True


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
        if parent is INHERIT:
            parent = current()
            if parent is None and not roots:
                return NOTHING
            if parent is not None and not (parent.sampled and self._records):
                return Unchanged(parent)
        if parent is None:
            context = self._root()
            parent_id = None
        else:
            if not (parent.sampled and self._records):
                return Span(parent)
            context = TraceContext(parent.trace_id, self._id(8), True)
            parent_id = parent.span_id
        if not (context.sampled and self._records):
            return Span(context)
        return _RecordedSpan(
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
                self._id(8),
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
        ids = self._id(24)
        return TraceContext(ids[:16], ids[16:], int.from_bytes(ids[8:16], "big") < self._bound)

    def _id(self, length: int) -> bytes:
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
