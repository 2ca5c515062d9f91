"""`mesh simulate`: a seeded day in the shop over HTTP, with declined cards, cancels, repeats and receipts."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any

import httpx
import msgspec
import typer
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn
from rich.table import Table

from cli.seed import CATALOGUE
from cli.shop import Problem, Shop, shop_at
from cli.simulate_wishes import CUSTOMERS, Wish, wishes
from infra.local.endpoints import Endpoints, read_endpoints
from infra.local.failures import StartFailed
from infra.local.settings import read_settings
from schemas.envelope import derived_id

ANSWER_WITHIN_SECONDS = 90.0
"""How long a client keeps asking under the same key while parts of the platform are away."""
AGAIN_AFTER_SECONDS = (0.1, 0.3, 0.6, 1.0)
FAULT_STATUSES = frozenset({429, 500, 502, 503, 504})


class Outcome(msgspec.Struct, kw_only=True):
    """What the clients saw."""

    seed: int
    orders: int
    seconds: float = 0.0
    answers: dict[str, int] = {}
    cancels: dict[str, int] = {}
    repeats: int = 0
    receipts: int = 0
    tries_again: int = 0
    acknowledged: list[str] = []
    """Orders that somebody was told were accepted."""
    wrong: list[str] = []
    """Answers that no client may ever get."""


def run(
    seed: Annotated[int, typer.Option(help="The same seed wishes for the same orders.")] = 1,
    orders: Annotated[int, typer.Option(help="How many orders.")] = 100,
    rate: Annotated[float, typer.Option(help="Orders a second; 0 is as fast as they are answered.")] = 0.0,
    concurrency: Annotated[int, typer.Option(help="Orders under way at a time.")] = 16,
    as_json: Annotated[bool, typer.Option("--json", help="Print one object for machines and nothing else.")] = False,
) -> int:
    """Send random orders to the running platform; exit 0 if no answer was wrong. `mesh check` tells what came of it."""
    endpoints = read_endpoints(read_settings().data_folder)
    if endpoints is None:
        raise StartFailed("simulate", "no platform runs here", "start one with `just up`")
    console = Console(stderr=as_json)
    with Progress(*Progress.get_default_columns(), MofNCompleteColumn(), TimeElapsedColumn(), console=console) as bar:
        task = bar.add_task("orders", total=orders)
        outcome = asyncio.run(
            simulate(endpoints, seed, orders, concurrency, rate=rate, watch=lambda: bar.advance(task))
        )
    if as_json:
        sys.stdout.write(msgspec.json.encode(outcome).decode() + "\n")
    else:
        show(console, outcome)
    return 1 if outcome.wrong else 0


async def simulate(
    endpoints: Endpoints,
    seed: int,
    orders: int,
    concurrency: int = 16,
    *,
    rate: float = 0.0,
    watch: Callable[[], object] = lambda: None,
) -> Outcome:
    """Play a seed's wishes; each is asked for until it is answered, under the one key that it has."""
    loop = asyncio.get_running_loop()
    outcome, room, began = Outcome(seed=seed, orders=orders), asyncio.Semaphore(concurrency), loop.time()
    async with shop_at(endpoints.gateway) as http, asyncio.TaskGroup() as group:
        day = Day(http, endpoints.tokens, outcome)
        for number, wish in enumerate(wishes(seed, orders, [sku for sku, _, _ in CATALOGUE])):
            if rate:
                await asyncio.sleep(max(0.0, began + number / rate - loop.time()))
            await room.acquire()
            task = group.create_task(day.play(wish))
            task.add_done_callback(lambda _: room.release())
            task.add_done_callback(lambda _: watch())
    outcome.seconds = round(loop.time() - began, 2)
    return outcome


