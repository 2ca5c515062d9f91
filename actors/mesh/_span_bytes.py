"""Finished spans as standard OTLP protobuf, written by hand: a third of what the protobuf library costs.

`opentelemetry-proto` is the oracle of this module's tests: what it decodes must equal what it would have built.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

from actors.mesh._spans import AttributeValue, FinishedSpan

ATTRIBUTES_PER_SPAN = 64  # the collector keeps no more either
VALUE_CHARACTERS = 1024  # a body pasted into an attribute must not make a span of megabytes
CACHED_PREFIXES = 4096  # names come from the contract, so this is never reached; a name made of ids must not grow it
INT64 = range(-(2**63), 2**63)
SCOPE_NAME = "actors.mesh"

_HEAD = struct.Struct("<2s16s2s8s2s8ssQsQ").pack  # trace id, span id, parent id, start, end in one call
_ROOT = struct.Struct("<2s16s2s8ssQsQ").pack
_DOUBLE = struct.Struct("<d").pack
_ONE = [bytes((number,)) for number in range(128)]
_TWO = [bytes((number & 0x7F | 0x80, number >> 7)) for number in range(4096)]
_operations: dict[tuple[str, int], bytes] = {}
_keys: dict[str, bytes] = {}


def encode_request(spans: Sequence[FinishedSpan], resource: bytes) -> bytes:
    """One `ResourceSpans` of an export request.

    Requests may be concatenated: protobuf joins repeated fields, so a large batch is encoded slice by slice.
    """
    scope_spans = _SCOPE + b"".join(map(encode_span, spans))
    return _field(1, resource + _field(2, scope_spans))


def encode_resource(attributes: Mapping[str, AttributeValue]) -> bytes:
    """What `encode_request` puts in front: the process that speaks."""
    return _field(1, b"".join(_field(1, _field(1, key.encode()) + _value(value)) for key, value in attributes.items()))


def encode_span(span: FinishedSpan) -> bytes:
    """One entry of `ScopeSpans.spans`, tag and length included."""
    _, name, kind, trace_id, span_id, parent_id, start_ns, end_ns, error, attributes = span
    if parent_id is None:
        head = _ROOT(b"\x0a\x10", trace_id, b"\x12\x08", span_id, b"\x39", start_ns, b"\x41", end_ns)
    else:
        head = _HEAD(
            b"\x0a\x10", trace_id, b"\x12\x08", span_id, b"\x22\x08", parent_id, b"\x39", start_ns, b"\x41", end_ns
        )
    parts = [head, _operations.get((name, kind)) or _operation(name, kind)]
    if attributes:
        pairs = list(attributes.items())
        parts.extend(_attribute(key, value) for key, value in pairs[:ATTRIBUTES_PER_SPAN])
    if error is not None:
        message = _text(error)
        parts.append(_field(15, (_field(2, message) if message else b"") + b"\x18\x02"))
    body = b"".join(parts)
    return b"\x12" + _varint(len(body)) + body


def _attribute(key: str, value: AttributeValue) -> bytes:
    prefix = _keys.get(key) or _key(key)
    if isinstance(value, str) and len(value) < 64:
        raw = value.encode("utf-8", "replace")
        length, prefix_length = len(raw), len(prefix)
        if length < 100 and prefix_length + length < 122:  # every length is one byte: the usual attribute
            return b"\x4a%c%b\x12%c\x0a%c%b" % (prefix_length + length + 4, prefix, length + 2, length, raw)
    return _field(9, prefix + _value(value))


def _value(value: AttributeValue) -> bytes:
    if isinstance(value, bool):
        return _field(2, b"\x10\x01" if value else b"\x10\x00")
    if isinstance(value, int) and value in INT64:
        return _field(2, b"\x18" + _varint(value & 0xFFFF_FFFF_FFFF_FFFF))
    if isinstance(value, float):
        return _field(2, b"\x21" + _DOUBLE(value))
    return _field(2, _field(1, _text(str(value))))


def _text(text: str) -> bytes:
    """A lone surrogate is no UTF-8 and would make the collector refuse the whole batch."""
    return text[:VALUE_CHARACTERS].encode("utf-8", "replace")


def _operation(name: str, kind: int) -> bytes:
    if len(_operations) >= CACHED_PREFIXES:
        _operations.clear()
    encoded = _operations[(name, kind)] = _field(5, _text(name)) + b"\x30" + _varint(kind)
    return encoded


def _key(key: str) -> bytes:
    if len(_keys) >= CACHED_PREFIXES:
        _keys.clear()
    encoded = _keys[key] = _field(1, _text(key))
    return encoded


def _field(number: int, payload: bytes) -> bytes:
    return _ONE[number << 3 | 2] + _varint(len(payload)) + payload  # our field numbers all fit one byte


def _varint(number: int) -> bytes:
    if number < 128:
        return _ONE[number]
    if number < 4096:
        return _TWO[number]
    encoded = bytearray()
    while number > 127:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


_SCOPE = _field(1, _field(1, SCOPE_NAME.encode()))
