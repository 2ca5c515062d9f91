"""The collector and query service of traces: `python -m infra.local.traces`, OTLP in, Jaeger's JSON out.

POST /v1/traces            OTLP/HTTP protobuf, gzip or plain; 503 with Retry-After while the queue is full
GET  /v1/traces/find       ?value=<order id, command id, any id>: the traces that name it, newest first
GET  /healthz              200 when PostgreSQL has been reached
GET  /api/services         /api/services/<service>/operations   /api/traces?service=...   /api/traces/<trace id>
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any
from urllib.parse import unquote

import asyncpg
import msgspec
import uvicorn

from actors.mesh._log import configure_logging, get_logger
from infra.local import trace_queries as queries
from infra.local.trace_partitions import Connection
from infra.local.trace_requests import (
    Receive,
    RequestRefused,
    read_body,
    read_query,
    read_search,
    read_trace_id,
    read_value,
)
from infra.local.trace_store import CONNECT_SECONDS, WORLD_ERRORS, StoreSettings, TraceStore

HOST = "127.0.0.1"  # traces tell what customers do; this machine only
RETRY_AFTER_SECONDS = 2
QUERY_SECONDS = 5.0  # a search that scans too much is told so, and does not hold a connection
QUERY_CONNECTIONS = 4
CONCURRENT_REQUESTS = 200  # each may hold a body of 4 MB; the next is told 503
CLOSE_SECONDS = 5.0  # for what is queued when the collector is stopped
PROTOBUF, JSON = b"application/x-protobuf", b"application/json"

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Scope = MutableMapping[str, Any]


class Answer(msgspec.Struct, frozen=True):
    """What a request is answered with."""

    status: int
    body: bytes
    content_type: bytes = JSON
    retry_after: bool = False


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The environment of the collector."""

    port: int
    store: StoreSettings


def settings_from(environment: Mapping[str, str]) -> Settings:
    """Read MESH_POSTGRES_URL, MESH_TRACES_PORT, _HOURS, _BYTES and _QUEUE_BYTES; ValueError says what is wrong."""
    if not environment.get("MESH_POSTGRES_URL"):
        raise ValueError("MESH_POSTGRES_URL is missing: traces are kept in PostgreSQL")
    try:
        store = StoreSettings(
            postgres_url=environment["MESH_POSTGRES_URL"],
            age_hours=float(environment.get("MESH_TRACES_HOURS", 24)),
            size_bytes=int(environment.get("MESH_TRACES_BYTES", 1 << 30)),
            queue_bytes=int(environment.get("MESH_TRACES_QUEUE_BYTES", 32 << 20)),
        )
        return Settings(port=int(environment.get("MESH_TRACES_PORT", 4318)), store=store)
    except ValueError as error:
        raise ValueError(f"a MESH_TRACES_ variable is no number: {error}") from error


class TraceService:
    """The ASGI application: one writer behind a queue, a few connections for readers."""

    def __init__(self, settings: StoreSettings, *, now_ns: Callable[[], int] = time.time_ns) -> None:
        self.store = TraceStore(settings, now_ns=now_ns)
        self._now_ns = now_ns
        self._url = settings.postgres_url
        self._pool: asyncpg.Pool[Any] | None = None

    async def open(self) -> None:
        """Start the writer; neither it nor the pool connects before it must, PostgreSQL may start after us."""
        self._pool = await asyncpg.create_pool(
            self._url,
            min_size=0,
            max_size=QUERY_CONNECTIONS,
            timeout=CONNECT_SECONDS,
            command_timeout=QUERY_SECONDS,
            server_settings={
                "application_name": "mesh-traces-query",
                "default_transaction_read_only": "on",
                "jit": "off",  # it takes longer than any of our queries
            },
        )
        self.store.open()

    async def close(self) -> None:
        """Write what is queued, within a bound, and stop."""
        await self.store.close(CLOSE_SECONDS)
        if self._pool is not None:
            self._pool.terminate()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the life of the process."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await _send(send, await self._answer(scope, receive))

    async def _live(self, receive: Receive, send: Send) -> None:
        while (message := await receive())["type"] != "lifespan.shutdown":
            if message["type"] == "lifespan.startup":
                await self.open()
                await send({"type": "lifespan.startup.complete"})
        await self.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        try:
            return await self._route(scope, receive)
        except RequestRefused as refused:
            return Answer(refused.status, _json({"errors": [{"code": refused.status, "msg": refused.detail}]}))
        except WORLD_ERRORS as error:
            get_logger().warning("trace_query_failed", reason=type(error).__name__)
            detail = "the store is not reachable, or the search takes too long: narrow it"
            return Answer(503, _json({"errors": [{"code": 503, "msg": detail}]}), retry_after=True)

    async def _route(self, scope: Scope, receive: Receive) -> Answer:
        match scope["method"], [unquote(part) for part in scope["path"].strip("/").split("/")]:
            case "POST", ["v1", "traces"]:
                return self._accept(await read_body(dict(scope["headers"]), receive))
            case "GET", ["healthz"]:
                counts = msgspec.structs.asdict(self.store.counts)
                told = {"ready": self.store.ready, "queued_bytes": self.store.queued_bytes, **counts}
                return Answer(200 if self.store.ready else 503, _json(told))
            case "GET", path:
                return await self._read(path, read_query(scope["query_string"]))
            case _:
                raise RequestRefused(405, "POST /v1/traces, or GET")

    def _accept(self, body: bytes) -> Answer:
        try:
            accepted = self.store.accept(body)
        except ValueError as error:
            raise RequestRefused(400, str(error)) from error
        if accepted:
            return Answer(200, b"", PROTOBUF)  # an empty ExportTraceServiceResponse: all of it was taken
        return Answer(503, b"", PROTOBUF, retry_after=True)

    async def _read(self, path: list[str], parameters: Mapping[str, str]) -> Answer:
        assert self._pool is not None, "the lifespan has begun"
        async with self._pool.acquire(timeout=QUERY_SECONDS) as connection:
            found = await self._query(connection, path, parameters)
        return Answer(200, _json({"data": found, "total": len(found), "limit": 0, "offset": 0, "errors": None}))

    async def _query(self, connection: Connection, path: list[str], parameters: Mapping[str, str]) -> list[Any]:
        match path:
            case ["v1", "traces", "find"]:
                return list(await queries.find(connection, read_value(parameters)))
            case ["api", "services"]:
                return list(await queries.services(connection))
            case ["api", "services", service, "operations"]:
                return list(await queries.operations(connection, service))
            case ["api", "traces"]:
                return list(await queries.search(connection, read_search(parameters, self._now_ns())))
            case ["api", "traces", trace_id]:
                found = await queries.trace(connection, read_trace_id(trace_id))
                if found is None:
                    raise RequestRefused(404, "no such trace here; it may be older than what is kept")
                return [found]
            case _:
                raise RequestRefused(404, "no such page")


async def _send(send: Send, answer: Answer) -> None:
    headers = [(b"content-type", answer.content_type), (b"content-length", str(len(answer.body)).encode())]
    if answer.retry_after:
        headers.append((b"retry-after", str(RETRY_AFTER_SECONDS).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


def _json(value: object) -> bytes:
    return msgspec.json.encode(value)


def main() -> int:
    """Run until told to stop."""
    try:
        settings = settings_from(os.environ)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    configure_logging("traces")
    uvicorn.run(
        TraceService(settings.store),
        host=HOST,
        port=settings.port,
        log_config=None,
        access_log=False,
        limit_concurrency=CONCURRENT_REQUESTS,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
