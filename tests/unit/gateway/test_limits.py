"""Nobody may send more, slower or more at once than is served."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.limits import Bounds

CANCEL = "/v1/orders/a/cancel"
REASON = b'{"reason":"changed my mind"}'


async def test_a_body_that_says_it_is_too_large_is_not_read(gateway: Any) -> None:
    async def never() -> Any:
        raise AssertionError("the body was read")

    answer = await gateway.call("POST", CANCEL, headers=[(b"content-length", b"65537")], receive=never)
    assert (answer.status, answer.problem["code"]) == (413, "body_too_large")
    assert answer.headers["connection"] == "close"


async def test_a_body_that_says_nothing_is_counted_as_it_comes(gateway: Any) -> None:
    answer = await gateway.call("POST", CANCEL, [b" " * 40_000, b" " * 40_000, REASON])
    assert (answer.status, answer.problem["code"]) == (413, "body_too_large")
    assert gateway.mesh.asked == []


async def test_a_body_in_pieces_is_read_whole(gateway: Any) -> None:
    assert (await gateway.call("POST", CANCEL, [REASON[:5], b"", REASON[5:]])).status == 202


@pytest.mark.parametrize("length", [b"-1", b"1e3", b"abc", b"\xb2", b"9" * 5000])
async def test_a_length_that_is_no_length_is_refused(gateway: Any, length: bytes) -> None:
    assert (await gateway.call("POST", CANCEL, headers=[(b"content-length", length)])).status in (400, 413)


async def test_a_slow_body_is_not_waited_for(gateway_within: Any) -> None:
    gateway = gateway_within(Bounds(body_seconds=0.01))

    async def slow() -> Any:
        await asyncio.Event().wait()

    answer = await gateway.call("POST", CANCEL, receive=slow)
    assert (answer.status, answer.problem["code"]) == (408, "body_too_slow")
    assert answer.headers["connection"] == "close"


async def test_one_who_hangs_up_within_the_body_is_no_bug(gateway: Any) -> None:
    async def gone() -> Any:
        return {"type": "http.disconnect"}

    assert (await gateway.call("POST", CANCEL, receive=gone)).status == 400


@pytest.mark.parametrize("headers", [[(b"x-%d" % number, b"") for number in range(63)], [(b"x", b"a" * 8192)]])
async def test_too_many_or_too_long_headers_are_refused(gateway: Any, headers: Any) -> None:
    answer = await gateway.call("GET", "/v1/items", headers=headers)
    assert (answer.status, answer.problem["code"]) == (431, "headers_too_large")


@pytest.mark.parametrize("name", [b"authorization", b"Content-Type", b"x-request-id"])
async def test_a_header_that_says_two_things_is_refused(gateway: Any, name: bytes) -> None:
    answer = await gateway.call("GET", "/v1/items", headers=[(name, b"a"), (name, b"b")])
    assert (answer.status, answer.problem["code"]) == (400, "header_repeated")


@pytest.mark.parametrize("encoding", [b"gzip", b"br", b"deflate, gzip"])
async def test_an_encoded_body_is_refused(gateway: Any, encoding: bytes) -> None:
    answer = await gateway.call("POST", CANCEL, REASON, headers=[(b"content-encoding", encoding)])
    assert (answer.status, answer.problem["code"]) == (415, "encoding_unknown")


async def test_a_body_that_is_no_json_is_refused(client: Any) -> None:
    answer = await client.post(CANCEL, content=b"reason=x", headers={"content-type": "text/plain"})
    assert (answer.status_code, answer.json()["code"]) == (415, "media_type_unknown")


async def test_a_full_process_says_so_at_once_and_is_still_alive(gateway_within: Any) -> None:
    gateway = gateway_within(Bounds(running=1))
    release = asyncio.Event()

    class Slow(type(gateway.mesh)):
        async def ask_raw(self, message: Any, envelope: Any) -> Any:
            await release.wait()
            return await super().ask_raw(message, envelope)

    gateway.mesh.__class__ = Slow
    first = asyncio.create_task(gateway.call("GET", "/v1/items"))
    await gateway.clock.settle()
    answer = await gateway.call("GET", "/v1/items")
    assert (answer.status, answer.problem["code"]) == (503, "overloaded")
    assert answer.headers["retry-after"] == "1"
    assert (await gateway.call("GET", "/healthz")).status == 200
    release.set()
    assert (await first).status == 200
    assert (await gateway.call("GET", "/v1/items")).status == 200, "the place is free again"


@pytest.mark.parametrize("given", [b"r-1", b"A_b-9" * 12])
async def test_a_request_id_is_echoed(gateway: Any, given: bytes) -> None:
    answer = await gateway.call("GET", "/v1/nowhere", headers=[(b"x-request-id", given)])
    assert answer.headers["x-request-id"] == answer.problem["instance"] == given.decode()


@pytest.mark.parametrize("given", [b"", b"a b", b"a\nb", b"x" * 65, b"\xe9"])
async def test_a_request_id_that_could_forge_a_log_line_is_replaced(gateway: Any, given: bytes) -> None:
    answer = await gateway.call("GET", "/v1/items", headers=[(b"x-request-id", given)])
    assert answer.headers["x-request-id"].startswith("00000000-")


@pytest.mark.parametrize(
    "path",
    ["/v1", "/v1/", "/v1x", "/v1/orders/", "/v1//orders", "//v1/orders", "/v1/orders/../items", "/v1/ORDERS", "/", ""],
)
async def test_a_path_has_one_spelling(gateway: Any, path: str) -> None:
    answer = await gateway.call("GET", path)
    assert (answer.status, answer.problem["code"]) == (404, "path_unknown")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "HEAD", "PATCH", "TRACE", "BREW"])
async def test_an_unknown_method_is_refused_with_the_known_ones(gateway: Any, method: str) -> None:
    answer = await gateway.call(method, "/v1/orders")
    assert (answer.status, answer.problem["code"]) == (405, "method_unknown")
    assert answer.headers["allow"] == "GET, POST"


async def test_every_answer_says_that_it_is_private(gateway: Any) -> None:
    for path in ("/v1/items", "/v1/nowhere", "/healthz"):
        headers = (await gateway.call("GET", path)).headers
        assert (headers["cache-control"], headers["x-content-type-options"]) == ("no-store", "nosniff")


async def test_there_are_no_sockets(gateway: Any) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await gateway.app({"type": "websocket", "path": "/v1/orders", "headers": []}, None, send)
    assert [message["type"] for message in sent] == ["websocket.close"]
