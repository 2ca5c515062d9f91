"""A simulated day on the whole platform: how long log-in, order and question take, at steady rates of orders."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from bench.processes import cpu_seconds, tree
from bench.rounds import Row, Table
from bench.run import Run
from cli.latencies import Latency
from cli.seed import add_accounts, stock_catalogue
from cli.shop import Shop, shop_at
from cli.simulate import simulate
from cli.simulate_day import Outcome
from infra.local.platform import LocalPlatform

RATES = (2, 8)
SECONDS_LONGER = 20
"""A shot of one second is too short for a p99 of orders."""
KINDS = ("log in", "place", "query")
CONCURRENCY = 256
"""So many that a slow answer keeps no other order from being sent: the load is open."""


def shop_day(run: Run) -> Table:
    """Measure what customers wait for, on servers and services of its own."""
    rows, notes = asyncio.run(measured(run))
    what = "mesh simulate over HTTP, every service, every trace kept, the client in the same machine"
    return Table("shop day", what, "", tuple(rows), {}, tuple(notes))


async def measured(run: Run) -> tuple[list[Row], list[str]]:
    rows: list[Row] = []
    notes: list[str] = []
    async with LocalPlatform(run.folder / "shop_day") as platform:
        await add_accounts(platform.environment, platform.endpoints.accounts.values())
        async with shop_at(platform.endpoints.gateway) as http:
            await stock_catalogue(Shop(http, platform.endpoints.tokens["wendy"]))
        for seed, rate in enumerate((RATES[0], *RATES)):  # the first warms up
            orders = max(10, round(rate * run.seconds * SECONDS_LONGER))
            before = spent_seconds(platform)
            outcome = await simulate(platform.endpoints, seed, orders, CONCURRENCY, rate=rate)
            used = spent_seconds(platform)
            costs = {name: (used[name] - before.get(name, 0.0)) / orders * 1e6 for name in used}
            if seed:
                rows += rows_of(rate, outcome, costs)
                notes.append(f"{rate}/s: {told_of(outcome)}")
    return rows, notes


def spent_seconds(platform: LocalPlatform) -> dict[str, float]:
    """Return the CPU time of each part with all its processes."""
    return {name: cpu_seconds(tree(pid)) or 0.0 for name, pid in platform.pids().items()}


def rows_of(rate: int, outcome: Outcome, costs: Mapping[str, float]) -> list[Row]:
    """Return a line for each thing that customers do; the CPU is that of a whole order and all that follows it."""
    return [row_of(kind, rate, outcome, outcome.latencies[kind], costs) for kind in KINDS if kind in outcome.latencies]


def row_of(kind: str, rate: int, outcome: Outcome, latency: Latency, costs: Mapping[str, float]) -> Row:
    return Row(
        peer=kind,
        load=f"{rate}/s",
        rate=latency.count / outcome.seconds,
        rate_ratio=None,
        cpu_us=costs,
        cpu_ratio=None,
        p50_us=latency.p50_ms * 1000,
        p99_us=latency.p99_ms * 1000,
        errors=len(outcome.wrong) + outcome.tries_again,
    )


def told_of(outcome: Outcome) -> str:
    """Say what the clients were answered."""
    return ", ".join(f"{count} x {answer}" for answer, count in sorted(outcome.answers.items()))
