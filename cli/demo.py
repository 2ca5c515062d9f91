"""`mesh demo`: a platform of its own, driven over HTTP as a client would; 0 only if every outcome is right."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from cli.demo_pictures import show
from cli.panel import Panel
from cli.seed import STOCK, add_accounts, stock_catalogue
from cli.shop import LOOK_EVERY_SECONDS, Problem, Shop, shop_at
from cli.trace import TraceProblem, fetch
from cli.waterfall import TraceSpan
from infra.local.endpoints import Endpoints
from infra.local.platform import LocalPlatform
from schemas.orders import OrderPage, OrderView
from schemas.payments import OrderLedger

LOOKS_MAX = 100
SPANS_SECONDS_MAX = 10.0
SPANS_REST_SECONDS = 0.7
"""Spans are in when none has come for this long: longer than an exporter waits to fill a batch."""


class Scenario(msgspec.Struct, kw_only=True):
    """One order's story: what was expected, what came."""

    scenario: str
    expected: str
    status: str = ""
    milliseconds: int = 0
    order_id: str = ""
    problems: list[str] = []


class Report(msgspec.Struct, kw_only=True):
    """What the demo found; `--json` prints it."""

    ready_seconds: float
    orders: list[Scenario]
    spans: int = 0
    services: list[str] = []
    ledger_sum: dict[str, int] = {}
    stock_conserved: bool = False
    problems: list[str] = []

    @property
    def right(self) -> bool:
        return not self.problems and not any(scenario.problems for scenario in self.orders)


def run(
    as_json: Annotated[bool, typer.Option("--json", help="Print one object for machines and nothing else.")] = False,
) -> int:
    """Show orders that are paid, declined, refused and repeated; exit 0 only if each ended as it must."""
    console = Console(stderr=as_json)
    report = asyncio.run(demo(console, quiet=as_json))
    if as_json:
        sys.stdout.write(msgspec.json.encode(report).decode() + "\n")
    for problem in (*report.problems, *(problem for scenario in report.orders for problem in scenario.problems)):
        console.print(f"[red]wrong:[/] {problem}")
    if not as_json and report.right:
        console.print("[green]Every outcome is right.[/]")
    return 0 if report.right else 1


async def demo(console: Console, *, quiet: bool) -> Report:
    """Start, stock, drive, look, stop."""
    with tempfile.TemporaryDirectory(prefix="mesh-demo-") as folder:
        started = time.monotonic()
        with Panel(console) as panel:
            platform = LocalPlatform(Path(folder), fixed_ports=False, watch=panel.show)
            await platform.start()
            ready_seconds = round(time.monotonic() - started, 2)
        try:
            await add_accounts(platform.environment, platform.endpoints.accounts.values())
            async with shop_at(platform.endpoints.gateway) as http:
                shops = {name: Shop(http, token) for name, token in platform.endpoints.tokens.items()}
                return await driven(console, platform.endpoints, shops, ready_seconds, quiet=quiet)
        finally:
            await platform.stop()


async def driven(
    console: Console, endpoints: Endpoints, shops: dict[str, Shop], ready_seconds: float, *, quiet: bool
) -> Report:
    await stock_catalogue(shops["wendy"])
    report = Report(ready_seconds=ready_seconds, orders=[])
    scenarios: Sequence[tuple[str, str, Callable[[Shop, Scenario], Awaitable[None]]]] = (
        ("paid", "paid", paid),
        ("card declined", "cancelled", declined),
        ("more than in stock", "refused", too_many),
        ("sent twice with one key", "paid", twice),
    )
    for name, expected, play in scenarios:
        scenario = Scenario(scenario=name, expected=expected)
        started = time.monotonic()
        try:
            await play(shops["ada"], scenario)
        except Problem as problem:
            scenario.problems.append(f"{name}: {problem}")
        scenario.milliseconds = round((time.monotonic() - started) * 1000)
        if scenario.status != expected:
            scenario.problems.append(f"{name}: ended {scenario.status or 'nowhere'} instead of {expected}")
        report.orders.append(scenario)
    spans = await spans_of(endpoints.traces, report.orders[0].order_id)
    report.spans, report.services = len(spans), sorted({span.service for span in spans})
    ledgers = await audited(shops["otto"], report)
    if not quiet:
        stories = [(scenario.scenario, scenario.order_id, scenario.status) for scenario in report.orders]
        await show(console, shops["otto"], stories, ledgers, spans)
    return report


async def paid(ada: Shop, scenario: Scenario) -> None:
    """An order that is reserved before the answer, then paid."""
    status, order = await ada.place([("cup-blue", 2), ("lamp-white", 1)], "card-approved")
    expect(scenario, status == 201 and order.status != "placed", f"answered {status} {order.status}, not 201 reserved")
    await follow(ada, scenario, order)


