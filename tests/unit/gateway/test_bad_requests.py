"""What no client of ours sends, over a raw socket to the real server: RELIABILITY 4.1, row by row.

What a body or a query string may hold is in `test_reading`, how much and how slow in `test_limits`; here is what only a
server sees. Whatever comes, it is refused, the mesh is not asked, and the next request is served.
"""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Iterable
from typing import Any

import msgspec
import pytest
import uvicorn

from actors.mesh.testing.waiting import until
from gateway import server
from gateway.limits import Bounds
from gateway.server import server_of
from schemas.orders import RequestCancel
from tests.unit.gateway.conftest import Gateway

CANCEL = b"POST /v1/orders/o-1/cancel HTTP/1.1\r\n"
ITEMS = b"GET /v1/items HTTP/1.1\r\n"
SHORT = Bounds(body_seconds=0.3)
CLOSED_SECONDS = 5.0
HTTP, JSON = b"Host: a\r\nAuthorization: Bearer ada-token\r\n", b"Content-Type: application/json\r\n"
REASON = b'{"reason":"changed my mind"}'


def get(path: bytes, *lines: bytes) -> bytes:
    return b"GET %b HTTP/1.1\r\n" % path + HTTP + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


def post(body: bytes, *lines: bytes, length: bool = True) -> bytes:
    told = [b"Content-Length: %d" % len(body)] if length else []
    return CANCEL + HTTP + JSON + b"".join(line + b"\r\n" for line in (*told, *lines)) + b"\r\n" + body


def many(count: int) -> list[bytes]:
    return [b"X-%d: a" % number for number in range(count)]


CLOSED = 0
"""Nothing is answered: the connection is closed."""

BAD: dict[str, tuple[bytes, Iterable[int]]] = {
    "no HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", (400,)),
    "HTTP/0.9": (b"GET /v1/items\r\n\r\n", (400, 401)),
    "a method of no letters": (b"G@T /v1/items HTTP/1.1\r\n" + HTTP + b"\r\n", (400,)),
    "two lengths": (post(REASON, b"Content-Length: 1"), (400,)),
    "a length and chunks": (post(b"0\r\n\r\n", b"Transfer-Encoding: chunked"), (400,)),
    "chunks, then what is none": (
        post(b"zz\r\nabc\r\n0\r\n\r\n", b"Transfer-Encoding: chunked", length=False), (400,)),
    "a chunk longer than it says": (
        post(b"3\r\nabcdef\r\n0\r\n\r\n", b"Transfer-Encoding: chunked", length=False), (400,)),
    "chunked twice": (post(b"0\r\n\r\n", b"Transfer-Encoding: chunked, chunked", length=False), (400,)),
    "chunks without end, beyond the limit": (
        post(b"8000\r\n%b\r\n" % (b" " * 0x8000) * 3, b"Transfer-Encoding: chunked", length=False), (413,)),
    "a folded header": (get(b"/v1/items", b"X-A: a", b" b"), (400,)),
    "a header without a name": (get(b"/v1/items", b": a"), (400,)),
    "a header with a blank before its colon": (get(b"/v1/items", b"X-A : a"), (400,)),
    "a header with a NUL": (get(b"/v1/items", b"X-A: a\x00b"), (400,)),
    "a header of 200 KB": (get(b"/v1/items", b"X-A: " + b"a" * 200_000), (CLOSED,)),
    "a header of 9 KB": (get(b"/v1/items", b"X-A: " + b"a" * 9_000), (431,)),
    "1000 headers": (get(b"/v1/items", *many(1000)), (431,)),
    "two hosts": (get(b"/v1/items", b"Host: evil.example"), (400,)),
    "a body beyond the limit": (post(b" " * 70_000), (413,)),
    "a bomb": (post(gzip.compress(b"0" * 10_000_000), b"Content-Encoding: gzip"), (415,)),
    "a bomb in the transfer": (
        post(b"0\r\n\r\n", b"Transfer-Encoding: gzip, chunked", length=False), (400, 415)),
    "a form": (post(b"reason=x").replace(JSON, b"Content-Type: application/x-www-form-urlencoded\r\n"), (415,)),
    "JSON by another name": (post(REASON).replace(JSON, b"Content-Type: application/json-patch+json\r\n"), (415,)),
    "no content type": (post(REASON).replace(JSON, b""), (415,)),
    "another method by a header": (
        get(b"/v1/orders/o-1/cancel", b"X-HTTP-Method-Override: POST", b"X-Method-Override: POST"), (405,)),
    "another method by the query": (get(b"/v1/orders/o-1/cancel?_method=POST"), (405,)),
    "dots": (get(b"/v1/../healthz"), (404,)),
    "dots in hexadecimal": (get(b"/v1/items/%2e%2e/%2e%2e/etc/passwd"), (404,)),
    "dots and slashes in hexadecimal": (get(b"/v1/items/..%2f..%2fetc%2fpasswd"), (404,)),
    "dots as UTF-8 has them not": (get(b"/v1/items/%c0%ae%c0%ae"), (400, 404)),
    "dots in an id": (get(b"/v1/items/.."), (400, 404)),
    "a NUL": (get(b"/v1/items/tea%00"), (400,)),
    "a line": (get(b"/v1/items/tea%0d%0aX-A:%20b"), (400,)),
    "a backslash": (get(b"/v1/items\\tea"), (400, 404)),
    "two slashes": (get(b"/v1//items"), (404,)),
    "a slash too many": (get(b"/v1/items/"), (404,)),
    "capitals": (get(b"/V1/Items"), (404,)),
    "half an escape": (get(b"/v1/items/%e"), (400, 404)),
    "a whole address of another": (get(b"http://evil.example/v1/items/a.b"), (400, 404)),
    "a key of 65 characters": (post(REASON, b"Idempotency-Key: " + b"k" * 65), (400,)),
    "a key with a blank": (post(REASON, b"Idempotency-Key: a b"), (400,)),
    "an empty key": (post(REASON, b"Idempotency-Key:"), (400,)),
    "two keys": (post(REASON, b"Idempotency-Key: a", b"Idempotency-Key: b"), (400,)),
    "half a body": (post(REASON[:9], b"Content-Length: 28", length=False), (408,)),
    "a body that never begins": (post(b"", b"Content-Length: 28", length=False), (408,)),
    "half a head": (ITEMS + b"Host: a\r\n", (CLOSED,)),
    "not a word": (b"", (CLOSED,)),
}  # fmt: skip


