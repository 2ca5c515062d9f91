"""Book deliveries from a CSV file: one told command a row, refusals collected, a second run changes nothing.

eval "$(./just mesh env)"
.venv/bin/python examples/stock_import.py examples/stock.csv
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from actors.mesh import Fault, Refused
from actors.mesh.connect import Client, SettingsError, connect, tool_settings
from schemas.envelope import Envelope, derived_id
from schemas.inventory import ReceiveStock

TOLD_AT_ONCE = 32
ATTEMPTS = 5
LOOK_EVERY_SECONDS = 0.2
COLUMNS = ("sku", "quantity", "reference")


class Row(msgspec.Struct):
    """One row of the file, and what became of it. `line` counts from 1, the heading included."""

    line: int
    sku: str
    quantity: str
    reference: str
    command_id: str
    ending: str = "pending"
    code: str = ""
    detail: str = ""


def read_rows(file: Path) -> Iterator[Row]:
    """Read the file; raise ValueError where it has not the columns sku and quantity.

    A row's command id follows from the file's name and from what the row says, not from where it stands: a row added
    in between makes no other row a new one. Two rows that say the same are two deliveries.
    """
    seen: Counter[tuple[str, ...]] = Counter()
    with file.open(encoding="utf-8-sig", newline="") as opened:
        reader = csv.DictReader(opened)
        if not {"sku", "quantity"} <= set(reader.fieldnames or ()):
            raise ValueError(f"{file}: the first line must name the columns {', '.join(COLUMNS)}")
        for given in reader:
            sku, quantity, reference = said = tuple((given.get(column) or "").strip() for column in COLUMNS)
            seen[said] += 1
            command_id = derived_id("stock import", file.name, *said, str(seen[said]))
            yield Row(reader.line_num, sku, quantity, reference, command_id)


async def tell_row(mesh: Client, row: Row, now_ms: int, room: asyncio.Semaphore) -> None:
    """Tell one row; what cannot be told says why."""
    given = {"sku": row.sku, "quantity": row.quantity}
    try:
        command = msgspec.convert(given, ReceiveStock, strict=False)
        async with room:
            await insist(mesh, command, Envelope(command_id=row.command_id, issued_at_ms=now_ms))
    except msgspec.ValidationError as error:
        row.ending, row.code, row.detail = "refused", "row_invalid", str(error)
    except Refused as refusal:
        row.ending, row.code, row.detail = "refused", refusal.code, refusal.detail
    except Fault as fault:
        row.ending, row.code, row.detail = "untold", fault.code, fault.detail


async def insist(mesh: Client, command: ReceiveStock, envelope: Envelope) -> None:
    """Tell it until it was taken, always under the same id: then it does not matter whether the last time it was."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            await mesh.tell(command, envelope)
        except Fault:
            if attempt == ATTEMPTS:
                raise
            await asyncio.sleep(0.2 * 2**attempt)
        else:
            return


async def look(mesh: Client, row: Row, now_ms: int) -> None:
    """Ask what became of a row; how it was refused in an earlier run does not count."""
    try:
        outcome = await mesh.outcome_of_tell(ReceiveStock, row.command_id, since_ms=now_ms)
    except Fault:
        return  # the domain is away; what was told waits for it
    row.ending = outcome.ending
    if outcome.refusal is not None:
        row.code, row.detail = outcome.refusal.code, outcome.refusal.detail


async def import_stock(mesh: Client, rows: list[Row], wait_seconds: float) -> None:
    """Tell all rows, then wait until each has an outcome, as long as there is time."""
    room, loop, now_ms = asyncio.Semaphore(TOLD_AT_ONCE), asyncio.get_running_loop(), time.time_ns() // 1_000_000
    await asyncio.gather(*(tell_row(mesh, row, now_ms, room) for row in rows))
    end = loop.time() + wait_seconds
    while pending := [row for row in rows if row.ending == "pending"]:
        await asyncio.gather(*(look(mesh, row, now_ms) for row in pending[:TOLD_AT_ONCE]))
        if loop.time() > end:
            return
        if all(row.ending == "pending" for row in pending[:TOLD_AT_ONCE]):
            await asyncio.sleep(LOOK_EVERY_SECONDS)


def show(file: Path, rows: list[Row], *, as_json: bool) -> None:
    """Print how it went."""
    endings = Counter(row.ending for row in rows)
    others = [row for row in rows if row.ending != "accepted"]
    if as_json:
        report = {"file": str(file), "rows": len(rows), "endings": endings, "not_accepted": others}
        print(msgspec.json.encode(report).decode())
        return
    console = Console()
    if others:
        table = Table("line", "sku", "quantity", "reference", "", "why", title="Not booked", title_justify="left")
        for row in others:
            why = f"{row.code}: {row.detail}" if row.detail else row.code
            table.add_row(str(row.line), row.sku, row.quantity, row.reference, row.ending, why)
        console.print(table)
    counted = ", ".join(f"{count} {ending}" for ending, count in endings.most_common())
    console.print(f"{file}: {len(rows)} rows: {counted or 'nothing to do'}")


async def run(file: Path, wait_seconds: float, *, as_json: bool) -> int:
    """Import one file; return the exit code."""
    try:
        rows = list(read_rows(file))
        settings = tool_settings(os.environ)
        async with connect(settings, "stock-import", roles=("warehouse",)) as mesh:
            await import_stock(mesh, rows, wait_seconds)
    except SettingsError as error:
        print(f'{error}\nOn this machine: eval "$(./just mesh env)"', file=sys.stderr)
        return 2
    except (OSError, ValueError, csv.Error, Fault) as error:
        print(error, file=sys.stderr)
        return 2
    show(file, rows, as_json=as_json)
    return 0 if all(row.ending == "accepted" for row in rows) else 1


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Book deliveries from a CSV file: sku,quantity[,reference].")
    parser.add_argument("file", type=Path)
    parser.add_argument("--wait", type=float, default=30.0, metavar="SECONDS", help="how long to wait for outcomes")
    parser.add_argument("--json", action="store_true", help="print one object for machines")
    given = parser.parse_args()
    return asyncio.run(run(given.file, given.wait, as_json=given.json))


if __name__ == "__main__":
    sys.exit(main())
