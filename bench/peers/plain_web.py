"""The usual service in the usual way, from our own requirements: Litestar and nats-py, the row read by asyncpg.

`gateway`: a typed handler that asks over NATS with headers; `service`: a task for each message, one select, the same
view encoded. No identities, no tracing, no deadlines, nothing sealed: less than the mesh does.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import msgspec
import nats
import uvicorn
from litestar import Litestar, get
from litestar.datastructures import State
from nats.aio.msg import Msg

from bench.load import run
from bench.peers.plain import HEADERS
from schemas.orders import OrderView

SUBJECT = "bench.get_order"
CONNECTIONS = 8
SELECT = "SELECT document FROM plain.order_views WHERE order_id = $1"


@get("/v1/orders/{order_id:str}", cache_control=None)
async def get_order(order_id: str, state: State) -> OrderView:
    """Ask the service."""
    reply = await state.nats.request(SUBJECT, order_id.encode(), timeout=5, headers=HEADERS)
    return msgspec.json.decode(reply.data, type=OrderView)


@asynccontextmanager
async def connected(app: Litestar) -> AsyncIterator[None]:
    """Hold the connection to NATS while the app runs."""
    app.state.nats = await nats.connect(os.environ["BENCH_NATS"])
    yield


async def gateway() -> None:
    """Serve HTTP until killed."""
    app = Litestar([get_order], lifespan=[connected], openapi_config=None, logging_config=None)
    port = int(os.environ["BENCH_PORT"])
    await uvicorn.Server(
        uvicorn.Config(app, port=port, http="httptools", access_log=False, log_level="error", lifespan="on")
    ).serve()


async def service() -> None:
    """Answer what the gateway asks until killed."""
    tasks = set[asyncio.Task[None]]()
    pool = await asyncpg.create_pool(os.environ["BENCH_POSTGRES"], min_size=CONNECTIONS, max_size=CONNECTIONS)
    connection = await nats.connect(os.environ["BENCH_NATS"])

    async def answer(message: Msg) -> None:
        document = await pool.fetchval(SELECT, message.data.decode())
        view = msgspec.json.decode(document, type=OrderView)
        await message.respond(msgspec.json.encode(view))

    async def answer_beside(message: Msg) -> None:
        task = asyncio.create_task(answer(message))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    await connection.subscribe(SUBJECT, "bench", cb=answer_beside)
    await asyncio.Event().wait()


if __name__ == "__main__":
    run({"gateway": gateway, "service": service}[sys.argv[1]])
