"""What a drawn trace shows: every span once, where it belongs, on one axis of time, its failure plain to see."""

from __future__ import annotations

import io
import json

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from cli import trace
from cli.waterfall import LINES, TraceSpan, waterfall

MS = 1_000_000
TRACE = "0af7651916cd43dd8448eb211c80319c"


def span(
    name: str,
    span_id: str,
    parent_id: str | None = None,
    *,
    at_ms: float = 0,
    lasts_ms: float = 1,
    service: str = "orders",
    error: str | None = None,
    refusal: str | None = None,
) -> TraceSpan:
    return TraceSpan(
        service=service,
        name=name,
        kind="internal",
        trace_id=TRACE,
        span_id=span_id,
        parent_id=parent_id,
        start_ns=round((1000 + at_ms) * MS),
        duration_ns=round(lasts_ms * MS),
        error=error,
        refusal=refusal,
    )


def drawn(spans: list[TraceSpan], width: int = 80, *, colours: bool = False) -> str:
    out = io.StringIO()
    Console(file=out, width=width, force_terminal=colours, color_system="standard" if colours else None).print(
        waterfall(spans, width)
    )
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


ORDER = [
    span("place", "b", "a", at_ms=2, lasts_ms=4),
    span("POST /v1/orders", "a", at_ms=0, lasts_ms=10, service="gateway"),
    span("append", "c", "b", at_ms=4, lasts_ms=2),
    span("load", "d", "b", at_ms=2, lasts_ms=0.01),
    span("reserve", "e", "a", at_ms=8, lasts_ms=2, service="inventory", error="Unavailable"),
    span("authorise", "f", "a", at_ms=9, lasts_ms=1, service="payments", refusal="card_declined"),
]


def test_an_order_is_drawn_as_a_tree_on_one_axis_of_time() -> None:
    assert drawn(ORDER, 80).splitlines() == [
        f"trace {TRACE}  10.0 ms  6 spans  gateway, orders,",
        "inventory, payments  1 error",
        "gateway POST /v1/orders                      10.0 ms ━━━━━━━━━━━━━━━━━━━━━━━━━━━",
        "├ orders place                               4.00 ms      ━━━━━━━━━━━",
        "│ ├ orders load                             0.010 ms      ╸",
        "│ └ orders append                            2.00 ms           ━━━━━━",
        "├ inventory reserve ✗ Unavailable            2.00 ms                      ━━━━━━",
        "└ payments authorise refused: card_declined  1.00 ms                         ━━━",
    ]


def test_an_error_is_red_and_each_service_has_its_colour() -> None:
    told = drawn(ORDER, 100, colours=True)
    assert "\x1b[1;31m ✗ Unavailable" in told
    assert "\x1b[36mgateway" in told
    assert "\x1b[32morders" in told


def test_a_trace_kept_for_its_failures_says_that_the_rest_is_not_there() -> None:
    kept = msgspec.structs.replace(span("place", "b", "a", error="unavailable"), tags={"mesh.sampled": False})
    told = drawn([kept], 120)
    assert "not sampled: only the hops that failed" in told.splitlines()[0]
    assert "partial" not in told.splitlines()[0]


def test_a_span_without_its_parent_stands_under_the_root_and_the_trace_is_partial() -> None:
    told = drawn([span("root", "a", lasts_ms=5), span("lost", "x", "gone", at_ms=1), span("below", "y", "x", at_ms=1)])
    assert "partial" in told.splitlines()[0]
    assert told.splitlines()[2].startswith("└ orders lost (partial)")
    assert told.splitlines()[3].startswith("  └ orders below ")


def test_a_trace_whose_root_has_not_arrived_is_still_drawn() -> None:
    told = drawn([span("first", "x", "gone"), span("second", "y", "gone", at_ms=1)]).splitlines()
    assert told[1].startswith("orders first (partial)")
    assert told[2].startswith("└ orders second (partial)")


def test_a_very_deep_trace_and_a_very_long_one_are_drawn_within_bounds() -> None:
    deep = [span(f"s{n}", str(n), str(n - 1) if n else None, at_ms=n) for n in range(3000)]
    assert f"{3000 - LINES} more spans" in drawn(deep)


