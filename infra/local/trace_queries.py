"""The reading half of the trace store, in the JSON shape of Jaeger's query API, so that its links and clients work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from infra.local.trace_partitions import Connection
from infra.local.trace_rows import ERROR_FLAG, JsonValue, key_hash

SEARCH_TRACES = 20  # when nobody says
SEARCH_TRACES_MOST = 200
HIT_SPANS = 400  # spans looked at to find traces: a trace has several that match
FOUND_TRACES = 50  # traces of one id, newest first; a customer may have thousands
TRACE_SPANS = 10_000  # beyond it nobody reads a waterfall
KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")
TAG_TYPES: Mapping[type, str] = {bool: "bool", int: "int64", float: "float64"}

_SPANS = f"""
select s.trace_id, s.span_id, s.parent_id, s.started_ns, s.duration_ns, s.flags, s.attributes, s.events,
       o.service, o.name, o.kind, o.attributes as operation_attributes
from otel.span s join otel.operation o using (operation_id)
where s.trace_id = $1 order by s.started_ns, s.duration_ns desc limit {TRACE_SPANS}
"""  # noqa: S608  # a constant
_FIND = f"""
select trace_id, min(started_ns) as started_ns from otel.trace_key
where key_hash = $1 group by trace_id order by 2 desc limit {FOUND_TRACES}
"""  # noqa: S608  # a constant
_SEARCH = """
with hit as (
    select s.trace_id, s.started_ns from otel.span s{join}
    where {conditions} order by s.started_ns desc limit {spans}
)
select trace_id from hit group by trace_id order by max(started_ns) desc limit {traces}
"""
_OF_SERVICE = """
s.operation_id = any(array(
    select operation_id from otel.operation where service = {0} and ({1}::text is null or name = {1})
))
"""


class Search(msgspec.Struct, frozen=True, kw_only=True):
    """What a search asks for; times in nanoseconds."""

    start_ns: int
    end_ns: int
    service: str | None = None
    operation: str | None = None
    tags: Mapping[str, str] = {}
    least_duration_ns: int | None = None
    most_duration_ns: int | None = None
    limit: int = SEARCH_TRACES


async def services(connection: Connection) -> list[str]:
    """Every service that ever sent a span."""
    return [row["service"] for row in await connection.fetch("select distinct service from otel.operation order by 1")]


async def operations(connection: Connection, service: str) -> list[str]:
    """Every operation of one service."""
    found = await connection.fetch("select distinct name from otel.operation where service = $1 order by 1", service)
    return [row["name"] for row in found]


async def find(connection: Connection, value: str) -> list[dict[str, JsonValue]]:
    """The traces in which some id had this value, newest first."""
    found = await connection.fetch(_FIND, key_hash(value))
    return [{"traceID": row["trace_id"].hex(), "startTime": row["started_ns"] // 1000} for row in found]


async def trace(connection: Connection, trace_id: bytes) -> dict[str, JsonValue] | None:
    """One trace whole, or None."""
    found = await connection.fetch(_SPANS, trace_id)
    return _jaeger_trace(trace_id, found) if found else None


async def search(connection: Connection, wanted: Search) -> list[dict[str, JsonValue]]:
    """The newest traces that hold a span as wanted."""
    statement, arguments = _statement(wanted)
    found = [await trace(connection, row["trace_id"]) for row in await connection.fetch(statement, *arguments)]
    return [one for one in found if one is not None]


def _statement(wanted: Search) -> tuple[str, list[object]]:
    arguments: list[object] = [wanted.start_ns, wanted.end_ns]
    conditions = ["s.started_ns between $1 and $2"]
    join = ""

    def add(condition: str, *values: object) -> None:
        places = [f"${len(arguments) + number}" for number in range(1, len(values) + 1)]
        arguments.extend(values)
        conditions.append(condition.format(*places))

    if wanted.service is not None:
        add(_OF_SERVICE, wanted.service, wanted.operation)
    if wanted.least_duration_ns is not None:
        add("s.duration_ns >= {0}", wanted.least_duration_ns)
    if wanted.most_duration_ns is not None:
        add("s.duration_ns <= {0}", wanted.most_duration_ns)
    for key, value in wanted.tags.items():
        if (key, value) == ("error", "true"):
            add(f"s.flags & {ERROR_FLAG} = {ERROR_FLAG}")
        else:
            join = " join otel.operation o using (operation_id)"
            add("coalesce(s.attributes ->> {0}, o.attributes ->> {0}) = {1}", key, value)
    if len(conditions) == 1:
        conditions.append("s.parent_id is null")  # nothing is asked for: the newest traces, by the index of roots
    limit = min(max(wanted.limit, 1), SEARCH_TRACES_MOST)
    spans = max(HIT_SPANS, limit)
    return _SEARCH.format(join=join, conditions=" and ".join(conditions), spans=spans, traces=limit), arguments


def _jaeger_trace(trace_id: bytes, found: Sequence[Mapping[str, Any]]) -> dict[str, JsonValue]:
    hexadecimal = trace_id.hex()
    processes: dict[str, str] = {}
    spans: dict[int, JsonValue] = {}  # a repeated export wrote the same span twice
    for row in found:
        process = processes.setdefault(row["service"], f"p{len(processes) + 1}")
        spans.setdefault(row["span_id"], _jaeger_span(hexadecimal, process, row))
    return {
        "traceID": hexadecimal,
        "spans": list(spans.values()),
        "processes": {process: {"serviceName": service, "tags": []} for service, process in processes.items()},
        "warnings": None,
    }


def _jaeger_span(trace_id: str, process: str, row: Mapping[str, Any]) -> dict[str, JsonValue]:
    attributes: dict[str, JsonValue] = {
        "span.kind": KINDS[row["kind"]] if row["kind"] < len(KINDS) else KINDS[0],
        **msgspec.json.decode(row["operation_attributes"]),
        **msgspec.json.decode(row["attributes"] or "{}"),
    }
    if row["flags"] & ERROR_FLAG:
        attributes["error"] = True
    parent = row["parent_id"]
    references: list[JsonValue] = []
    if parent is not None:
        references.append({"refType": "CHILD_OF", "traceID": trace_id, "spanID": _hex(parent)})
    return {
        "traceID": trace_id,
        "spanID": _hex(row["span_id"]),
        "operationName": row["name"],
        "references": references,
        "startTime": row["started_ns"] // 1000,
        "duration": row["duration_ns"] // 1000,
        "startTimeUnixNano": str(row["started_ns"]),  # ours: a mailbox is left within a microsecond
        "durationNano": str(row["duration_ns"]),
        "tags": [_tag(key, value) for key, value in attributes.items()],
        "logs": _logs(row["events"]),
        "processID": process,
        "warnings": None,
    }


def _logs(events: str | None) -> list[JsonValue]:
    if events is None:
        return []
    return [
        {"timestamp": at_ns // 1000, "fields": [_tag("event", name), *(_tag(*item) for item in attributes.items())]}
        for at_ns, name, attributes in msgspec.json.decode(events)
    ]


def _tag(key: str, value: JsonValue) -> JsonValue:
    kind = TAG_TYPES.get(type(value), "string")
    if kind == "string" and not isinstance(value, str):
        value = msgspec.json.encode(value).decode()
    return {"key": key, "type": kind, "value": value}


def _hex(number: int) -> str:
    return number.to_bytes(8, "big", signed=True).hex()
