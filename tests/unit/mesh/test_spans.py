"""What tracing owes the mesh: parents across tasks, silence when unsampled, an exporter that never hurts its caller."""

from __future__ import annotations

import asyncio
import contextlib

import msgspec
import pytest

from actors.mesh._open_spans import FAILURES_KEPT_A_SECOND
from actors.mesh._telemetry import (
    FinishedSpan,
    SpanKind,
    Telemetry,
    TelemetrySettings,
    TraceContext,
    current,
    open_telemetry,
    parse_traceparent,
    span_tree,
    traceparent,
)

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED = TraceContext(bytes.fromhex(TRACE), bytes.fromhex(SPAN), True)
UNSAMPLED = msgspec.structs.replace(SAMPLED, sampled=False)


class SaysNoError(Exception):
    is_refusal = True
    code = "order_cancelled"


@pytest.fixture
def spans() -> list[FinishedSpan]:
    return []


@pytest.fixture
def telemetry(spans: list[FinishedSpan]) -> Telemetry:
    return Telemetry("orders", collect=spans)


# --- the header


@pytest.mark.parametrize(
    ("header", "sampled"),
    [
        (f"00-{TRACE}-{SPAN}-01", True),
        (f"00-{TRACE}-{SPAN}-00", False),
        (f"00-{TRACE}-{SPAN}-03", True),
        (f"00-{TRACE}-{SPAN}-fe", False),
        (f"01-{TRACE}-{SPAN}-01", True),
        (f"cc-{TRACE}-{SPAN}-01-what-the-future-brings", True),
    ],
)
def test_a_wellformed_header_is_read(header: str, sampled: bool) -> None:
    assert parse_traceparent(header) == msgspec.structs.replace(SAMPLED, sampled=sampled)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "00",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE}-{SPAN}-01-",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE[:-1]}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}0-01",
        f"00-{TRACE[:-1]}g-{SPAN}-01",
        f"00_{TRACE}_{SPAN}_01",
        f" 00-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01\n",
        f"00-{TRACE}-{SPAN}-0x",
        f"cc-{TRACE}-{SPAN}-01.later",
        f"cc-{TRACE}-{SPAN}-01-" + "x" * 300,
    ],
)
def test_a_malformed_header_is_as_good_as_absent(header: str | None) -> None:
    assert parse_traceparent(header) is None


def test_the_header_of_the_running_span_is_read_back_as_its_context(telemetry: Telemetry) -> None:
    with telemetry.span("work", parent=SAMPLED) as span:
        assert parse_traceparent(traceparent()) == span.context == current()
    assert traceparent() is None


# --- parents


async def test_a_task_started_inside_a_span_is_its_child_and_neighbours_do_not_mix(
    telemetry: Telemetry, spans: list[FinishedSpan]
) -> None:
    async def child(name: str) -> None:
        with telemetry.span(name):
            await asyncio.sleep(0)
            with telemetry.span(f"below {name}"):
                await asyncio.sleep(0)

    with telemetry.span("root", SpanKind.SERVER, parent=None):
        await asyncio.gather(child("one"), child("two"))
    tree = "orders: root [server]\n"
    tree += "".join(f"  orders: {name} [internal]\n    orders: below {name} [internal]\n" for name in ("one", "two"))
    assert span_tree(spans) == tree
    assert len({span.trace_id for span in spans}) == 1


def test_a_message_continues_the_trace_of_its_sender(telemetry: Telemetry, spans: list[FinishedSpan]) -> None:
    with telemetry.span("orders.command.place_order", SpanKind.CONSUMER, parent=SAMPLED):
        pass
    assert (spans[0].trace_id, spans[0].parent_id) == (SAMPLED.trace_id, SAMPLED.span_id)


def test_a_span_recorded_after_the_fact_stands_where_it_belongs(
    telemetry: Telemetry, spans: list[FinishedSpan]
) -> None:
    with telemetry.span("serve", parent=SAMPLED) as span:
        telemetry.record("mailbox wait", SpanKind.INTERNAL, parent=span.context, start_ns=5, end_ns=3)
    assert [(span.name, span.start_ns, span.end_ns) for span in spans[:1]] == [("mailbox wait", 5, 5)]
    assert spans[0].parent_id == span.context.span_id


def test_outside_of_every_trace_nothing_is_recorded_unless_a_root_is_wanted(
    telemetry: Telemetry, spans: list[FinishedSpan]
) -> None:
    with telemetry.span("idle"):
        assert traceparent() is None
    assert spans == []
    with telemetry.span("sweep", roots=True):
        assert traceparent() is not None
    assert [span.parent_id for span in spans] == [None]


# --- sampling


def test_an_unsampled_trace_records_nothing_and_its_ids_travel_on(
    telemetry: Telemetry, spans: list[FinishedSpan]
) -> None:
    with telemetry.span("serve", SpanKind.SERVER, parent=UNSAMPLED) as span:
        span.set("mesh.key", "o-1")
        with telemetry.span("below") as below:
            below.fail("no entrance, so it is not kept")
            header = traceparent()
        telemetry.record("wait", SpanKind.INTERNAL, parent=span.context, start_ns=1, end_ns=2)
    assert header == f"00-{TRACE}-{SPAN}-00"
    assert spans == []


def fails(telemetry: Telemetry, how: BaseException | str | None, kind: SpanKind = SpanKind.SERVER) -> None:
    with telemetry.span("serve", kind, parent=UNSAMPLED, attributes={"http.route": "/"}, start_ns=7) as span:
        span.set("mesh.key", "o-1")
        if isinstance(how, str):
            span.fail(how)
        elif how is not None:
            raise how


