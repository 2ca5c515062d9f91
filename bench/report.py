"""The tables of a run: for people, as JSON, and as one line of history."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table as RichTable

from bench.processes import PROJECT
from bench.rounds import Row, Table

HISTORY = PROJECT / "bench" / "history.jsonl"


def machine() -> dict[str, Any]:
    """Return what the figures depend on: processor, cores, load, Python, commit."""
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "load": [round(each, 2) for each in os.getloadavg()],
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "commit": git("rev-parse", "--short=12", "HEAD"),
        "changed": bool(git("status", "--porcelain", "--untracked-files=no")),
    }


def processor() -> str:
    """Return the processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def git(*words: str) -> str:
    """Return what git says, empty where this is no checkout."""
    answer = subprocess.run(["git", *words], cwd=PROJECT, capture_output=True, text=True, check=False)
    return answer.stdout.strip()


def show(console: Console, table: Table) -> None:
    """Print one bench's table."""
    drawn = RichTable(title=f"{table.name}: {table.what}", title_justify="left")
    for heading in ("load", "peer"):
        drawn.add_column(heading, no_wrap=True)
    for heading in ("per s", "x base", "CPU us/op", "x base", "p50 ms", "p99 ms"):
        drawn.add_column(heading, justify="right", no_wrap=True)
    drawn.add_column("CPU us/op by process", overflow="fold")
    before = ""
    for row in table.rows:
        if before and row.load != before:
            drawn.add_section()
        before = row.load
        drawn.add_row(*cells(row))
    console.print(drawn)
    if table.base:
        console.print(f"x base: median over the rounds of the ratio to {table.base} in the same round")
    for note in table.notes:
        console.print(note, markup=False)
    for name, why in table.missing.items():
        console.print(f"missing: {name}: {why}", markup=False)
    console.print()


def cells(row: Row) -> tuple[str, ...]:
    """Return one row as it is printed."""
    errors = f", {row.errors} errors" if row.errors else ""
    return (
        row.load, row.peer, f"{row.rate:,.0f}", ratio(row.rate_ratio), f"{sum(row.cpu_us.values()):,.0f}",
        ratio(row.cpu_ratio), f"{row.p50_us / 1000:.2f}", f"{row.p99_us / 1000:.2f}",
        ", ".join(f"{name} {used:,.0f}" for name, used in row.cpu_us.items()) + errors,
    )  # fmt: skip


def ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def document(tables: Sequence[Table], about: dict[str, Any]) -> bytes:
    """Return a run as one line of JSON."""
    return msgspec.json.encode({"machine": about, "tables": rounded(msgspec.to_builtins(tables))})


def rounded(value: Any) -> Any:
    """Keep four figures of every number: the rest is noise."""
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {key: rounded(each) for key, each in value.items()}
    return [rounded(each) for each in value] if isinstance(value, list | tuple) else value


def record(line: bytes) -> None:
    """Append one run to the history."""
    with HISTORY.open("ab") as history:
        history.write(line + b"\n")
