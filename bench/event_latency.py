"""Events end to end: from a command's acceptance until another process sees its event; open loop, at steady rates."""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from bench.load import percentile
from bench.processes import Child, Children, cpu_seconds, tree
from bench.rounds import Row, Table
from bench.run import Run

RATES = (50, 500, 1500)
SETTLE_SECONDS = 1.0
SHOTS_LONGER = 2
"""At 50 a second a shot of one second is too few for a p99."""


class Latencies(NamedTuple):
    """One shot: what the client offered, and each stretch's latencies in microseconds, in order."""

    rate: float
    accepted: list[float]
    seen: list[float]
    failed: Mapping[str, int]
    unseen: int
    cpu_us: dict[str, float]


def event_latency(run: Run) -> Table:
    """Measure command -> journal -> outbox -> JetStream -> consumer with one pool on PostgreSQL."""
    with Children(run.folder / "event_latency") as children:
        told = {"BENCH_NATS": run.nats, "BENCH_POSTGRES": run.platform.endpoints.postgres}
        pool = children.peer("mesh", "pool", **told)
        client = children.peer("events", "client", **told).until_ready()
        consumer = children.peer("events", "consumer", **told).until_ready()
        time.sleep(SETTLE_SECONDS)
        consumer.ask({})
        shots: dict[int, list[Latencies]] = {rate: [] for rate in RATES}
        for number in range(run.rounds + 1):
            for rate in RATES:
                found = shot(run, client, consumer, pool, rate)
                if number:  # the first round warms up
                    shots[rate].append(found)
    rows = [row for rate in RATES for row in rows_at(rate, shots[rate])]
    what = "open loop, one pool on PostgreSQL, a durable consumer elsewhere"
    return Table("event latency", what, "", tuple(rows), {}, tuple(told_of(rate, shots[rate]) for rate in RATES))


def shot(run: Run, client: Child, consumer: Child, pool: Child, rate: int) -> Latencies:
    """Offer a rate for a moment and match what was accepted with what was seen."""
    watched = {
        "pool": [pool.pid],
        "consumer": [consumer.pid],
        "broker": [run.pid("nats")],
        "postgres": tree(run.pid("postgres")),
    }
    before = {name: cpu_seconds(pids) or 0.0 for name, pids in watched.items()}
    answer = client.ask({"rate": rate, "s": run.seconds * SHOTS_LONGER})
    time.sleep(SETTLE_SECONDS)
    used = {name: (cpu_seconds(pids) or 0.0) - before[name] for name, pids in watched.items()}
    seen: Mapping[str, float] = consumer.ask({})["seen"]
    found: Mapping[str, tuple[float, float]] = answer["found"]
    done = max(1, len(found))
    return Latencies(
        rate=len(found) / answer["el"],
        accepted=sorted((accepted - due) * 1e6 for due, accepted in found.values()),
        seen=sorted((seen[key] - accepted) * 1e6 for key, (_, accepted) in found.items() if key in seen),
        failed=answer["failed"],
        unseen=sum(key not in seen for key in found),
        cpu_us={name: spent / done * 1e6 for name, spent in {"client": answer["cpu"], **used}.items()},
    )


def told_of(rate: int, shots: list[Latencies]) -> str:
    """Say what did not come through at one rate."""
    failed = Counter[str]()
    for each in shots:
        failed.update(each.failed)
    unseen = sum(each.unseen for each in shots)
    kinds = ", ".join(f"{count} {kind}" for kind, count in failed.items()) or "none"
    return f"{rate}/s: refused or failed: {kinds}; accepted and not seen {SETTLE_SECONDS} s after the last: {unseen}"


def rows_at(rate: int, shots: list[Latencies]) -> list[Row]:
    """Put the shots at one rate together: both stretches on a line each."""
    names = shots[0].cpu_us
    costs = {name: statistics.median(shot.cpu_us[name] for shot in shots) for name in names}
    lost = sum(shot.unseen + sum(shot.failed.values()) for shot in shots)
    stretches = {
        "due -> accepted": [shot.accepted for shot in shots],
        "accepted -> seen": [shot.seen for shot in shots],
    }
    return [
        Row(
            peer=name, load=f"{rate}/s", rate=statistics.median(shot.rate for shot in shots), rate_ratio=None,
            cpu_us=costs, cpu_ratio=None, errors=lost,
            p50_us=statistics.median(percentile(each, 0.5) for each in of_shots),
            p99_us=statistics.median(percentile(each, 0.99) for each in of_shots),
        )
        for name, of_shots in stretches.items()
    ]  # fmt: skip