@given(
    st.lists(
        st.builds(
            span,
            st.just("work"),
            st.sampled_from("abcdefgh"),
            st.sampled_from([None, *"abcdefghz"]),
            at_ms=st.floats(-1e6, 1e6),
            lasts_ms=st.floats(0, 1e6),
        ),
        min_size=1,
        max_size=12,
    ),
    st.integers(60, 200),
)
def test_whatever_the_parents_every_span_is_drawn_once_and_within_the_width(spans: list[TraceSpan], width: int) -> None:
    body = drawn(spans, width).splitlines()
    rows = [line for line in body if " ms" in line and ("━" in line or "╸" in line)]
    assert len(rows) == len({one.span_id for one in spans})
    assert all(len(line) <= width for line in body)


# --- the command


def jaeger(trace_id: str, start_us: int) -> dict[str, object]:
    return {
        "traceID": trace_id,
        "processes": {"p1": {"serviceName": "orders", "tags": []}},
        "spans": [
            {
                "traceID": trace_id,
                "spanID": "b7ad6b7169203331",
                "operationName": "orders.command.place_order",
                "references": [{"refType": "CHILD_OF", "traceID": trace_id, "spanID": "00f067aa0ba902b7"}],
                "startTime": start_us,
                "duration": 1500,
                "tags": [
                    {"key": "span.kind", "type": "string", "value": "consumer"},
                    {"key": "error", "type": "bool", "value": True},
                    {"key": "error.message", "type": "string", "value": "TimedOut"},
                    {"key": "mesh.key", "type": "string", "value": "o-1"},
                ],
                "processID": "p1",
            }
        ],
    }


NEWER, OLDER = "1" * 32, "2" * 32


def store(request: httpx.Request) -> httpx.Response:
    match request.url.path:
        case "/v1/traces/find":
            found = [NEWER, OLDER] if request.url.params["value"] == "o-1" else []
            return httpx.Response(200, json={"data": [{"traceID": one, "startTime": 1} for one in found]})
        case path if path.rpartition("/")[2] == NEWER:
            return httpx.Response(200, json={"data": [jaeger(NEWER, 2_000_000)]})
        case path if path.rpartition("/")[2] == OLDER:
            return httpx.Response(200, json={"data": [jaeger(OLDER, 1_000_000)]})
        case _:
            return httpx.Response(404, json={"errors": []})


def fetched(identifier: str) -> list[str]:
    return [
        spans[0].trace_id for spans in trace.fetch(identifier, "http://traces", transport=httpx.MockTransport(store))
    ]


def test_all_traces_of_an_order_come_the_newest_last() -> None:
    assert fetched("o-1") == [OLDER, NEWER]


def test_a_trace_id_and_a_traceparent_are_taken_as_such() -> None:
    assert fetched(NEWER) == fetched(NEWER.upper()) == fetched(f"00-{NEWER}-{'a' * 16}-01") == [NEWER]


def test_a_span_is_read_with_its_failure_and_its_place() -> None:
    [[one]] = trace.fetch(NEWER, "http://traces", transport=httpx.MockTransport(store))
    assert (one.service, one.kind, one.error, one.parent_id) == ("orders", "consumer", "TimedOut", "00f067aa0ba902b7")
    assert (one.start_ns, one.duration_ns, one.tags["mesh.key"]) == (2_000_000_000, 1_500_000, "o-1")


def test_an_unknown_id_says_what_to_do() -> None:
    with pytest.raises(trace.TraceProblem, match=r"No trace names 'o-2': give an order id or a trace id"):
        fetched("o-2")


def test_where_nothing_runs_the_command_says_so_and_fails(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MESH_DATA_FOLDER", str(tmp_path))
    assert trace.run("o-1") == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert "just up" in told.err
    assert told.err.count("\n") == 1


def test_json_holds_every_span(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    spans = [[span("old", "a")], [span("new", "b")]]
    monkeypatch.setattr(trace, "fetch", lambda identifier, url: spans)
    assert trace.run("o-1", as_json=True, url="http://traces") == 0
    assert [one["name"] for one in json.loads(capsys.readouterr().out)] == ["old", "new"]
