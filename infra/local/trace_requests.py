"""What clients of the trace store send: bodies within bounds, searches as Jaeger writes them; the rest is refused."""

from __future__ import annotations

import re
import zlib
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from infra.local.trace_queries import Search

BODY_BYTES = 4 << 20  # as on the wire, and again once decompressed: a small body must not become a large one
PARAMETERS = 50
VALUE_CHARACTERS = 1024  # longer values are not stored either
LOOKBACK_NS = 3_600_000_000_000  # when nobody says
GZIP_WINDOW = 31  # zlib's way to say gzip
DURATION = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)")
UNITS_NS = {"ns": 1, "us": 1e3, "µs": 1e3, "ms": 1e6, "s": 1e9, "m": 6e10, "h": 3.6e12}
LATEST_US = 2**63 // 1000 - 1

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class RequestRefused(Exception):  # the house says no with a participle
    """The client must change its request; `status` says how."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


async def read_body(headers: Mapping[bytes, bytes], receive: Receive) -> bytes:
    """The body, decompressed, within bounds in both forms."""
    if (kind := headers.get(b"content-type", b"").partition(b";")[0].strip()) != b"application/x-protobuf":
        raise RequestRefused(
            415, f"content type {kind.decode('latin-1')!r}; this collector reads application/x-protobuf"
        )
    if (encoding := headers.get(b"content-encoding", b"identity").strip().lower()) not in (b"identity", b"gzip"):
        raise RequestRefused(415, "content encoding must be gzip or none")
    declared = headers.get(b"content-length", b"0")
    if declared.isdigit() and int(declared) > BODY_BYTES:
        raise RequestRefused(413, f"the body is longer than {BODY_BYTES} bytes")
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise RequestRefused(400, "the client went away")
        body += message.get("body", b"")
        if len(body) > BODY_BYTES:
            raise RequestRefused(413, f"the body is longer than {BODY_BYTES} bytes")
        if not message.get("more_body", False):
            return _gunzip(bytes(body)) if encoding == b"gzip" else bytes(body)


def read_query(query: bytes) -> dict[str, str]:
    """The parameters of a URL, the last of each name."""
    try:
        return dict(parse_qsl(query.decode("ascii"), max_num_fields=PARAMETERS, errors="strict"))
    except ValueError:
        raise RequestRefused(400, "the query string cannot be read") from None


def read_value(parameters: Mapping[str, str]) -> str:
    """The id that somebody looks for."""
    value = parameters.get("value", "").strip()
    if not value or len(value) > VALUE_CHARACTERS:
        raise RequestRefused(400, f"give value=<an id> of at most {VALUE_CHARACTERS} characters")
    return value


def read_trace_id(text: str) -> bytes:
    """A trace id in hexadecimal; leading zeros may be missing, as Jaeger's own links leave them out."""
    if not re.fullmatch(r"[0-9a-fA-F]{1,32}", text):
        raise RequestRefused(400, "a trace id is up to 32 hexadecimal digits")
    return bytes.fromhex(text.zfill(32))


def read_search(parameters: Mapping[str, str], now_ns: int) -> Search:
    """Jaeger's search: times in microseconds, durations as 1.5ms, tags as a JSON object."""
    end_ns = _microseconds(parameters, "end", now_ns // 1000) * 1000
    start_ns = _microseconds(parameters, "start", (end_ns - LOOKBACK_NS) // 1000) * 1000
    limit = parameters.get("limit") or "20"
    if not limit.isdecimal() or len(limit) > 9:
        raise RequestRefused(400, "limit is a number")
    return Search(
        start_ns=start_ns,
        end_ns=end_ns,
        service=_text(parameters, "service"),
        operation=_text(parameters, "operation"),
        tags=_tags(parameters.get("tags") or "{}"),
        least_duration_ns=_duration_ns(parameters, "minDuration"),
        most_duration_ns=_duration_ns(parameters, "maxDuration"),
        limit=int(limit),
    )


def _gunzip(body: bytes) -> bytes:
    decompressor = zlib.decompressobj(GZIP_WINDOW)
    try:
        plain = decompressor.decompress(body, BODY_BYTES)
    except zlib.error:
        raise RequestRefused(400, "the body is not gzip") from None
    if decompressor.unconsumed_tail:
        raise RequestRefused(413, f"the body decompresses to more than {BODY_BYTES} bytes")
    if not decompressor.eof:
        raise RequestRefused(400, "the gzip body ends too early")
    return plain


def _text(parameters: Mapping[str, str], name: str) -> str | None:
    value = parameters.get(name) or None
    if value is not None and "\0" in value:
        raise RequestRefused(400, f"{name} holds a NUL")
    return value


def _microseconds(parameters: Mapping[str, str], name: str, default: int) -> int:
    text = parameters.get(name) or str(max(default, 0))
    if not text.isdecimal() or len(text) > 19 or int(text) > LATEST_US:
        raise RequestRefused(400, f"{name} is a time in microseconds since 1970")
    return int(text)


def _duration_ns(parameters: Mapping[str, str], name: str) -> int | None:
    text = parameters.get(name)
    if not text:
        return None
    match = DURATION.fullmatch(text[:32])
    if match is None or (duration_ns := float(match[1]) * UNITS_NS[match[2]]) >= 2**63:
        raise RequestRefused(400, f"{name} is a duration such as 1.5ms")
    return round(duration_ns)


def _tags(text: str) -> dict[str, str]:
    try:
        tags = msgspec.json.decode(text, type=dict[str, str | int | float | bool], strict=True)
    except msgspec.MsgspecError:
        raise RequestRefused(400, 'tags is a JSON object such as {"mesh.key": "o-1"}') from None
    if "\0" in text or "\\u0000" in text or len(tags) > PARAMETERS:
        raise RequestRefused(400, "tags hold a NUL or are too many")
    return {
        key: value if isinstance(value, str) else msgspec.json.encode(value).decode() for key, value in tags.items()
    }
