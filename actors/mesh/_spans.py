"""Spans as values: the finished span, the sinks it may go to, and its text form for snapshot tests."""

from __future__ import annotations

import enum
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol

AttributeValue = str | bool | int | float


class SpanKind(enum.IntEnum):
    """Which side of a hop a span tells of; the numbers are OTLP's."""

    INTERNAL = 1
    SERVER = 2
    CLIENT = 3
    PRODUCER = 4
    CONSUMER = 5


class FinishedSpan(NamedTuple):
    """One piece of work that is over. A tuple, because the hot path makes five of them a request."""

    service: str
    name: str
    kind: SpanKind
    trace_id: bytes
    span_id: bytes
    parent_id: bytes | None
    start_ns: int
    end_ns: int
    error: str | None
    attributes: Mapping[str, AttributeValue]


class SpanSink(Protocol):
    """Where finished spans go: a list in tests, our exporter, or the OpenTelemetry SDK."""

    dropped: int

    def put(self, span: FinishedSpan) -> None:
        """Take one span; never wait, never raise."""

    async def flush(self, timeout_seconds: float) -> None:
        """Send what is held, as far as the time allows."""

    async def close(self) -> None:
        """Flush and stop; what could not be sent is counted as dropped."""


class SpanList:
    """The sink of the tests: it keeps everything."""

    def __init__(self, spans: list[FinishedSpan]) -> None:
        self.dropped = 0
        self.spans = spans

    def put(self, span: FinishedSpan) -> None:
        """Append."""
        self.spans.append(span)

    async def flush(self, timeout_seconds: float) -> None:
        """Nothing is under way."""

    async def close(self) -> None:
        """Nothing is held."""


def span_tree(spans: Iterable[FinishedSpan]) -> str:
    """Draw spans without ids and times, so that the trace of one order is a snapshot that only a real change alters.

    Children stand in the order they started; neighbours that look alike, subtree and all, are one line `x3`.
    """
    known = list(spans)
    ids = {(span.trace_id, span.span_id) for span in known}
    children: defaultdict[tuple[bytes, bytes | None], list[FinishedSpan]] = defaultdict(list)
    for span in sorted(known, key=lambda span: (span.start_ns, span.name)):
        has_parent = span.parent_id is not None and (span.trace_id, span.parent_id) in ids
        children[(span.trace_id, span.parent_id) if has_parent else (b"", None)].append(span)

    def drawn(parent: tuple[bytes, bytes | None]) -> list[str]:
        blocks = [
            [_line(span), *("  " + line for line in drawn((span.trace_id, span.span_id)))]
            for span in children.get(parent, ())
        ]
        return [line for block in _merged(blocks) for line in block]

    return "".join(line + "\n" for line in drawn((b"", None)))


def _line(span: FinishedSpan) -> str:
    refusal = span.attributes.get("mesh.refusal")
    mark = " !error" if span.error is not None else f" !refused({refusal})" if refusal is not None else ""
    return f"{span.service}: {span.name} [{span.kind.name.lower()}]{mark}"


def _merged(blocks: list[list[str]]) -> list[list[str]]:
    counted: list[tuple[list[str], int]] = []
    for block in blocks:
        if counted and counted[-1][0] == block:
            counted[-1] = (block, counted[-1][1] + 1)
        else:
            counted.append((block, 1))
    return [[block[0] + (f" x{count}" if count > 1 else ""), *block[1:]] for block, count in counted]
