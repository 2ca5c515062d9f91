"""`mesh trace <order id or trace id>`: fetch what happened from the trace store and draw it."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from typing import Annotated

import httpx
import msgspec
import typer
from rich.console import Console
from rich.text import Text

from cli.waterfall import TagValue, TraceSpan, waterfall
from infra.local.endpoints import read_endpoints
from infra.local.settings import read_settings

TIMEOUT_SECONDS = 10.0  # twice what the store allows a query
TRACES = 10  # drawn for one id, the newest; a customer's may be hundreds
TRACE_ID = re.compile(r"[0-9a-f]{32}")
TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")


class TraceProblem(Exception):  # what it says is for people: one sentence with what to do
    """Nothing can be drawn."""


class _Tag(msgspec.Struct):
    key: str
    value: TagValue = None


class _Reference(msgspec.Struct):
    ref_type: str = msgspec.field(name="refType")
    span_id: str = msgspec.field(name="spanID")


class _Span(msgspec.Struct, rename="camel"):
    span_id: str = msgspec.field(name="spanID")
    trace_id: str = msgspec.field(name="traceID")
    process_id: str = msgspec.field(name="processID")
    operation_name: str
    start_time: int
    duration: int
    references: list[_Reference] = []
    tags: list[_Tag] = []
    start_time_unix_nano: str | None = None
    duration_nano: str | None = None


class _Process(msgspec.Struct, rename="camel"):
    service_name: str


class _Trace(msgspec.Struct):
    spans: list[_Span]
    processes: dict[str, _Process]


class _Found(msgspec.Struct):
    trace_id: str = msgspec.field(name="traceID")


class _Traces(msgspec.Struct):
    data: list[_Trace]


class _Findings(msgspec.Struct):
    data: list[_Found]


def run(
    identifier: Annotated[str, typer.Argument(help="An order id, any other id, or a trace id.")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the spans instead of drawing them.")] = False,
    url: Annotated[str | None, typer.Option(help="A trace store elsewhere.")] = None,
) -> int:
    """Draw every trace that names the identifier, the newest last; 1 and one sentence where there is none."""
    try:
        traces = fetch(identifier.strip(), url or _traces_url())
    except TraceProblem as problem:
        print(problem, file=sys.stderr)
        return 1
    if as_json:
        print(msgspec.json.format(msgspec.json.encode([span for spans in traces for span in spans])).decode())
        return 0
    console = Console()
    for place, spans in enumerate(traces):
        if place:
            console.print(Text(""))
        console.print(waterfall(spans, console.width))
    return 0


def fetch(identifier: str, url: str, *, transport: httpx.BaseTransport | None = None) -> list[list[TraceSpan]]:
    """The spans of each trace, oldest trace first, from any server that speaks Jaeger's query API and our `find`."""
    try:
        with httpx.Client(base_url=url, timeout=TIMEOUT_SECONDS, trust_env=False, transport=transport) as client:
            traces = [spans for trace_id in _trace_ids(client, identifier) if (spans := _trace(client, trace_id))]
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise TraceProblem(
            f"The trace store at {url} did not answer ({type(error).__name__}): start the platform with `just up`."
        ) from error
    except msgspec.MsgspecError as error:
        raise TraceProblem(f"What answers at {url} is no trace store: check --url.") from error
    if not traces:
        raise TraceProblem(
            f"No trace names {identifier!r}: give an order id or a trace id of the last 24 hours,"
            " or wait a second if it was made just now."
        )
    return sorted(traces, key=lambda spans: min(span.start_ns for span in spans))


def _trace_ids(client: httpx.Client, identifier: str) -> Sequence[str]:
    """A trace id is taken as such; an order id may look like one, so what names it comes along."""
    header = TRACEPARENT.fullmatch(identifier)
    if header is not None:
        return [header[1]]
    response = client.get("/v1/traces/find", params={"value": identifier})
    found: list[str] = []
    if response.status_code != 400:  # an empty or endless text is found nowhere
        response.raise_for_status()
        found = [one.trace_id for one in msgspec.json.decode(response.content, type=_Findings).data[:TRACES]]
    if TRACE_ID.fullmatch(identifier.lower()):
        found.append(identifier.lower())
    return list(dict.fromkeys(found))


def _trace(client: httpx.Client, trace_id: str) -> list[TraceSpan]:
    response = client.get(f"/api/traces/{trace_id}")
    if response.status_code == 404:
        return []
    response.raise_for_status()
    return read_spans(response.content)


def read_spans(content: bytes) -> list[TraceSpan]:
    """The spans of an answer in Jaeger's JSON."""
    traces = msgspec.json.decode(content, type=_Traces).data
    return [_read(span, trace.processes) for trace in traces for span in trace.spans]


def _read(span: _Span, processes: dict[str, _Process]) -> TraceSpan:
    tags = {tag.key: tag.value for tag in span.tags}
    parents = [reference.span_id for reference in span.references if reference.ref_type == "CHILD_OF"]
    process = processes.get(span.process_id)
    failed = tags.pop("error", False)
    refusal = tags.get("mesh.refusal")
    return TraceSpan(
        service="unknown" if process is None else process.service_name,
        name=span.operation_name,
        kind=str(tags.pop("span.kind", "")),
        trace_id=span.trace_id,
        span_id=span.span_id,
        parent_id=parents[0] if parents else None,
        start_ns=int(span.start_time_unix_nano or span.start_time * 1000),
        duration_ns=int(span.duration_nano or span.duration * 1000),
        error=str(tags.get("error.message") or "error") if failed in (True, "true") else None,
        refusal=None if refusal is None else str(refusal),
        tags=tags,
    )


def _traces_url() -> str:
    """Where the platform that runs on this machine keeps its traces."""
    folder = read_settings().data_folder
    endpoints = read_endpoints(folder)
    if endpoints is None or not endpoints.traces:
        raise TraceProblem(f"No platform with a trace store runs on {folder}: start it with `just up`, or give --url.")
    return endpoints.traces
