"""OTLP bytes as rows of the trace store: what is the same for many spans goes to the dictionary of operations."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import msgspec
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # has no stubs of its own
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

ERROR_FLAG = 1
REMOTE_PARENT_FLAG = 2
REMOTE_PARENT_BITS = 0x300  # OTLP: bit 8 says that bit 9 is known, bit 9 that the parent is remote
ATTRIBUTES_PER_SPAN = 64  # what a recorder keeps; a careless one must not fill the disk
EVENTS_PER_SPAN = 32
VALUE_CHARACTERS = 1024
NAME_CHARACTERS = 256  # with the two below an operation stays under 2,700 bytes, what a unique index can hold
SERVICE_CHARACTERS = 128
OPERATION_BYTES = 1000
KEYS_PER_SPAN = 8  # a row each in trace_key
LATEST_NS = 2**63 - 1  # of a bigint; the wire has 64 bits without a sign

# Attributes whose values come from the contract or the routes: a few hundred combinations in all.
OPERATION_ATTRIBUTES = frozenset(
    (
        *("rpc.system", "rpc.service", "rpc.method", "messaging.system", "messaging.operation.type"),
        *("messaging.destination.name", "http.route", "http.request.method", "url.scheme", "network.protocol.name"),
        *("db.system.name", "db.namespace", "db.operation.name", "server.address", "server.port", "mesh.caller"),
    )
)
KEY_ATTRIBUTES = frozenset(("mesh.key", "mesh.command_id", "mesh.correlation_id", "mesh.cause_id", "mesh.event_id"))
KEY_SUFFIXES = ("_id", ".id")

JsonValue = str | bool | int | float | list["JsonValue"] | dict[str, "JsonValue"] | None


class Operation(NamedTuple):
    """A row of the dictionary, attributes as canonical JSON."""

    service: str
    name: str
    kind: int
    attributes: str


class SpanRow(NamedTuple):
    """A span before its operation has a number."""

    operation: Operation
    started_ns: int
    duration_ns: int
    span_id: int
    parent_id: int | None
    flags: int
    trace_id: bytes
    attributes: str | None
    events: str | None


class TraceKey(NamedTuple):
    """Where a value occurred first within a trace."""

    key_hash: int
    started_ns: int
    trace_id: bytes


class Rows(NamedTuple):
    """What one request becomes; `rejected` spans had ids or times that are none."""

    spans: list[SpanRow]
    keys: list[TraceKey]
    rejected: int


def parse(body: bytes) -> ExportTraceServiceRequest:
    """Read a request, or raise ValueError."""
    request = ExportTraceServiceRequest()
    try:
        request.ParseFromString(body)
    except DecodeError as error:
        raise ValueError("not an OTLP ExportTraceServiceRequest") from error
    return request


def rows(request: ExportTraceServiceRequest) -> Rows:
    """Turn a request into rows, dropping the spans that cannot be one."""
    spans: list[SpanRow] = []
    keys: dict[tuple[str, bytes], TraceKey] = {}
    rejected = 0
    for resource_spans in request.resource_spans:
        service = "unknown"
        for pair in resource_spans.resource.attributes:
            if pair.key == "service.name":
                service = _text(pair.value.string_value)[:SERVICE_CHARACTERS] or service
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                row = _row(service, span, keys)
                if row is None:
                    rejected += 1
                else:
                    spans.append(row)
    return Rows(spans, list(keys.values()), rejected)


def key_hash(value: str) -> int:
    """64 bits of BLAKE2b, signed as a bigint is."""
    return int.from_bytes(hashlib.blake2b(value.encode(), digest_size=8).digest(), "big", signed=True)


def _row(service: str, span: Span, keys: dict[tuple[str, bytes], TraceKey]) -> SpanRow | None:
    trace_id, started_ns = span.trace_id, span.start_time_unix_nano
    if len(trace_id) != 16 or len(span.span_id) != 8 or len(span.parent_span_id) not in (0, 8):
        return None
    if not 0 < started_ns <= LATEST_NS:
        return None
    shared, own = _attributes(span)
    _note_keys(own, started_ns, trace_id, keys)
    flags = 0
    if span.status.code == Status.STATUS_CODE_ERROR:
        flags = ERROR_FLAG
        if span.status.message:
            own["error.message"] = _text(span.status.message)
    if span.flags & REMOTE_PARENT_BITS == REMOTE_PARENT_BITS:
        flags |= REMOTE_PARENT_FLAG
    return SpanRow(
        Operation(service, _text(span.name)[:NAME_CHARACTERS], span.kind, shared),
        started_ns,
        min(max(span.end_time_unix_nano - started_ns, 0), LATEST_NS),
        int.from_bytes(span.span_id, "big", signed=True),
        int.from_bytes(span.parent_span_id, "big", signed=True) if span.parent_span_id else None,
        flags,
        trace_id,
        _json(own) if own else None,
        _events(span) if span.events else None,
    )


def _attributes(span: Span) -> tuple[str, dict[str, JsonValue]]:
    """The operation's attributes as JSON, and the span's own."""
    shared: dict[str, JsonValue] = {}
    own: dict[str, JsonValue] = {}
    for pair in span.attributes[:ATTRIBUTES_PER_SPAN]:
        key, text = pair.key, pair.value.string_value
        (shared if key in OPERATION_ATTRIBUTES else own)[_text(key)] = _text(text) if text else _value(pair.value)
    if not shared:
        return "{}", own
    encoded = _json(shared)
    return (encoded, own) if len(encoded) <= OPERATION_BYTES else ("{}", shared | own)


def _note_keys(
    own: dict[str, JsonValue], started_ns: int, trace_id: bytes, keys: dict[tuple[str, bytes], TraceKey]
) -> None:
    values = [value for name, value in own.items() if isinstance(value, str) and value and names_a_key(name)]
    for value in values[:KEYS_PER_SPAN]:
        if (value, trace_id) not in keys:
            keys[value, trace_id] = TraceKey(key_hash(value), started_ns, trace_id)


def names_a_key(attribute: str) -> bool:
    """Whether the values of an attribute are looked up: those the mesh sets, and every id."""
    return attribute in KEY_ATTRIBUTES or attribute.endswith(KEY_SUFFIXES)


def _events(span: Span) -> str:
    return _json(
        [
            [
                min(event.time_unix_nano, LATEST_NS),
                _text(event.name),
                {_text(pair.key): _value(pair.value) for pair in event.attributes[:ATTRIBUTES_PER_SPAN]},
            ]
            for event in span.events[:EVENTS_PER_SPAN]
        ]
    )


def _value(value: AnyValue) -> JsonValue:
    match value.WhichOneof("value"):
        case "string_value":
            return _text(value.string_value)
        case "bool_value":
            return value.bool_value
        case "int_value":
            return value.int_value
        case "double_value":
            return value.double_value
        case "bytes_value":
            return value.bytes_value.hex()[:VALUE_CHARACTERS]
        case "array_value":
            return [_value(inner) for inner in value.array_value.values[:ATTRIBUTES_PER_SPAN]]
        case "kvlist_value":
            return {_text(p.key): _value(p.value) for p in value.kvlist_value.values[:ATTRIBUTES_PER_SPAN]}
        case _:
            return None


def _text(text: str) -> str:
    """PostgreSQL stores every character but NUL, and one of them would cost the whole batch."""
    return text[:VALUE_CHARACTERS].replace("\0", "\ufffd")


def _json(value: JsonValue) -> str:
    return msgspec.json.encode(value, order="sorted").decode()
