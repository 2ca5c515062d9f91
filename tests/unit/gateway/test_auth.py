"""Only those who are known get in, and only to what their roles allow."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.envelope import derived_id
from schemas.principal import Principal


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


@pytest.mark.parametrize("token", ["", "nobodys-token", "ada-token", "a.b.c"])
async def test_what_needs_no_log_in_is_asked_as_nobody_whatever_is_shown(gateway: Any, token: str) -> None:
    """A client that refreshes shows its old token too: that one must not stand in the way of the new one."""
    answer = await gateway.call("POST", "/v1/sessions/s-1/refresh", b'{"refresh_token":"s-1.0.mac"}', token=token)
    assert answer.status == 200
    assert answer.headers["cache-control"] == "no-store"
    ((_, envelope),) = gateway.mesh.asked
    assert gateway.verifier.verify(envelope.principal) == Principal(subject="anonymous", roles=("anonymous",))


async def test_a_log_in_is_named_by_its_key_and_answered_with_its_tokens(gateway: Any) -> None:
    body = b'{"email":"ada@example.org","password":"correct horse"}'
    key = [(b"idempotency-key", b"k-1")]
    for _ in range(2):
        assert (await gateway.call("POST", "/v1/sessions", body, token="", headers=key)).status == 201
    first, second = (message for message, _ in gateway.mesh.asked)
    assert first == second
    assert first.session_id == derived_id("anonymous", "LogIn", "k-1")
    assert "correct horse" not in str(gateway.spans)
