"""`python -m bench`: ratios of one run, on servers of its own.

    python -m bench                        all benches (about four minutes)
    python -m bench --quick mesh_call      fewer and shorter rounds, one bench
    python -m bench --json --record        one line of JSON; and the same appended to bench/history.jsonl

Read ratios and CPU microseconds: rates and latencies move with whatever else runs on the machine.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from rich.console import Console

from bench.event_latency import event_latency
from bench.http_query import http_query
from bench.journal_commits import journal_commits
from bench.mesh_call import mesh_call
from bench.report import document, machine, record, show
from bench.rounds import Table
from bench.run import YARDSTICKS, Run
from bench.shop_day import shop_day
from infra.local.testing import servers_in

BENCHES: Mapping[str, Callable[[Run], Table]] = {
    "mesh_call": mesh_call,
    "http_query": http_query,
    "journal_commits": journal_commits,
    "event_latency": event_latency,
    "shop_day": shop_day,
}
WIDTH = 160


def arguments() -> argparse.Namespace:
    """Read the command line; the environment gives the defaults."""
    parser = argparse.ArgumentParser("bench", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="BENCH", help=f"which to run: {', '.join(BENCHES)}; all by default")
    parser.add_argument("--json", action="store_true", help="print one line of JSON instead of tables")
    parser.add_argument("--quick", action="store_true", help="two rounds of half a second instead of five of one")
    parser.add_argument("--record", action="store_true", help="append the run to bench/history.jsonl")
    parser.add_argument("--rounds", type=int, help="how many rounds")
    parser.add_argument("--seconds", type=float, help="how long one shot takes")
    parser.add_argument(
        "--yardsticks", type=Path, default=os.environ.get("BENCH_YARDSTICKS", YARDSTICKS),
        help="folder of the yardsticks (BENCH_YARDSTICKS)",
    )  # fmt: skip
    parser.add_argument(
        "--peers-python", default=os.environ.get("BENCH_PEERS_PYTHON"),
        help="a Python with FastStream, FastAPI, aiohttp, uvicorn, grpc (BENCH_PEERS_PYTHON)",
    )  # fmt: skip
    given = parser.parse_args()
    if unknown := [name for name in given.names if name not in BENCHES]:
        parser.error(f"no such bench: {', '.join(unknown)}")
    return given


def main() -> None:
    """Run what was asked for and tell what it found."""
    given, console, tables = arguments(), Console(width=WIDTH), []
    yardsticks = Path(given.yardsticks).absolute()
    about = machine()
    if not given.json:
        console.print(", ".join(f"{name} {value}" for name, value in about.items()), "\n", markup=False)
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch, servers_in(Path(scratch) / "servers") as platform:
        run = Run(
            platform=platform,
            folder=Path(scratch),
            rounds=given.rounds or (2 if given.quick else 5),
            seconds=given.seconds or (0.5 if given.quick else 1.0),
            yardsticks=yardsticks if (yardsticks / "hop.py").is_file() else None,
            peers_python=given.peers_python,
        )
        for name in given.names or BENCHES:
            tables.append(BENCHES[name](run))
            if not given.json:
                show(console, tables[-1])
    line = document(tables, about)
    if given.json:
        print(line.decode())
    if given.record:
        record(line)


if __name__ == "__main__":
    main()