class Served:
    """A gateway that listens, over a mesh that is played."""

    def __init__(self, gateway: Gateway, port: int) -> None:
        self.gateway, self.port = gateway, port

    async def answered(self, sent: bytes) -> tuple[int, bytes]:
        """Send bytes; return the status and all that came back, 0 where nothing did."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(sent)
            async with asyncio.timeout(CLOSED_SECONDS):
                got = await self._head(reader)
        finally:
            writer.close()
        return (int(got.split(b" ", 2)[1]) if got else CLOSED), got

    async def _head(self, reader: asyncio.StreamReader) -> bytes:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return b""
        length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        return head + await reader.readexactly(length)


@pytest.fixture
async def served(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Served]:
    monkeypatch.setattr(server, "HEADER_SECONDS", 0.3)
    gateway = Gateway(SHORT)
    running = uvicorn.Server(server_of(gateway.app, "127.0.0.1", 0).config)
    serving = asyncio.create_task(running.serve())
    await until(lambda: running.started)
    yield Served(gateway, running.servers[0].sockets[0].getsockname()[1])
    running.should_exit = True
    await serving


@pytest.mark.parametrize("name", BAD)
async def test_what_is_bad_is_refused_and_harms_nobody(served: Served, name: str) -> None:
    sent, expected = BAD[name]
    status, got = await served.answered(sent)
    assert status in expected, got
    assert served.gateway.mesh.asked == []
    assert b"Traceback" not in got
    if status in (404, 405, 408, 413, 415, 431):
        assert b"application/problem+json" in got
    assert (await served.answered(get(b"/v1/items")))[0] == 200


async def test_another_host_gets_into_no_answer(served: Served) -> None:
    """There is nothing to poison: no address is made of what the client says it has reached."""
    status, got = await served.answered(
        post(REASON).replace(b"Host: a", b"Host: evil.example\r\nX-Forwarded-Host: evil.example")
    )
    assert status == 202
    assert b"evil" not in got
    assert b"location: /v1/orders/o-1\r\n" in got


async def test_of_a_field_given_twice_one_value_counts_and_everybody_sees_that_one(served: Served) -> None:
    status, _ = await served.answered(post(b'{"reason":"a","reason":"b"}'))
    assert status == 202
    (message, _), *others = served.gateway.mesh.asked
    assert (message, others) == (RequestCancel(order_id="o-1", customer_id="cust-ada", reason="b"), [])


@pytest.mark.parametrize("body", [
    {"email": "ada@example.org", "password": "short", "name": "Ada"},
    {"email": "ada@example.org", "password": "S3cret-canary\n", "name": "Ada"},
    {"email": "S3cret-canary", "password": "S3cret-canary", "name": "Ada"},
    {"email": "ada@example.org", "password": ["S3cret-canary"], "name": "Ada"},
    {"email": "ada@example.org", "password": "S3cret-canary" * 20, "name": "Ada"},
])  # fmt: skip
async def test_what_is_secret_is_quoted_to_nobody(
    served: Served, capsys: pytest.CaptureFixture[str], body: Any
) -> None:
    sent = post(msgspec.json.encode(body)).replace(CANCEL, b"POST /v1/users HTTP/1.1\r\n")
    status, got = await served.answered(sent)
    assert status == 400
    assert b"canary" not in got
    assert "canary" not in str(served.gateway.spans) + capsys.readouterr().out
