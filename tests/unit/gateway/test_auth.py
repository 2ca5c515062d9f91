"""Only those who are known get in, and only to what their roles allow."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (b"", "principal_missing"),
        (b"Bearer", "principal_missing"),
        (b"Bearer ", "principal_missing"),
        (b"Basic ada-token", "principal_missing"),
        (b"Bearer ada-toke", "principal_invalid"),
        (b"Bearer ada-token2", "principal_invalid"),
        (b"Bearer ADA-TOKEN", "principal_invalid"),
        (b"Bearer \xff\xfe", "principal_invalid"),
        (b"Bearer ada-token grace-token", "principal_invalid"),
    ],
)
async def test_who_is_not_known_is_refused(gateway: Any, value: bytes, code: str) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"authorization", value)] if value else []
    scope = {"type": "http", "method": "GET", "path": "/v1/items", "query_string": b"", "headers": headers}
    await gateway.app(scope, None, send)
    start, body = sent
    assert start["status"] == 401
    assert code.encode() in body["body"]
    assert dict(start["headers"])[b"www-authenticate"] == b'Bearer realm="actor-mesh"'
    assert gateway.mesh.asked == []


async def test_the_scheme_is_read_as_http_reads_it(gateway: Any, client: Any) -> None:
    assert (await client.get("/v1/items", headers={"authorization": "bearer ada-token"})).status_code == 200


async def test_a_role_that_does_not_allow_it_is_refused_before_the_mesh_is_asked(gateway: Any, client: Any) -> None:
    answer = await client.post("/v1/items/tea/receipts", json={"quantity": 1})
    assert (answer.status_code, answer.json()["code"]) == (403, "permission_missing")
    assert "inventory:receive_stock" in answer.json()["detail"]
    assert gateway.mesh.asked == []


async def test_a_person_is_signed_once_while_the_token_lasts(gateway: Any, client: Any) -> None:
    for _ in range(3):
        await client.get("/v1/items")
    assert len({envelope.principal for _, envelope in gateway.mesh.asked}) == 1
