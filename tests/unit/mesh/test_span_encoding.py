"""Our hand-written OTLP bytes are those of the protobuf library: whatever the span, both decode to the same message."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from actors.mesh._span_bytes import ATTRIBUTES_PER_SPAN, VALUE_CHARACTERS, encode_request, encode_resource
from actors.mesh._spans import AttributeValue, FinishedSpan, SpanKind

TEXT = st.text(st.characters(codec="utf-8"), max_size=300)
VALUES = st.one_of(TEXT, st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False))
TIMES = st.integers(0, 2**63 - 1)
SPANS = st.builds(
    FinishedSpan,
    service=st.just("orders"),
    name=TEXT,
    kind=st.sampled_from(SpanKind),
    trace_id=st.binary(min_size=16, max_size=16),
    span_id=st.binary(min_size=8, max_size=8),
    parent_id=st.none() | st.binary(min_size=8, max_size=8),
    start_ns=TIMES,
    end_ns=TIMES,
    error=st.none() | TEXT,
    attributes=st.dictionaries(TEXT, VALUES, max_size=8),
)


def by_library(spans: list[FinishedSpan], resource: dict[str, AttributeValue]) -> ExportTraceServiceRequest:
    return ExportTraceServiceRequest(
        resource_spans=[
            ResourceSpans(
                resource=Resource(attributes=[pair(*item) for item in resource.items()]),
                scope_spans=[
                    ScopeSpans(scope=InstrumentationScope(name="actors.mesh"), spans=[library_span(s) for s in spans])
                ],
            )
        ]
    )


def library_span(span: FinishedSpan) -> Span:
    return Span(
        trace_id=span.trace_id,
        span_id=span.span_id,
        parent_span_id=span.parent_id or b"",
        name=span.name,
        kind=Span.SpanKind.ValueType(span.kind),
        start_time_unix_nano=span.start_ns,
        end_time_unix_nano=span.end_ns,
        attributes=[pair(*item) for item in span.attributes.items()],
        status=None if span.error is None else Status(code=Status.STATUS_CODE_ERROR, message=span.error),
    )


def pair(key: str, value: AttributeValue) -> KeyValue:
    match value:
        case bool():
            return KeyValue(key=key, value=AnyValue(bool_value=value))
        case int():
            return KeyValue(key=key, value=AnyValue(int_value=value))
        case float():
            return KeyValue(key=key, value=AnyValue(double_value=value))
        case str():
            return KeyValue(key=key, value=AnyValue(string_value=value))


def read(body: bytes) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    request.ParseFromString(body)
    return request


@given(st.lists(SPANS, max_size=5), st.dictionaries(TEXT, VALUES, max_size=4))
def test_our_bytes_decode_to_what_the_library_would_have_built(
    spans: list[FinishedSpan], resource: dict[str, AttributeValue]
) -> None:
    assert read(encode_request(spans, encode_resource(resource))) == by_library(spans, resource)


@given(st.lists(SPANS, min_size=2, max_size=6))
def test_slices_joined_are_one_request_that_loses_nothing(spans: list[FinishedSpan]) -> None:
    resource = encode_resource({"service.name": "orders"})
    joined = read(b"".join(encode_request([span], resource) for span in spans))
    assert [part.scope_spans[0].spans[0] for part in joined.resource_spans] == [library_span(s) for s in spans]


def test_lengths_at_the_edges_of_one_and_two_bytes_are_right() -> None:
    for length in (*range(50, 140), 4094, 4095, 4096, 4097, 16383, 16384):
        text = "x" * min(length, VALUE_CHARACTERS)
        span = example({text[:200]: text, "y" * (length % 190 + 1): "é" * (length // 2 % VALUE_CHARACTERS)})
        assert read(encode_request([span] * 3, b"")).resource_spans[0].scope_spans[0].spans[1] == library_span(span)


def test_what_is_out_of_bounds_is_cut_and_still_readable() -> None:
    odd: dict[str, AttributeValue] = {"long": "x" * 5000, "huge": 2**63, "surrogate": "\ud800", "nan": float("nan")}
    many: dict[str, AttributeValue] = {f"k{number}": number for number in range(200)}
    told = read(encode_request([example(odd), example(many)], b"")).resource_spans[0].scope_spans[0].spans
    values = {pair.key: pair.value for pair in told[0].attributes}
    assert len(values["long"].string_value) == VALUE_CHARACTERS
    assert (values["huge"].string_value, values["surrogate"].string_value) == (str(2**63), "?")
    assert struct.pack("<d", values["nan"].double_value) == struct.pack("<d", float("nan"))
    assert len(told[1].attributes) == ATTRIBUTES_PER_SPAN


def example(attributes: dict[str, AttributeValue]) -> FinishedSpan:
    return FinishedSpan("orders", "work", SpanKind.SERVER, b"t" * 16, b"s" * 8, b"p" * 8, 1, 2, None, attributes)
