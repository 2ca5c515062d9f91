"""A client of the live stream over raw ASGI, which takes what it is sent, or does not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import msgspec

from actors.mesh._ports.bus import Bus, StreamSpec
from schemas.envelope import DECIDED_AT, KEY, OWNER, VERSION
from schemas.message import shard

DECIDED_MS = 1_767_225_600_123


class SentEvent(NamedTuple):
    id: str
    event: str
    data: Any


class EventReader:
    """Reads server-sent events as the standard has it: a block without data sets the id and is no event."""

    def __init__(self) -> None:
        self.events: list[SentEvent] = []
        self.last_id = ""
        self.retry_ms = 0
        self.comments: list[str] = []
        self._rest = ""

    def feed(self, chunk: bytes) -> None:
        *blocks, self._rest = (self._rest + chunk.decode()).split("\n\n")
        for block in blocks:
            fields: dict[str, str] = {}
            for line in block.split("\n"):
                name, _, value = line.partition(": ")
                if name:
                    fields[name] = value
                else:
                    self.comments.append(value)
            self.last_id = fields.get("id", self.last_id)
            self.retry_ms = int(fields.get("retry", self.retry_ms))
            if "data" in fields:
                data = msgspec.json.decode(fields["data"])
                self.events.append(SentEvent(self.last_id, fields.get("event", "message"), data))

    def named(self, event: str) -> list[Any]:
        return [one.data for one in self.events if one.event == event]


class Listening(EventReader):
    """One connection; `takes` cleared, it takes nothing more."""

    def __init__(self) -> None:
        super().__init__()
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""
        self.is_over = False
        self.aborted = False
        self.takes = asyncio.Event()
        self.takes.set()
        self._hung_up = asyncio.Event()

    async def receive(self) -> Any:
        await self._hung_up.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        await self.takes.wait()
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            return
        if self.status == 200:
            self.feed(message["body"])
        else:
            self.body += message["body"]
        self.is_over = not message.get("more_body", False)

    def hang_up(self) -> None:
        self._hung_up.set()

    def abort(self) -> None:
        self.aborted = True
        self.hang_up()

    @property
    def problem(self) -> Any:
        return msgspec.json.decode(self.body)


@asynccontextmanager
async def listening(
    gateway: Any, *, token: str = "otto-token", last_id: str = "", query: bytes = b""
) -> AsyncIterator[Listening]:
    """Connect, let all come to rest, hang up."""
    found = Listening()
    headers = [(b"authorization", f"Bearer {token}".encode())]
    if last_id:
        headers.append((b"last-event-id", last_id.encode()))
    scope: Any = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
        "path": "/v1/live", "raw_path": b"/v1/live", "query_string": query, "root_path": "", "headers": headers,
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80), "mesh.abort": found.abort,
    }  # fmt: skip
    serving = asyncio.create_task(gateway.app(scope, found.receive, found.send))
    await gateway.clock.settle()
    try:
        yield found
    finally:
        found.takes.set()
        found.hang_up()
        await serving


async def streams(bus: Bus) -> None:
    await bus.provision([StreamSpec(name.upper(), (f"{name}.event.>",)) for name in DOMAINS], [])


DOMAINS = ("inventory", "orders", "payments")


async def happened(
    bus: Bus, event: str, key: str, version: int = 1, *, owner: str = "", body: Any = None, **headers: str
) -> None:
    """Store an event as a pool's relay does; `event` is `orders.order_paid`, `key` is `order/o-1`."""
    domain, _, name = event.partition(".")
    encoded = body if isinstance(body, bytes) else msgspec.json.encode(body or {})
    headers = {KEY: key, VERSION: str(version), DECIDED_AT: str(DECIDED_MS), **headers}
    if owner:
        headers[OWNER] = owner
    subject = f"{domain}.event.{name}.{shard(key.partition('/')[2])}"
    await bus.store(subject, encoded, headers, message_id=f"{key}@{version}")
