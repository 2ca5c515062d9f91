"""The live stream over real sockets: clients that do not read, and a server that is told to end."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from actors.mesh.testing.waiting import until
from gateway.live.broadcast import LiveBounds
from gateway.live.listeners import BYTES_MAX, Listener
from gateway.server import Server, server_of
from tests.unit.gateway.conftest import Gateway
from tests.unit.gateway.listening import EventReader, happened, streams

HEADERS = {"Authorization": "Bearer otto-token"}
LARGE = {"order_id": "o-1", "reason_code": "x" * 20_000}


@asynccontextmanager
async def served(gateway: Gateway) -> AsyncIterator[tuple[Server, asyncio.Task[None], int]]:
    await streams(gateway.bus)
    server = server_of(gateway.app, "127.0.0.1", 0, on_exit=gateway.live.close)
    serving = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    try:
        yield server, serving, server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.handle_exit(signal.SIGTERM, None)
        await serving


async def test_a_client_that_does_not_read_is_cut_off_and_costs_no_memory(gateway_of: Any) -> None:
    gateway = gateway_of(live=LiveBounds(send_seconds=0.2))
    async with served(gateway) as (server, _, port):
        loop = asyncio.get_running_loop()
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.setblocking(False)
            await loop.sock_connect(client, ("127.0.0.1", port))
            request = b"GET /v1/live?topics=orders HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer otto-token\r\n\r\n"
            await loop.sock_sendall(client, request)
            await until(lambda: len(gateway.live._listeners) == 1)
            (listener,) = gateway.live._listeners
            assert isinstance(listener, Listener)
            for number in range(400):
                await happened(gateway.bus, "orders.order_cancelled", "order/o-1", number, body=LARGE)
                assert listener._bytes <= BYTES_MAX
            await until(lambda: not gateway.live._listeners)
            assert listener.ending == "gone"
            await until(lambda: not server.server_state.connections)
            rest = b""
            while chunk := await loop.sock_recv(client, 1 << 20):
                rest = (rest + chunk)[-5:]
            assert rest != b"0\r\n\r\n", "it is cut off, not ended"


async def test_a_server_that_is_told_to_end_does_not_wait_for_those_who_listen(gateway: Gateway) -> None:
    async with (
        served(gateway) as (server, serving, port),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=HEADERS, trust_env=False) as http,
        http.stream("GET", "/v1/live") as answer,
    ):
        assert answer.headers["transfer-encoding"] == "chunked"
        reader = EventReader()

        async def read() -> None:
            async for chunk in answer.aiter_raw():
                reader.feed(chunk)

        reading = asyncio.create_task(read())
        await until(lambda: bool(reader.events))
        server.handle_exit(signal.SIGTERM, None)
        await asyncio.wait_for(serving, 5)
        await reading
        assert [one.event for one in reader.events] == ["ready", "closing"]


async def test_one_who_hangs_up_is_forgotten_at_once(gateway: Gateway) -> None:
    async with (
        served(gateway) as (_, _, port),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=HEADERS, trust_env=False) as http,
    ):
        async with http.stream("GET", "/v1/live"):
            await until(lambda: len(gateway.live._listeners) == 1)
        await until(lambda: not gateway.live._listeners)
        assert gateway.live._connected.total() == 0
