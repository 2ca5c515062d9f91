"""The health port of a process: /healthz says that it lives, /readyz whether it can work. HTTP/1.1 by hand, GET only.

A web framework would cost each pool a second of start-up and tens of megabytes for two answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import msgspec

REQUEST_SECONDS = 2.0
REQUEST_BYTES_MAX = 4096


@asynccontextmanager
async def health_port(port: int, problems: Callable[[], Awaitable[Sequence[str]]]) -> AsyncIterator[int]:
    """Answer on a loopback port while the block runs; yields the port, which 0 leaves to the system."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                writer.write(await response(await reader.readuntil(b"\r\n"), problems))
                await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # whoever asks so slowly or so much is no probe
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", port, limit=REQUEST_BYTES_MAX)
    async with server:
        yield int(server.sockets[0].getsockname()[1])


async def response(line: bytes, problems: Callable[[], Awaitable[Sequence[str]]]) -> bytes:
    """Return the whole answer to one request line."""
    path = [*line.split(), b"", b""][1]
    if path == b"/healthz":
        return framed("200 OK", {"status": "ok"})
    if path != b"/readyz":
        return framed("404 Not Found", {"status": "unknown"})
    found = await problems()
    if found:
        return framed("503 Service Unavailable", {"status": "not ready", "problems": list(found)})
    return framed("200 OK", {"status": "ok"})


def framed(status: str, answer: object) -> bytes:
    body = msgspec.json.encode(answer)
    lines = (
        f"HTTP/1.1 {status}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Connection: close",
    )
    return "\r\n".join((*lines, "", "")).encode() + body
