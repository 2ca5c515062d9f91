"""`mesh demo`: a platform of its own, driven over HTTP as a client would; 0 only if every outcome is right."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import httpx
import msgspec
import typer
from rich.console import Console

from cli.accounts import Newcomer, join
from cli.demo_pictures import show
from cli.demo_scenarios import SOLD, STORIES, Cast, Scenario, expect
from cli.demo_tools import GARBLED, TELLS, TOLD_EACH, TOLD_SKU, MailSeen, ToldCounts, mails_seen, tell_receipts
from cli.mails import CONFIRM, Mailbox, mailbox_at
from cli.panel import Panel
from cli.seed import STOCK, add_accounts, stock_catalogue
from cli.shop import Problem, Shop, shop_at
from cli.trace import TraceProblem, fetch
from cli.waterfall import TraceSpan
from infra.local.platform import LocalPlatform
from schemas.payments import OrderLedger

SPANS_SECONDS_MAX = 10.0
SPANS_REST_SECONDS = 0.7
"""Spans are in when none has come for this long: longer than an exporter waits to fill a batch."""
ADA = Newcomer("demo-ada", "Ada Byron", "ada.byron@example.org", "an engine of analytical kind")
GRACE = Newcomer("demo-grace", "Grace Hopper", "grace.hopper@example.org", "nanoseconds in a bag")


class Report(msgspec.Struct, kw_only=True):
    """What the demo found; `--json` prints it."""

    ready_seconds: float
    orders: list[Scenario]
    tells: ToldCounts = msgspec.field(default_factory=ToldCounts)
    mails: list[MailSeen] = []
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
    """Show orders paid, declined, refused, repeated and refunded; exit 0 only if each ended as it must."""
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
            report = Report(ready_seconds=round(time.monotonic() - started, 2), orders=[])
        try:
            await add_accounts(platform.environment, platform.endpoints.accounts.values())
            async with shop_at(platform.endpoints.gateway) as http, mailbox_at(platform.endpoints.mailbox) as mailbox:
                await driven(console, platform, http, mailbox, report, quiet=quiet)
        finally:
            await platform.stop()
    return report


async def driven(
    console: Console, platform: LocalPlatform, http: httpx.AsyncClient, mailbox: Mailbox, report: Report, *, quiet: bool
) -> None:
    """Play every story, tell what a tool tells, and look at what came of it."""
    staff = {name: Shop(http, token) for name, token in platform.endpoints.tokens.items()}
    await stock_catalogue(staff["wendy"])
    ada, grace = await join(http, mailbox, ADA), await join(http, mailbox, GRACE)
    cast = Cast(Shop(http, ada), Shop(http, grace), grace.user_id, staff["sam"], mailbox)
    for story in STORIES:
        report.orders.append(scenario := Scenario(scenario=story.name, expected=story.expected))
        began = time.monotonic()
        try:
            await story.play(cast, scenario)
        except Problem as problem:
            scenario.problems.append(f"{story.name}: {problem}")
        scenario.milliseconds = round((time.monotonic() - began) * 1000)
        if scenario.status != story.expected:
            scenario.problems.append(f"{story.name}: ended {scenario.status or 'nowhere'} instead of {story.expected}")
    report.tells = await tell_receipts(platform.environment)
    if (report.tells.accepted, report.tells.dead) != (TELLS - 1, 1):
        report.problems.append(f"of {TELLS} tells, the one at {GARBLED} garbled: {report.tells}")
    await read_mails(mailbox, report)
    spans = await spans_of(platform.endpoints.traces, report.orders[0].order_id)
    report.spans, report.services = len(spans), sorted({span.service for span in spans})
    ledgers = await audited(staff["otto"], report)
    if not quiet:
        stories = [(scenario.scenario, scenario.order_id, scenario.status) for scenario in report.orders]
        await show(console, staff["otto"], stories, ledgers, spans)


async def read_mails(mailbox: Mailbox, report: Report) -> None:
    """Look whether the customers were told, each of her own."""
    orders = {scenario.scenario: scenario.order_id for scenario in report.orders}
    due = (
        (ADA.email, CONFIRM, (ADA.name, "Code: ")),
        (GRACE.email, CONFIRM, (GRACE.name, "Code: ")),
        (ADA.email, f"order {orders['paid']} is confirmed", (ADA.name, "Total:")),
        (ADA.email, f"order {orders['card declined']} was cancelled", (ADA.name, "Nothing has been charged")),
        (ADA.email, f"order {orders['cancelled when paid']} was refunded", (ADA.name, "goes back to your card")),
    )
    seen, problems = await mails_seen(mailbox, due)
    report.mails, report.problems = seen, report.problems + problems


async def audited(otto: Shop, report: Report) -> dict[str, OrderLedger]:
    """Look at the money and the stock from outside: sums, and what each order posted."""
    for balance in (await otto.balances()).balances:
        report.ledger_sum[balance.currency] = report.ledger_sum.get(balance.currency, 0) + balance.amount_minor
    ledgers = {scenario.order_id: await otto.ledger(scenario.order_id) for scenario in report.orders}
    for story, scenario in zip(STORIES, report.orders, strict=True):
        charged = bool(ledgers[scenario.order_id].postings)
        expect(scenario, charged == story.charged, "charged" if charged else "never charged")
    items = {item.sku: item for item in await otto.items()}
    due = {sku: STOCK - SOLD.get(sku, 0) + (TOLD_EACH * (TELLS - 1) if sku == TOLD_SKU else 0) for sku in items}
    wrong = [sku for sku, item in items.items() if (item.on_hand, item.reserved) != (due[sku], 0)]
    report.stock_conserved = not wrong and len(items) == 20
    if not report.stock_conserved:
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
