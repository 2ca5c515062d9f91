"""`mesh status`: pools, readers, what waits, and whether all is well; once, or live."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Annotated

import typer
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from actors.mesh import MeshError
from actors.mesh.connect import Operator
from cli.contract import domains
from cli.reaching import EXIT_OK, EXIT_UNAVAILABLE, EXIT_WRONG, mesh_settings, operator
from cli.status_facts import LAG_HIGH, ConsumerStatus, Look, PoolStatus, Status, compare
from cli.terminal import print_json, safe

EVERY_SECONDS = 1.0
FRAMES_PER_SECOND = 4
QUIET = "·"


def run(
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Look again every second, until Ctrl-C.")] = False,
    interval: Annotated[float, typer.Option(help="Seconds between two looks, what rates are of.", min=0.05)] = 1.0,
    looks: Annotated[int, typer.Option(help="With --watch: end after so many; 0 is never.", min=0)] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="One object a look, for machines.")] = False,
) -> int:
    """Exit codes: 0 all is well, 1 something is wrong (the last lines say what), 69 NATS is away."""
    settings = mesh_settings()

    async def look() -> int:
        async with operator(settings) as mesh:
            return await shown(mesh, interval, looks if watch else 1, live=watch, as_json=as_json)

    try:
        return asyncio.run(look())
    except KeyboardInterrupt:
        return EXIT_OK


async def shown(mesh: Operator, interval: float, looks: int, *, live: bool, as_json: bool) -> int:
    """Look as often as asked for and show each; return what the last one came to."""
    console, code = Console(), EXIT_UNAVAILABLE
    if as_json or not (live and console.is_terminal):
        async for status in statuses(mesh, interval, looks):
            if as_json:
                print_json(status if isinstance(status, Status) else {"ok": False, "troubles": [status]})
            else:
                console.print(picture(status))
            code = exit_code(status)
        return code
    with Live(console=console, refresh_per_second=FRAMES_PER_SECOND, screen=False) as drawing:
        async for status in statuses(mesh, interval, looks):
            drawing.update(picture(status), refresh=True)
            code = exit_code(status)
    return code


async def statuses(mesh: Operator, interval: float, looks: int) -> AsyncIterator[Status | str]:
    """Yield how the mesh stands, or why that cannot be said; `looks` 0 goes on for ever."""
    before: Look | None = None
    seen = 0
    while not looks or seen < looks:
        try:
            before = before or await one_look(mesh)
            await asyncio.sleep(interval)
            now = await one_look(mesh)
        except MeshError as error:
            before, status = None, f"NATS does not answer: {error}"
            await asyncio.sleep(interval)
            yield status
        else:
            yield compare(before, now, domains())
            before = now
        seen += 1


async def one_look(mesh: Operator) -> Look:
    stats, survey = await asyncio.gather(mesh.stats(), mesh.survey())
    return Look(time.monotonic() * 1000, stats, survey)


def exit_code(status: Status | str) -> int:
    if isinstance(status, str):
        return EXIT_UNAVAILABLE
    return EXIT_OK if status.ok else EXIT_WRONG


def picture(status: Status | str) -> RenderableType:
    """Draw one look."""
    if isinstance(status, str):
        return Text(safe(status), style="bold red")
    parts: list[RenderableType] = [pools_table(status.pools), Text(""), consumers_table(status.consumers), Text("")]
    if status.ok:
        parts.append(Text(f"All is well. NATS {status.nats}, looked over {status.seconds:.1f} s.", style="green"))
    parts += [Text(f"wrong: {safe(trouble)}", style="red") for trouble in status.troubles]
    return Group(*parts)


def pools_table(pools: tuple[PoolStatus, ...]) -> Table:
    # A terminal of 80 columns must show every heading whole.
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("domain", no_wrap=True)
    for heading in ("pools", "req/s", "er-\nrors", "re-\nfused", "ms", "at\nwork", "un-\nsent", "sagas", "undo",
                    "out-\nside", "dead", "re-\nstart"):  # fmt: skip
        table.add_column(heading, justify="right")
    for pool in pools:
        table.add_row(
            Text(safe(pool.domain), style="" if pool.instances else "bold red"),
            amount(pool.instances, "bold red" if not pool.instances else "green"),
            f"{pool.requests_per_second:.1f}" if pool.requests_per_second else quiet(),
            amount(pool.errors, "red"),
            amount(pool.refusals),
            quiet() if pool.average_ms is None else f"{pool.average_ms:.2f}",
            amount(pool.in_flight),
            amount(pool.unpublished, "yellow"),
            amount(pool.sagas_running),
            amount(pool.sagas_undoing, "yellow"),
            amount(pool.effects),
            amount(pool.dead_letters, "bold red"),
            amount(pool.restarts, "yellow"),
        )
    return table


def consumers_table(consumers: tuple[ConsumerStatus, ...]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("reader")
    table.add_column("of")
    for heading in ("lag", "unacknowledged", "again"):
        table.add_column(heading, justify="right")
    for each in consumers:
        style = "bold red" if each.lag >= LAG_HIGH else "yellow"
        table.add_row(
            safe(each.name), safe(each.stream), amount(each.lag, style), amount(each.unacknowledged),
            amount(each.redelivered, "yellow"),
        )  # fmt: skip
    return table


def amount(number: int, style: str = "") -> Text:
    """Draw a number: nothing much where it is nought."""
    return Text(str(number), style=style) if number else quiet()


def quiet() -> Text:
    return Text(QUIET, style="dim")