class Day:
    """The people of the shop, and what they are told."""

    def __init__(self, http: httpx.AsyncClient, tokens: dict[str, str], outcome: Outcome) -> None:
        self._shops = {name: Shop(http, token) for name, token in tokens.items()}
        self._outcome = outcome

    async def play(self, wish: Wish) -> None:
        """Everything that one wish is about, partly at the same time."""
        order_id = derived_id(CUSTOMERS[wish.who], "PlaceOrder", wish.key)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._place(wish, order_id))
            if wish.repeated:
                self._outcome.repeats += 1
                group.create_task(self._place(wish, order_id))
            if wish.cancel_after_seconds is not None:
                group.create_task(self._cancel(wish, order_id, wish.cancel_after_seconds))
            if wish.receipt is not None:
                group.create_task(self._receive(wish, *wish.receipt))

    async def _place(self, wish: Wish, order_id: str) -> None:
        answer, told = "", ""
        async with self._telling("place", wish):
            try:
                response = await self._answered(
                    lambda: self._shops[wish.who].post("/v1/orders", order_of(wish), idempotency_key=wish.key)
                )
                shown = response.json()
                answer = f"{response.status_code} {shown.get('status', '')}".rstrip()
                told = shown["order_id"] if response.status_code == 201 else shown["entity_id"]
            except Problem as problem:
                answer = f"{problem.status} {problem.code}"
        self._count(self._outcome.answers, answer)
        if told:
            self._outcome.acknowledged.append(told)
            if told != order_id:
                self._outcome.wrong.append(f"{wish.key} is order {order_id}, and the client was told {told}")

    async def _cancel(self, wish: Wish, order_id: str, after_seconds: float) -> None:
        await asyncio.sleep(after_seconds)
        path, body = f"/v1/orders/{order_id}/cancel", {"reason": "changed my mind"}
        async with self._telling("cancel", wish):
            try:
                shop, key = self._shops[wish.who], f"{wish.key}-cancel"
                response = await self._answered(lambda: shop.post(path, body, idempotency_key=key))
                self._count(self._outcome.cancels, str(response.status_code))
            except Problem as problem:
                self._count(self._outcome.cancels, f"{problem.status} {problem.code}")

    async def _receive(self, wish: Wish, sku: str, quantity: int) -> None:
        path, key = f"/v1/items/{sku}/receipts", f"{wish.key}-receipt"
        async with self._telling("receive", wish):
            await self._answered(lambda: self._shops["wendy"].post(path, {"quantity": quantity}, idempotency_key=key))
            self._outcome.receipts += 1

    @asynccontextmanager
    async def _telling(self, what: str, wish: Wish) -> AsyncIterator[None]:
        """One that goes wrong is told, and the day goes on."""
        try:
            yield
        except Exception as error:  # noqa: BLE001  whatever it is, it is what this day is to find out
            self._outcome.wrong.append(f"{what} {wish.key}: {error!r}")

    def _count(self, among: dict[str, int], what: str) -> None:
        among[what] = among.get(what, 0) + 1

    async def _answered(self, ask: Callable[[], Awaitable[Any]]) -> Any:
        """Ask until there is an answer: a gateway that is away, or says that something is, is asked again."""
        loop = asyncio.get_running_loop()
        end, tried = loop.time() + ANSWER_WITHIN_SECONDS, 0
        while True:
            try:
                return await ask()
            except (httpx.TransportError, Problem) as error:
                fault = not isinstance(error, Problem) or error.status in FAULT_STATUSES
                if not fault or loop.time() > end:
                    raise
            await asyncio.sleep(AGAIN_AFTER_SECONDS[min(tried, len(AGAIN_AFTER_SECONDS) - 1)])
            tried += 1
            self._outcome.tries_again += 1


def order_of(wish: Wish) -> dict[str, Any]:
    """Return the body that places the order."""
    return {
        "lines": [{"sku": sku, "quantity": quantity} for sku, quantity in wish.lines],
        "deliver_to": "12 Harbour Street, Bergen",
        "payment_token": wish.token,
    }


def show(console: Console, outcome: Outcome) -> None:
    """Draw what the clients were told."""
    table = Table(box=None, pad_edge=False, show_header=False)
    for what, counts in (("orders", outcome.answers), ("cancels", outcome.cancels)):
        for answer, count in Counter(counts).most_common():
            table.add_row(what, answer, str(count))
    table.add_row("repeated", "", str(outcome.repeats))
    table.add_row("receipts", "", str(outcome.receipts))
    table.add_row("asked again", "", str(outcome.tries_again))
    table.add_row("seconds", "", f"{outcome.seconds}")
    console.print(table)
    for wrong in outcome.wrong:
        console.print(f"[red]wrong:[/] {wrong}", soft_wrap=True)
