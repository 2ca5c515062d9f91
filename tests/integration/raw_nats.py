"""NATS spoken by hand: what no client library would send."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import urlsplit

ANSWER_SECONDS = 5.0


def frame(subject: bytes, body: bytes, headers: Mapping[str, str] | bytes = b"", reply: bytes = b"") -> bytes:
    """Return what publishes a message; headers may be any bytes."""
    if not isinstance(headers, bytes):
        headers = b"".join(f"{name}: {value}\r\n".encode() for name, value in headers.items())
    target = subject + (b" " + reply if reply else b"")
    if not headers:
        return b"PUB %s %d\r\n%s\r\n" % (target, len(body), body)
    block = b"NATS/1.0\r\n" + headers + b"\r\n"
    return b"HPUB %s %d %d\r\n%s%s\r\n" % (target, len(block), len(block) + len(body), block, body)


async def send_raw(url: str, *frames: bytes) -> bytes:
    """Send frames over a connection of its own; return what the server said, `+OK` for each it took."""
    where = urlsplit(url)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    who = {"verbose": True, "headers": True, "user": where.username, "pass": where.password}
    said = b""
    try:
        writer.write(b"CONNECT " + json.dumps(who).encode() + b"\r\n" + b"".join(frames) + b"PING\r\n")
        with suppress(TimeoutError, ConnectionError):  # a frame that breaks the protocol ends the connection
            async with asyncio.timeout(ANSWER_SECONDS):
                while b"PONG" not in said and (piece := await reader.read(65536)):
                    said += piece
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
    return said
