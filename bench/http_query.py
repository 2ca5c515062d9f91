"""One HTTP order query: client -> gateway -> orders pool -> view -> 200, beside services without the mesh."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import asyncpg
import msgspec

from actors.__main__ import ACTORS, privacy_of, views_of
from actors.mesh._blueprint import draw
from actors.mesh._ports import ViewRow
from actors.mesh._settings import PoolSettings, read_settings
from bench.processes import Child, Children, Ended, free_port, tree
from bench.rounds import Peer, Table, measure, rows_of
from bench.run import Run
from bench.tallies import ORDER_ID, ORDER_JSON
from schemas.orders import OrderView
from schemas.values import Money, PricedLine

CALLERS = (1, 16, 64)
BASE = "Litestar + nats-py + asyncpg"
RIVALS = {
    "FastAPI + aiohttp + FastAPI, POST, no store": ("fastapi-aiohttp", "fastapi-aiohttp"),
    "FastAPI + httpx (8 clients) + FastAPI, POST, no store": ("fastapi-httpx8", "fastapi-httpx"),
}
"""The yardsticks' gateways: the kind of each, and the service behind it."""
VIEW = OrderView(
    order_id=ORDER_ID,
    customer_id="cust-ada",
    status="paid",
    lines=tuple(
        PricedLine(sku=sku, quantity=quantity, unit_price=Money(amount_minor=cents, currency="EUR"))
        for sku, quantity, cents in (("cup-blue", 2, 1999), ("plate-red", 1, 45900), ("jug-white", 5, 349))
    ),
    total=Money(amount_minor=51643, currency="EUR"),
    deliver_to="Ada Byron, 12 Harbour Street, Bergen",
    placed_at_ms=1_767_225_600_123,
)
PLAIN = """CREATE SCHEMA IF NOT EXISTS plain;
CREATE TABLE IF NOT EXISTS plain.order_views (order_id text PRIMARY KEY, document bytea NOT NULL)"""
KEEP = "INSERT INTO plain.order_views VALUES ($1, $2) ON CONFLICT DO NOTHING"


def http_query(run: Run) -> Table:
    """Compare the whole path of a read."""
    missing: dict[str, str] = {}
    asyncio.run(prepare(run))
    with Children(run.folder / "http_query") as children:
        peers = [ours(run, children), plain(run, children), *foreign(run, children, missing)]
        measure(peers, CALLERS, run.rounds, run.seconds)
        rows = rows_of(peers, peers[1], CALLERS, "c={}")
    return Table("HTTP order query", "GET /v1/orders/{id}, the view in PostgreSQL, 0 % sampled", BASE, rows, missing)


async def prepare(run: Run) -> None:
    """Make the domains' schemas, and put one order's view where they look for it."""
    platform = run.platform
    await platform.add(platform.part("provision", "provision"))
    await seed(platform.part("orders", "orders").environment)
    connection = await asyncpg.connect(platform.endpoints.postgres)
    try:
        await connection.execute(PLAIN)
        await connection.execute(KEEP, ORDER_ID, msgspec.json.encode(VIEW))
    finally:
        await connection.close()


async def seed(environment: Mapping[str, str]) -> None:
    """Keep the order's view, its personal fields sealed, as the pool would after the last event."""
    blueprint, settings = draw(ACTORS["orders"]), read_settings(PoolSettings, environment)
    async with privacy_of(blueprint, settings) as privacy, views_of(blueprint, settings) as stores:
        await stores["default"].put("order_view", [ViewRow(ORDER_ID, 1, await privacy.seal(VIEW))])


def ours(run: Run, children: Children) -> Peer:
    """Start the orders pool and the gateway; not kept by the platform, for readiness would ask after all domains."""
    told = [run.platform.part(name, name) for name in ("orders", "gateway")]
    service, gateway = (children.start(part.argv, part.environment) for part in told)
    url = f"http://127.0.0.1:{told[1].environment['MESH_GATEWAY_PORT']}/v1/orders/{ORDER_ID}"
    client = children.peer("http", BENCH_URL=url, BENCH_TOKEN=run.platform.endpoints.tokens["ada"])
    return peer(run, "mesh", client.until_ready(), gateway, service)


def plain(run: Run, children: Children) -> Peer:
    port = str(free_port())
    told = {"BENCH_NATS": run.nats, "BENCH_POSTGRES": run.platform.endpoints.postgres, "BENCH_PORT": port}
    service, gateway = (children.peer("plain_web", role, **told) for role in ("service", "gateway"))
    client = children.peer("http", BENCH_URL=f"http://127.0.0.1:{port}/v1/orders/{ORDER_ID}").until_ready()
    return peer(run, BASE, client, gateway, service)


def foreign(run: Run, children: Children, missing: dict[str, str]) -> list[Peer]:
    """Start the yardsticks' gateways, whose services compute an answer and read no store, where they can be had."""
    found = []
    for name, (kind, service_name) in RIVALS.items():
        if run.yardsticks is None or run.peers_python is None:
            missing[name] = "needs the yardsticks and a Python with its packages (--peers-python)"
            continue
        try:
            found.append(rival(run, children, name, kind, [run.peers_python, "peers/p_http.py", "serve", service_name]))
        except Ended as error:
            missing[name] = str(error)
    return found


def rival(run: Run, children: Children, name: str, kind: str, serve: Sequence[str]) -> Peer:
    assert run.yardsticks is not None
    port, behind, folder = str(free_port()), str(free_port()), run.yardsticks
    told = {"BENCH_NATS": run.nats, "BENCH_PORT": port, "BENCH_BACKEND": f"http://127.0.0.1:{behind}", "GATEWAY": kind}
    service = children.start(serve, told | {"BENCH_PORT": behind}, folder)
    words = ["--app-dir", "peers", "--loop", "uvloop", "--http", "httptools", "--log-level", "error", "--no-access-log"]
    gateway = children.start([serve[0], "-m", "uvicorn", *words, "gateways:app", "--port", port], told, folder)
    client = children.peer("http", BENCH_URL=f"http://127.0.0.1:{port}/orders", BENCH_BODY=ORDER_JSON.decode())
    return peer(run, name, client.until_ready(), gateway, service)


def peer(run: Run, name: str, client: Child, gateway: Child, service: Child) -> Peer:
    return Peer(name, client, {
        "gateway": lambda: tree(gateway.pid), "service": lambda: [service.pid],
        "broker": lambda: [run.pid("nats")], "postgres": lambda: tree(run.pid("postgres")),
    })  # fmt: skip
