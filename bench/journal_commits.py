"""Commits a second: the journal's group commit, with outbox and guards, against plain inserts on 16 connections."""

from __future__ import annotations

from bench.processes import Children, tree
from bench.rounds import Peer, Table, measure, rows_of
from bench.run import Run

CALLERS = (1, 16, 64, 256)
BASE = "insert, 16 connections"


def journal_commits(run: Run) -> Table:
    """Compare commits of one event of 377 B."""
    with Children(run.folder / "journal_commits") as children:
        told = {"BENCH_POSTGRES": run.platform.endpoints.postgres}
        servers = {"postgres": lambda: tree(run.pid("postgres"))}
        peers = [
            Peer(name, children.peer("journal", role, **told).until_ready(), servers)
            for name, role in (("journal", "mesh"), (BASE, "insert"))
        ]
        measure(peers, CALLERS, run.rounds, run.seconds)
        rows = rows_of(peers, peers[1], CALLERS, "{} callers")
        return Table("journal commits", "one command with one event of 377 B a commit", BASE, rows, {})
