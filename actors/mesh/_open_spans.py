"""Spans under way: the one that does nothing, the one that is recorded, and the one that is recorded if it fails.

A trace that was not sampled leaves nothing behind as long as all goes well. What fails in it will be asked about, so a
hop that fails there is recorded after all: the trace of its failing hops alone, each marked `mesh.sampled=false`.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

from actors.mesh._spans import AttributeValue, FinishedSpan, SpanKind, SpanSink
from actors.mesh._trace_context import NOWHERE, TraceContext, current, enter

FAILURES_KEPT_A_SECOND = 50
"""Of one process: enough to see what fails, far less than an outage under load would make."""


class Recorder(Protocol):
    """What a span needs to be recorded."""

    service: str
    sink: SpanSink
    now_ns: Callable[[], int]
    failures: Failures

    def new_id(self, length: int) -> bytes:
        """Return so many random bytes."""


class Failures:
    """How many failures of unsampled traces were recorded in the second of now, and how many never were."""

    def __init__(self) -> None:
        self.left_out = 0
        self._second = 0
        self._kept = 0

    def has_room(self, now_ns: int) -> bool:
        """Count one more; return whether it may be recorded."""
        second = now_ns // 1_000_000_000
        if second != self._second:
            self._second, self._kept = second, 0
        self._kept += 1
        if self._kept <= FAILURES_KEPT_A_SECOND:
            return True
        self.left_out += 1
        return False


class Span:
    """Work under way, entered by `with`; this very class is the unsampled one."""

    __slots__ = ("_former", "context")

    def __init__(self, context: TraceContext) -> None:
        self.context = context
        self._former: TraceContext | None = None

    def set(self, key: str, value: AttributeValue) -> None:
        """Add an attribute."""

    def fail(self, description: str) -> None:
        """Mark the work as failed; an exception that leaves the block does so too, a refusal does not."""

    def __enter__(self) -> Self:
        self._former = current()
        if self.context is not NOWHERE:
            enter(self.context)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        enter(self._former)


class Unchanged(Span):
    """An unsampled one within another of the same context: there is nothing to enter and nothing to put back."""

    __slots__ = ()

    def __init__(self, context: TraceContext) -> None:
        self.context = context

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        pass


NOTHING = Unchanged(NOWHERE)
"""Outside of every trace."""


class RecordedSpan(Span):
    """The sampled one: at its end it becomes a tuple in the sink."""

    __slots__ = ("_attributes", "_error", "_kind", "_name", "_parent_id", "_recorder", "_start_ns")

    def __init__(
        self,
        recorder: Recorder,
        name: str,
        kind: SpanKind,
        context: TraceContext,
        parent_id: bytes | None,
        attributes: dict[str, AttributeValue],
        start_ns: int,
    ) -> None:
        self.context = context
        self._former = None
        self._recorder = recorder
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
        self._record(self.context.span_id, self._recorder.now_ns())

    def _record(self, span_id: bytes, end_ns: int) -> None:
        recorder = self._recorder
        recorder.sink.put(
            FinishedSpan(
                recorder.service,
                self._name,
                self._kind,
                self.context.trace_id,
                span_id,
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


class UnsampledSpan(RecordedSpan):
    """An entrance of an unsampled trace: nothing comes of it unless it fails.

    Only the root of such a trace has drawn ids, and they travel through all of it: whatever is recorded is its child.
    """

    __slots__ = ()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        enter(self._former)
        if error is not None:
            self._note(error)
        if self._error is None:
            return
        recorder = self._recorder
        end_ns = recorder.now_ns()
        if recorder.failures.has_room(end_ns):
            self._attributes["mesh.sampled"] = False
            self._record(self.context.span_id if self._parent_id is None else recorder.new_id(8), end_ns)
