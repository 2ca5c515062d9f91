"""`mesh simulate`: a seeded day in the shop over HTTP, with declined cards, cancels, repeats and receipts."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Callable
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from cli.accounts import join
from cli.check import Verdict, at_rest, check
from cli.check import show as show_verdict
from cli.latencies import Latencies
from cli.mails import mailbox_at
from cli.seed import CATALOGUE
from cli.shop import shop_at
from cli.simulate_day import Day, Outcome, answered
from cli.simulate_wishes import newcomers, wishes
from infra.local.endpoints import Endpoints, read_endpoints
from infra.local.failures import StartFailed
from infra.local.settings import read_settings

REST_SECONDS = 120.0

Watch = Callable[[Outcome], object]


def run(
    seed: Annotated[int, typer.Option(help="The same seed wishes for the same orders.")] = 1,
    orders: Annotated[int, typer.Option(help="How many orders, where no minutes are given.")] = 100,
    rate: Annotated[float, typer.Option(help="Orders a second; 0 is as fast as they are answered.")] = 0.0,
    minutes: Annotated[float, typer.Option(help="How long, at the rate (2 a second where none is given).")] = 0.0,
    concurrency: Annotated[int, typer.Option(help="Orders under way at a time.")] = 16,
    checks: Annotated[bool, typer.Option("--check/--no-check", help="Look at the stores afterwards.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print one object for machines and nothing else.")] = False,
) -> int:
    """Let customers order at the running platform; exit 0 if no answer was wrong and all adds up afterwards."""
    folder = read_settings().data_folder
    endpoints = read_endpoints(folder)
    if endpoints is None:
        raise StartFailed("simulate", "no platform runs here", "start one with `just up`")
    if minutes:
        rate = rate or 2.0
        orders = max(1, round(minutes * 60 * rate))
    console = Console(stderr=as_json)
    outcome = asyncio.run(shown(console, endpoints, seed, orders, concurrency, rate))
    verdict = asyncio.run(settled(console)) if checks else None
    if as_json:
        told = {**msgspec.to_builtins(outcome), "check": verdict}
        sys.stdout.write(msgspec.json.encode(told).decode() + "\n")
    else:
        show(console, outcome)
        if verdict is not None:
            show_verdict(console, verdict)
    return 1 if outcome.wrong or (verdict is not None and not verdict.ok) else 0


async def shown(
    console: Console, endpoints: Endpoints, seed: int, orders: int, concurrency: int, rate: float
) -> Outcome:
    """Play a day under a line that says how it goes."""
    columns = (SpinnerColumn(), *Progress.get_default_columns()[:3], MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TextColumn("[dim]{task.fields[told]}"), console=console) as bar:
        task = bar.add_task("orders", total=orders, told="")

        def watch(outcome: Outcome) -> None:
            told = ", ".join(f"{count} x {answer}" for answer, count in Counter(outcome.answers).most_common(3))
            bar.update(task, advance=1, told=told)

        return await simulate(endpoints, seed, orders, concurrency, rate=rate, watch=watch)


async def settled(console: Console) -> Verdict:
    """Wait until nothing is under way, then let the checker decide."""
    folder = read_settings().data_folder
    with console.status("waiting until nothing is under way"):
        await at_rest(folder, REST_SECONDS)
        return await check(folder)


async def simulate(
    endpoints: Endpoints,
    seed: int,
    orders: int,
    concurrency: int = 16,
    *,
    rate: float = 0.0,
    watch: Watch = lambda _: None,
) -> Outcome:
    """Play a seed's wishes; each is asked for until it is answered, under the one key that it has."""
    loop = asyncio.get_running_loop()
    outcome, room = Outcome(seed=seed, orders=orders), asyncio.Semaphore(concurrency)
    async with shop_at(endpoints.gateway) as http, mailbox_at(endpoints.mailbox) as mailbox:
        joining = Latencies()  # who opens an account waits for a mail, which is no measure of the shop
        people = []
        for newcomer in newcomers(seed):
            account = await answered("join", lambda newcomer=newcomer: join(http, mailbox, newcomer), outcome, joining)  # type: ignore[misc]
            people.append((newcomer, account))
        day, began = Day(http, people, endpoints.tokens, outcome), loop.time()
        async with asyncio.TaskGroup() as group:
            for number, wish in enumerate(wishes(seed, orders, [sku for sku, _, _ in CATALOGUE])):
                if rate:
                    await asyncio.sleep(max(0.0, began + number / rate - loop.time()))
                await room.acquire()
                task = group.create_task(day.play(wish))
                task.add_done_callback(lambda _: room.release())
                task.add_done_callback(lambda _: watch(outcome))
    outcome.seconds = round(loop.time() - began, 2)
    outcome.latencies = day.latencies.told()
    return outcome


def show(console: Console, outcome: Outcome) -> None:
    """Draw what the clients were told, and how long it took."""
    table = Table(box=None, pad_edge=False, show_header=False)
    for what, counts in (("orders", outcome.answers), ("cancels", outcome.cancels)):
        for answer, count in Counter(counts).most_common():
            table.add_row(what, answer, str(count))
    for what in ("repeats", "receipts", "log_ins", "tries_again", "seconds"):
        table.add_row(what.replace("_", " "), "", f"{getattr(outcome, what)}")
    console.print(table)
    times = Table("", "answers", "p50 ms", "p99 ms", "longest ms", box=None, pad_edge=False)
    for kind, latency in outcome.latencies.items():
        numbers = (latency.count, latency.p50_ms, latency.p99_ms, latency.longest_ms)
        times.add_row(kind, *(f"{number:,}" for number in numbers))
    console.print(times)
    for wrong in outcome.wrong:
        console.print(f"[red]wrong:[/] {wrong}", soft_wrap=True)