@pytest.mark.parametrize("kind", [SpanKind.SERVER, SpanKind.CONSUMER])
def test_a_hop_that_fails_in_an_unsampled_trace_is_recorded_below_its_root(
    telemetry: Telemetry, spans: list[FinishedSpan], kind: SpanKind
) -> None:
    fails(telemetry, "unavailable", kind)
    with pytest.raises(LookupError):
        fails(telemetry, LookupError("anna@example.org"), kind)
    first, second = spans
    assert (first.trace_id, first.parent_id, first.start_ns) == (UNSAMPLED.trace_id, UNSAMPLED.span_id, 7)
    assert first.attributes == {"http.route": "/", "mesh.key": "o-1", "mesh.sampled": False}
    assert (first.error, second.error) == ("unavailable", "LookupError")
    assert len({first.span_id, second.span_id, UNSAMPLED.span_id}) == 3


def test_the_root_of_an_unsampled_trace_that_fails_has_the_ids_that_travelled(spans: list[FinishedSpan]) -> None:
    telemetry = Telemetry("gateway", ratio=0.0, collect=spans)
    with telemetry.span("request", SpanKind.SERVER, parent=None) as root:
        header = parse_traceparent(traceparent())
        with Telemetry("orders", collect=spans).span("place", SpanKind.SERVER, parent=header) as hop:
            hop.fail("broken")
        root.fail("broken")
    assert span_tree(spans) == "gateway: request [server] !error\n  orders: place [server] !error\n"
    assert {span.trace_id for span in spans} == {root.context.trace_id}


@pytest.mark.parametrize("how", [None, SaysNoError(), asyncio.CancelledError()])
def test_what_did_not_fail_in_an_unsampled_trace_is_not_recorded(
    telemetry: Telemetry, spans: list[FinishedSpan], how: BaseException | None
) -> None:
    with contextlib.suppress(SaysNoError, asyncio.CancelledError):
        fails(telemetry, how)
    assert spans == []


def test_an_outage_is_no_storm_of_spans(spans: list[FinishedSpan]) -> None:
    now_ns = 5_999_999_999
    telemetry = Telemetry("orders", collect=spans, now_ns=lambda: now_ns)
    for _ in range(FAILURES_KEPT_A_SECOND + 7):
        fails(telemetry, "unavailable")
    assert (len(spans), telemetry.failures.left_out) == (FAILURES_KEPT_A_SECOND, 7)
    now_ns += 1
    fails(telemetry, "unavailable")
    assert (len(spans), telemetry.failures.left_out) == (FAILURES_KEPT_A_SECOND + 1, 7)


def test_switched_off_a_process_records_no_failure_either() -> None:
    telemetry = open_telemetry(TelemetrySettings(service="orders"))
    fails(telemetry, "unavailable")
    assert telemetry.failures.left_out == 0


def test_the_head_ratio_decides_by_the_trace_id_alone(spans: list[FinishedSpan]) -> None:
    telemetry = Telemetry("gateway", ratio=0.1, collect=spans)
    for _ in range(5000):
        with telemetry.span("request", SpanKind.SERVER, parent=None) as span:
            assert traceparent() is not None
            assert span.context.sampled == (int.from_bytes(span.context.trace_id[8:], "big") < 2**64 // 10)
    assert 350 < len(spans) < 650


def test_switched_off_a_process_hands_the_callers_header_on(spans: list[FinishedSpan]) -> None:
    telemetry = open_telemetry(TelemetrySettings(service="orders", endpoint="http://127.0.0.1:9", mode="off"))
    with telemetry.span("serve", parent=SAMPLED):
        assert traceparent() == f"00-{TRACE}-{SPAN}-01"


# --- outcomes


def test_an_exception_that_leaves_the_block_marks_an_error(telemetry: Telemetry, spans: list[FinishedSpan]) -> None:
    with pytest.raises(LookupError), telemetry.span("work", parent=SAMPLED):
        raise LookupError("anna@example.org is unknown")
    assert spans[0].error == "LookupError"
    assert "anna" not in repr(spans)


def test_a_refusal_is_an_answer_and_no_error(telemetry: Telemetry, spans: list[FinishedSpan]) -> None:
    with pytest.raises(SaysNoError), telemetry.span("work", parent=SAMPLED):
        raise SaysNoError
    assert (spans[0].error, spans[0].attributes["mesh.refusal"]) == (None, "order_cancelled")
    assert span_tree(spans) == "orders: work [internal] !refused(order_cancelled)\n"


def test_a_failure_that_was_described_keeps_its_description(telemetry: Telemetry, spans: list[FinishedSpan]) -> None:
    def work() -> None:
        with telemetry.span("work", parent=SAMPLED) as span:
            span.fail("journal unreachable")
            raise ConnectionError

    with pytest.raises(ConnectionError):
        work()
    assert spans[0].error == "journal unreachable"


def test_a_cancelled_block_is_marked_but_did_not_fail(telemetry: Telemetry, spans: list[FinishedSpan]) -> None:
    with pytest.raises(asyncio.CancelledError), telemetry.span("work", parent=SAMPLED):
        raise asyncio.CancelledError
    assert (spans[0].error, spans[0].attributes["mesh.cancelled"]) == (None, True)


def test_neighbours_that_look_alike_are_one_line_of_the_tree(telemetry: Telemetry, spans: list[FinishedSpan]) -> None:
    with telemetry.span("root", parent=None):
        for _ in range(3):
            with telemetry.span("read"), telemetry.span("query"):
                pass
        with telemetry.span("write"):
            pass
    assert span_tree(spans) == (
        "orders: root [internal]\n"
        "  orders: read [internal] x3\n"
        "    orders: query [internal]\n"
        "  orders: write [internal]\n"
    )
