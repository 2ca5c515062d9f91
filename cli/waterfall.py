"""One trace drawn for a terminal: a tree of spans on the left, their time on a common axis on the right."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

TagValue = str | bool | int | float | None

SERVICE_STYLES = ("cyan", "green", "magenta", "yellow", "blue", "bright_cyan", "bright_green", "bright_magenta")
ERROR_STYLE = "bold red"
REFUSAL_STYLE = "yellow"
PARTIAL = "partial"  # the parent was never recorded, or has not arrived yet
SAMPLED = "mesh.sampled"
FAILURES_ONLY = "not sampled: only the hops that failed"
LINES = 500  # nobody scrolls further; `--json` has all of it
LEAST_COLUMNS = 60  # on a narrower terminal the lines wrap rather than vanish
LEAST_BAR_COLUMNS = 10
MOST_NAME_SHARE = 0.6  # of the width; the bars keep the rest
BAR, BAR_TICK = "━", "╸"


class TraceSpan(msgspec.Struct, frozen=True, kw_only=True):
    """A span as the waterfall needs it."""

    service: str
    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str | None
    start_ns: int
    duration_ns: int
    error: str | None = None
    refusal: str | None = None
    tags: Mapping[str, TagValue] = {}


class Line(NamedTuple):
    """A span at its place in the tree."""

    span: TraceSpan
    prefix: str
    orphan: bool


def waterfall(spans: Sequence[TraceSpan], width: int) -> RenderableType:
    """Draw one trace: header, then a line a span."""
    assert spans, "a trace has a span"
    width = max(width, LEAST_COLUMNS)
    start_ns = min(span.start_ns for span in spans)
    total_ns = max(max(span.start_ns + span.duration_ns for span in spans) - start_ns, 1)
    services = list(dict.fromkeys(span.service for span in sorted(spans, key=lambda span: span.start_ns)))
    styles = {service: SERVICE_STYLES[place % len(SERVICE_STYLES)] for place, service in enumerate(services)}
    lines = list(_lines(spans))
    shown = lines[:LINES]
    durations = [_milliseconds(line.span.duration_ns) for line in shown]
    labels = [_label(line, styles[line.span.service]) for line in shown]
    duration_columns = max(map(len, durations))
    name_columns = min(max(label.cell_len for label in labels), int(width * MOST_NAME_SHARE))
    bar_columns = max(width - name_columns - duration_columns - 2, LEAST_BAR_COLUMNS)
    table = Table.grid(padding=(0, 1), pad_edge=False)
    table.add_column(width=name_columns, no_wrap=True, overflow="ellipsis")
    table.add_column(width=duration_columns, justify="right", no_wrap=True)
    table.add_column(width=bar_columns, no_wrap=True)
    for line, label, duration in zip(shown, labels, durations, strict=True):
        style = ERROR_STYLE if line.span.error is not None else styles[line.span.service]
        bar = _bar(line.span.start_ns - start_ns, line.span.duration_ns, total_ns, bar_columns)
        table.add_row(label, Text(duration, style=style), Text(bar, style=style))
    rest = [Text(f"… {len(lines) - LINES} more spans; --json has them all", style="dim")] if len(lines) > LINES else []
    return Group(_header(spans, lines, total_ns, styles), table, *rest)


def _header(
    spans: Sequence[TraceSpan], lines: Sequence[Line], total_ns: int, styles: Mapping[str, str]
) -> RenderableType:
    errors = sum(span.error is not None for span in spans)
    header = Text.assemble(
        ("trace ", "dim"),
        (spans[0].trace_id, "bold"),
        f"  {_milliseconds(total_ns)}  {len(spans)} span{'s' if len(spans) > 1 else ''}  ",
    )
    for place, (service, style) in enumerate(styles.items()):
        header.append(", " if place else "")
        header.append(service, style=style)
    if errors:
        header.append(f"  {errors} error{'s' if errors > 1 else ''}", style=ERROR_STYLE)
    if any(span.tags.get(SAMPLED) is False for span in spans):
        header.append(f"  {FAILURES_ONLY}", style=REFUSAL_STYLE)
    elif any(line.orphan for line in lines):
        header.append(f"  {PARTIAL}", style=REFUSAL_STYLE)
    return header


def _lines(spans: Sequence[TraceSpan]) -> Iterator[Line]:
    """Depth first without recursion, since a trace may be deeper than Python's stack; orphans go under the first root.

    A circle of parents has no root: what was not reached is shown as an orphan too, so that no span is ever missing.
    """
    unique = {span.span_id: span for span in sorted(spans, key=lambda span: (span.start_ns, -span.duration_ns))}
    children: defaultdict[str | None, list[TraceSpan]] = defaultdict(list)
    orphans: list[TraceSpan] = []
    for span in unique.values():
        if span.parent_id is not None and span.parent_id not in unique:
            orphans.append(span)
        else:
            children[span.parent_id].append(span)
    roots = children[None] or orphans[:1]
    seen: set[str] = set()
    orphaned = {span.span_id for span in orphans}
    if roots:
        root = roots[0].span_id
        children[root] += [span for span in orphans if span.span_id != root]
        for one in roots:
            yield from _descend(one, children, seen, orphaned)
    for span in unique.values():
        if span.span_id not in seen:
            yield from _descend(span, children, seen, orphaned | {span.span_id})


def _descend(
    root: TraceSpan, children: Mapping[str | None, list[TraceSpan]], seen: set[str], orphaned: set[str]
) -> Iterator[Line]:
    stack = [(root, "", "")]
    while stack:
        span, prefix, below = stack.pop()
        if span.span_id in seen:
            continue
        seen.add(span.span_id)
        yield Line(span, prefix, span.span_id in orphaned)
        inner = children.get(span.span_id, [])
        for place, child in reversed(list(enumerate(inner))):
            last = place == len(inner) - 1
            stack.append((child, below + ("└ " if last else "├ "), below + ("  " if last else "│ ")))


def _label(line: Line, style: str) -> Text:
    span = line.span
    label = Text()
    label.append(line.prefix, style="dim")
    label.append(span.service, style=style)
    label.append(f" {span.name}", style=ERROR_STYLE if span.error is not None else "")
    if span.kind not in ("", "internal", "unspecified"):
        label.append(f" [{span.kind}]", style="dim")
    if span.error is not None:
        label.append(f" ✗ {span.error}", style=ERROR_STYLE)
    if span.refusal is not None:
        label.append(f" refused: {span.refusal}", style=REFUSAL_STYLE)
    if line.orphan:
        label.append(f" ({PARTIAL})", style=REFUSAL_STYLE)
    return label


def _bar(offset_ns: int, duration_ns: int, total_ns: int, columns: int) -> str:
    """A span is at least a tick wide and never leaves the axis, however wrong the clocks of two hosts are."""
    start = min(max(offset_ns, 0) * columns // total_ns, columns - 1)
    end = min(round((offset_ns + duration_ns) * columns / total_ns), columns)  # so that a child ends within its parent
    return " " * start + (BAR * (end - start) if round(duration_ns * columns / total_ns) else BAR_TICK)


def _milliseconds(duration_ns: int) -> str:
    milliseconds = duration_ns / 1_000_000
    decimals = 0 if milliseconds >= 100 else 1 if milliseconds >= 10 else 2 if milliseconds >= 0.1 else 3
    return f"{milliseconds:,.{decimals}f} ms"