async def declined(ada: Shop, scenario: Scenario) -> None:
    """An order whose card is declined: its stock comes back, and it is cancelled."""
    before = (await ada.item("plate-red")).available
    _, order = await ada.place([("plate-red", 3)], "card-declined")
    resting = await follow(ada, scenario, order)
    expect(scenario, resting.reason_code == "payment_declined", f"cancelled for {resting.reason_code}")
    expect(scenario, (await ada.item("plate-red")).available == before, "its stock did not come back")


async def too_many(ada: Shop, scenario: Scenario) -> None:
    """An order for more than there is: refused at reservation, nothing charged."""
    try:
        _, order = await ada.place([("bowl-green", STOCK + 1)], "card-approved")
        scenario.order_id, scenario.status = order.order_id, order.status
    except Problem as problem:
        right = (problem.status, problem.code) == (409, "stock_insufficient")
        scenario.status = "refused" if right else str(problem)
        scenario.order_id = await order_of(ada, "bowl-green")
        resting = await ada.at_rest(scenario.order_id)
        expect(scenario, resting.status == "cancelled", f"the order is {resting.status}, not cancelled")


async def order_of(ada: Shop, sku: str) -> str:
    """Return the id of the order that has an item; lists follow what happens by moments, so it is looked for twice."""
    for _ in range(LOOKS_MAX):
        for order in (await ada.get("/v1/orders", OrderPage, limit=20)).orders:
            if any(line.sku == sku for line in order.lines):
                return order.order_id
        await asyncio.sleep(LOOK_EVERY_SECONDS)
    raise Problem(404, {"code": "order_unlisted", "detail": f"no order with {sku} is listed"})


async def twice(ada: Shop, scenario: Scenario) -> None:
    """The same order sent twice with one key: one order, and the same answer."""
    lines, token, key = [("jug-blue", 1)], "card-approved", "demo-twice"
    first, second = await asyncio.gather(
        ada.place(lines, token, idempotency_key=key), ada.place(lines, token, idempotency_key=key)
    )
    expect(scenario, first[1].order_id == second[1].order_id, "two orders were made")
    await follow(ada, scenario, first[1])
    expect(scenario, (await ada.item("jug-blue")).on_hand == STOCK - 1, "the stock was taken twice")


async def follow(ada: Shop, scenario: Scenario, order: OrderView) -> OrderView:
    scenario.order_id = order.order_id
    resting = await ada.at_rest(order.order_id)
    scenario.status = resting.status
    return resting


def expect(scenario: Scenario, holds: bool, otherwise: str) -> None:
    if not holds:
        scenario.problems.append(f"{scenario.scenario}: {otherwise}")


async def audited(otto: Shop, report: Report) -> dict[str, OrderLedger]:
    """Look at the money and the stock from outside: sums, and what each order posted."""
    for balance in (await otto.balances()).balances:
        report.ledger_sum[balance.currency] = report.ledger_sum.get(balance.currency, 0) + balance.amount_minor
    ledgers = {scenario.order_id: await otto.ledger(scenario.order_id) for scenario in report.orders}
    for scenario in report.orders:
        charged = bool(ledgers[scenario.order_id].postings)
        expect(scenario, charged == (scenario.expected == "paid"), "charged" if charged else "never charged")
    sold = {"cup-blue": 2, "lamp-white": 1, "jug-blue": 1}
    items = {item.sku: item for item in await otto.items()}
    wrong = [sku for sku, item in items.items() if (item.on_hand, item.reserved) != (STOCK - sold.get(sku, 0), 0)]
    report.stock_conserved = not wrong and len(items) == 20
    if wrong or len(items) != 20:
        report.problems.append(f"stock is not conserved: {len(items)} items, wrong: {', '.join(wrong)}")
    if any(report.ledger_sum.values()):
        report.problems.append(f"the ledger does not sum to zero: {report.ledger_sum}")
    if not report.spans:
        report.problems.append("the first order left no trace")
    return ledgers


async def spans_of(url: str, order_id: str) -> list[TraceSpan]:
    """Return the spans of an order's trace when no more of them come in."""
    spans: list[TraceSpan] = []
    end = time.monotonic() + SPANS_SECONDS_MAX
    while time.monotonic() < end:
        await asyncio.sleep(SPANS_REST_SECONDS)
        try:
            traces = await asyncio.to_thread(fetch, order_id, url)
        except TraceProblem:
            continue
        found = traces[0]  # the oldest is the one it was placed in
        if len(found) == len(spans):
            break
        spans = found
    return spans
