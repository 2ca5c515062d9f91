"""The load of the HTTP bench: one request, again and again, each caller over a kept-alive connection of its own.

The client is written by hand, so that it is the cheapest part. `BENCH_URL`, `BENCH_TOKEN`; the body comes from
`BENCH_BODY`, then it is a POST.
"""

from __future__ import annotations

import asyncio
import os
import re
from typing import cast
from urllib.parse import urlsplit

from bench.load import run, steer

LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


class Connection(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self._answer: asyncio.Future[bytes] | None = None
        self.open = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return
        length = LENGTH.search(self._received, 0, end)
        if length is not None and len(self._received) < end + 4 + int(length.group(1)):
            return
        answer, self._received = self._received, b""
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(answer)

    def connection_lost(self, error: Exception | None) -> None:
        self.open = False
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error or ConnectionResetError("the server hung up"))

    async def ask(self, request: bytes) -> bytes:
        """Send a request and return the whole answer."""
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer


async def main() -> None:
    """Send the request over as many connections as there are callers."""
    url = urlsplit(os.environ["BENCH_URL"])
    body = os.environ.get("BENCH_BODY", "").encode()
    head = f"{'POST' if body else 'GET'} {url.path} HTTP/1.1\r\nHost: {url.netloc}\r\n"
    if token := os.environ.get("BENCH_TOKEN"):
        head += f"Authorization: Bearer {token}\r\n"
    if body:
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    request, idle = head.encode() + b"\r\n" + body, list[Connection]()

    async def call() -> None:
        while idle and not idle[-1].open:  # the server tires of connections that idle
            idle.pop()
        if idle:
            connection = idle.pop()
        else:
            loop = asyncio.get_running_loop()
            _, connection = await loop.create_connection(Connection, url.hostname or "", url.port or 80)
        answer = await connection.ask(request)
        if not answer.startswith(b"HTTP/1.1 20"):
            raise RuntimeError(answer[:300])
        idle.append(connection)

    await steer(call)


if __name__ == "__main__":
    run(main)
