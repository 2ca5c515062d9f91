"""`mesh check`: invariants of money, stock, orders, streams and views, decided by reading the stores themselves."""

from __future__ import annotations

import asyncio
import base64
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from cli.check_facts import Facts
from cli.check_rules import ends, kept_word, letters, once, published, quiet, views
from cli.check_stores import AWAY, Places, read_facts, unrest
from cli.check_value import money, stock
from infra.local.endpoints import read_endpoints
from infra.local.failures import StartFailed
from infra.local.secrets import load_or_make
from infra.local.settings import read_settings

INVARIANTS: tuple[tuple[str, str, Callable[[Facts], Iterator[str]]], ...] = (
    ("I1", "stock adds up", stock),
    ("I2", "money adds up, and the card processor agrees", money),
    ("I3", "every order ends once, and right", ends),
    ("I4", "the streams hold the journals", published),
    ("I5", "nothing is done twice", once),
    ("I6", "what was acknowledged is there", kept_word),
    ("I7", "every view is the fold of its events", views),
    ("I11", "no unexpected dead letters", letters),
    ("I12", "nothing is under way", quiet),
)
SHOWN_MAX = 20
"""Broken rows that the table shows of one invariant; `--json` has them all."""
LOOK_EVERY_SECONDS = 0.25
LOOKS_MAX = 2
"""Looks in a row that must find nothing under way: what is between two places is in neither for a moment."""


class Invariant(msgspec.Struct, frozen=True, kw_only=True):
    """What must always be true, and a sentence for each row that says otherwise."""

    name: str
    what: str
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return not self.problems


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a check found."""

    ok: bool
    orders: int
    events: int
    invariants: tuple[Invariant, ...]

    @property
    def broken(self) -> tuple[str, ...]:
        """Return the names of the invariants that do not hold."""
        return tuple(each.name for each in self.invariants if not each.ok)

    @property
    def problems(self) -> tuple[str, ...]:
        return tuple(f"{each.name}: {problem}" for each in self.invariants for problem in each.problems)


def run(
    as_json: Annotated[bool, typer.Option("--json", help="Print one object for machines and nothing else.")] = False,
) -> int:
    """Read the stores of the running platform at rest; exit 0 only if every invariant holds."""
    try:
        verdict = asyncio.run(check(read_settings().data_folder))
    except AWAY as error:
        raise StartFailed("check", f"a store does not answer ({error})", "look at the panel of `just up`") from error
    if as_json:
        sys.stdout.write(msgspec.json.encode(verdict).decode() + "\n")
    else:
        show(Console(), verdict)
    return 0 if verdict.ok else 1


def places_of(folder: Path) -> Places:
    """Return where the stores of the platform that runs on a folder are."""
    endpoints = read_endpoints(folder)
    if endpoints is None:
        raise StartFailed("check", f"no platform runs on {folder}", "start one with `just up`")
    secrets = load_or_make(folder)
    return Places(
        postgres=endpoints.postgres,
        nats=endpoints.nats,
        redis=endpoints.redis,
        cards=endpoints.cards,
        master_key=base64.b64decode(secrets.master_key),
        hmac_key=base64.b64decode(secrets.hmac_key),
    )


async def check(folder: Path, *, acknowledged: Sequence[str] = (), dead_letters_expected: int = 0) -> Verdict:
    """Decide every invariant; `acknowledged` are the orders that clients were told of."""
    facts = await read_facts(places_of(folder))
    return judge(replace(facts, acknowledged=acknowledged, dead_letters_expected=dead_letters_expected))


def judge(facts: Facts) -> Verdict:
    """Put the facts to every rule."""
    invariants = tuple(Invariant(name=name, what=what, problems=tuple(rule(facts))) for name, what, rule in INVARIANTS)
    return Verdict(
        ok=all(each.ok for each in invariants),
        orders=len(facts.orders),
        events=sum(len(of_key) for domain in facts.domains.values() for of_key in domain.events.values()),
        invariants=invariants,
    )


async def at_rest(folder: Path, timeout_seconds: float) -> list[str]:
    """Wait until nothing is under way; return what still is when the time is over."""
    places, loop = places_of(folder), asyncio.get_running_loop()
    end, quiet_looks = loop.time() + timeout_seconds, 0
    while True:
        try:
            found = await unrest(places)
        except AWAY as error:  # being restarted: one more thing under way
            found = [f"a store does not answer: {error!r}"]
        quiet_looks = 0 if found else quiet_looks + 1
        if quiet_looks == LOOKS_MAX or loop.time() > end:
            return found
        await asyncio.sleep(LOOK_EVERY_SECONDS)


def show(console: Console, verdict: Verdict) -> None:
    """Draw the table, and under it the rows that break an invariant."""
    table = Table(box=None, pad_edge=False, title=f"{verdict.orders} orders, {verdict.events} events")
    for invariant in verdict.invariants:
        found = "[green]holds[/]" if invariant.ok else f"[red]broken by {len(invariant.problems)}[/]"
        table.add_row(invariant.name, invariant.what, found)
    console.print(table)
    for invariant in verdict.invariants:
        for problem in invariant.problems[:SHOWN_MAX]:
            console.print(f"[red]{invariant.name}[/] {problem}", soft_wrap=True, highlight=False)
        if len(invariant.problems) > SHOWN_MAX:
            console.print(f"[red]{invariant.name}[/] and {len(invariant.problems) - SHOWN_MAX} more")
