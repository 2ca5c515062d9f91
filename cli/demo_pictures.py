"""What the demo shows: each order's timeline, the ledger's T-accounts, the first order's trace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.columns import Columns
from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from cli.shop import Shop
from cli.waterfall import TraceSpan, waterfall
from schemas.orders import OrderTimelineView
from schemas.payments import OrderLedger, Posting

OUTCOME_STYLES = {"paid": "green", "cancelled": "yellow", "refused": "yellow", "refunded": "cyan"}


async def show(
    console: Console,
    staff: Shop,
    scenarios: Sequence[tuple[str, str, str]],
    ledgers: Mapping[str, OrderLedger],
    spans: Sequence[TraceSpan],
) -> None:
    """Draw it all. A scenario is its name, its order's id and how it ended."""
    for name, order_id, status in scenarios:
        story = timeline(await staff.timeline(order_id))
        accounts = t_accounts(ledgers[order_id].postings)
        style = OUTCOME_STYLES.get(status, "red")
        title = f"{name}: [{style}]{status}[/]"
        console.print(Panel(Columns([story, accounts], padding=(0, 4)), title=title, title_align="left"))
    if spans:
        console.print(waterfall(spans, console.width))


def timeline(view: OrderTimelineView) -> Table:
    """Return what happened to an order, and how long after it was placed."""
    table = Table(title=f"order {view.order_id[:13]}…", title_justify="left", box=None, show_header=False)
    start = view.entries[0].at_ms if view.entries else 0
    for entry in view.entries:
        table.add_row(f"+{entry.at_ms - start} ms", entry.what.replace("_", " "), entry.detail)
    return table


def t_accounts(postings: Sequence[Posting]) -> Columns | str:
    """Return one T-account for each account that was posted to: debit on the left, credit on the right."""
    if not postings:
        return "no money moved"
    accounts = dict.fromkeys(posting.account for posting in postings)
    return Columns([t_account(account, postings) for account in accounts], padding=(0, 3))


def t_account(account: str, postings: Sequence[Posting]) -> Table:
    table = Table(title=account.replace("_", " "), show_edge=False, pad_edge=False)
    table.add_column("debit", justify="right")
    table.add_column("credit", justify="right")
    for posting in postings:
        if posting.account == account:
            amount = f"{abs(posting.amount_minor) / 100:.2f} {posting.currency}"
            table.add_row(*((amount, "") if posting.amount_minor >= 0 else ("", amount)))
    return table
