"""Which trace the running task is in: the W3C `traceparent` header, read strictly, and one context variable."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextvars import ContextVar

from msgspec import Struct

# Lower case only and no empty ids, as the recommendation says; a later version may append fields, the current may not.
TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")
CURRENT_CHARACTERS = 55
TRACEPARENT_CHARACTERS = 256  # a longer header is not one; the bound keeps a hostile one from the pattern
CURRENT_VERSION = "00"
FORBIDDEN_VERSION = "ff"
SAMPLED_FLAG = 1
NO_TRACE_ID = bytes(16)
NO_SPAN_ID = bytes(8)


class TraceContext(Struct, frozen=True):
    """What one process tells the next about the trace both are in."""

    trace_id: bytes
    span_id: bytes
    sampled: bool


NOWHERE = TraceContext(NO_TRACE_ID, NO_SPAN_ID, False)

_current: ContextVar[TraceContext | None] = ContextVar("mesh_trace_context", default=None)


def parse_traceparent(header: str | None) -> TraceContext | None:
    """Read a W3C header; whatever is malformed is as good as absent, because a trace never refuses a message."""
    if header is None or len(header) > TRACEPARENT_CHARACTERS:
        return None
    if TRACEPARENT.fullmatch(header) is None:
        return None
    version = header[:2]
    if version == FORBIDDEN_VERSION or (version == CURRENT_VERSION and len(header) != CURRENT_CHARACTERS):
        return None
    trace_id, span_id = bytes.fromhex(header[3:35]), bytes.fromhex(header[36:52])
    if trace_id == NO_TRACE_ID or span_id == NO_SPAN_ID:
        return None
    return TraceContext(trace_id, span_id, bool(int(header[54], 16) & SAMPLED_FLAG))


def format_traceparent(context: TraceContext) -> str:
    """Write the header that `parse_traceparent` reads."""
    return f"00-{context.trace_id.hex()}-{context.span_id.hex()}-{'01' if context.sampled else '00'}"


current: Callable[[], TraceContext | None] = _current.get
"""Where the running task is, or None outside of every trace."""

enter: Callable[[TraceContext | None], object] = _current.set
"""Make a context the running task's own; whoever enters puts the former one back.

No `Token.reset`: it raises when a generator is closed by another task, and tracing never raises into its caller.
"""


def traceparent() -> str | None:
    """The header for an outgoing message; ids travel when unsampled too, so that every hop decides alike."""
    context = current()
    return None if context is None else format_traceparent(context)
