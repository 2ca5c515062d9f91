"""One mesh call: an order document asked, checked from memory and answered; client and pool are processes apart."""

from __future__ import annotations

import sys
from collections.abc import Callable

from bench.processes import Child, Children, Ended, free_port
from bench.rounds import Peer, Table, measure, rows_of
from bench.run import Run

CALLERS = (1, 16, 64)
SAMPLED = (0.0, 0.1, 1.0)
BASE = "natspy-json"
IN_YARDSTICKS = ("natspy-json", "natspy-json-hdr-task", "tuned-json-hdr-task")
IN_PLAIN = ("natspy-json", "natspy-json-hdr-task")
FOREIGN = {"faststream": "peers/p_faststream.py", "fastapi-aiohttp": "peers/p_http.py", "grpc": "peers/p_grpc.py"}
"""Peers whose packages are not ours."""
MOLECULER = "peers/moleculer"
"""A peer in JavaScript: its packages are where `npm install` has put them."""


def mesh_call(run: Run) -> Table:
    """Compare the mesh, untraced and traced, with what nats-py alone costs."""
    missing: dict[str, str] = {}
    with Children(run.folder / "mesh_call") as children:
        peers = [*ours(run, children), *others(run, children, missing)]
        base = next(peer for peer in peers if peer.name == BASE)
        measure(peers, CALLERS, run.rounds, run.seconds)
        return Table(
            "mesh call", "Client.ask -> pool -> query answered from memory, 377 B", BASE,
            rows_of(peers, base, CALLERS, "c={}"), missing,
        )  # fmt: skip


def ours(run: Run, children: Children) -> list[Peer]:
    """Start one pool, and a client for each share of traces: who begins a trace decides whether it is recorded."""
    port = free_port()
    children.peer("span_sink", BENCH_PORT=str(port))
    told = {"BENCH_NATS": run.nats, "BENCH_SPANS": f"http://127.0.0.1:{port}"}
    server = children.peer("mesh", "pool", **told)
    return [
        peer_of(run, f"mesh, {share:.0%} sampled", server,
                children.peer("mesh", "client", BENCH_RATIO=str(share), **told).until_ready())
        for share in SAMPLED
    ]  # fmt: skip


def others(run: Run, children: Children, missing: dict[str, str]) -> list[Peer]:
    """Start the peers that can be had here."""
    found, told = [], {"BENCH_NATS": run.nats}
    starts: dict[str, Callable[[str], Child]] = {}
    if run.yardsticks is None:
        missing["tuned-json-hdr-task"] = "the yardsticks are not here (--yardsticks); plain peers of our own stand in"
        for name in IN_PLAIN:
            starts[name] = lambda role, name=name: children.peer("plain", role, name, **told)  # type: ignore[misc]
    else:
        for name in IN_YARDSTICKS:
            starts[name] = yardstick(run, children, sys.executable, "peers/p_nats.py", name)
    for name, script in FOREIGN.items():
        if run.yardsticks is None or run.peers_python is None:
            missing[name] = "needs the yardsticks and a Python with its packages (--peers-python)"
        else:
            starts[name] = yardstick(run, children, run.peers_python, script, name)
    if run.yardsticks is None or not (run.yardsticks / MOLECULER / "node_modules").is_dir():
        missing["moleculer"] = f"needs the yardsticks, and `npm install` in their {MOLECULER}"
    else:
        starts["moleculer"] = yardstick(run, children, "node", f"{MOLECULER}/peer.js", "")
    for name, start in starts.items():
        server = start("serve")
        try:
            found.append(peer_of(run, name, server, start("client").until_ready()))
        except Ended as error:
            missing[name] = str(error)
    return found


def yardstick(run: Run, children: Children, python: str, script: str, name: str) -> Callable[[str], Child]:
    """Return what starts one role of a yardstick's peer."""
    assert run.yardsticks is not None
    folder, told = run.yardsticks, {"BENCH_NATS": run.nats, "BENCH_PORT": str(free_port())}
    return lambda role: children.start([python, script, role, *filter(None, [name])], told, folder)


def peer_of(run: Run, name: str, server: Child, client: Child) -> Peer:
    return Peer(name, client, {"server": lambda: [server.pid], "broker": lambda: [run.pid("nats")]})
