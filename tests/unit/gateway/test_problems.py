"""What goes wrong is told in one shape, with a status one can act on."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from actors.mesh import Broken, Expired, Fault, Overloaded, Refused, TimedOut, Unavailable
from gateway import endpoint


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("invalid", 400),
        ("unauthenticated", 401),
        ("forbidden", 403),
        ("not_found", 404),
        ("conflict", 409),
        ("gone", 410),
        ("limited", 429),
    ],
)
async def test_a_refusal_has_the_status_of_its_kind(gateway: Any, client: Any, kind: Any, status: int) -> None:
    gateway.mesh.answers["GetItem"] = Refused("item_refused", "because", kind=kind, pointer="/sku")
    answer = await client.get("/v1/items/tea")
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["type"] == "urn:actor-mesh:problem:item_refused"
    assert (problem["status"], problem["code"], problem["detail"], problem["pointer"]) == (
        status, "item_refused", "because", "/sku",
    )  # fmt: skip
    assert problem["instance"] == answer.headers["x-request-id"]
    assert ("retry-after" in answer.headers) == (status == 429)
    assert ("www-authenticate" in answer.headers) == (status == 401)


@pytest.mark.parametrize(
    ("error", "status", "retry_after"),
    [
        (Unavailable("no responders on inventory.query"), 503, "1"),
        (Overloaded("orders-3", retry_after_seconds=2.2), 503, "3"),
        (Expired(), 504, None),
        (TimedOut(), 504, None),
        (Broken("sql state 42P01"), 502, None),
        (Fault("something else"), 502, None),
    ],
)
async def test_a_fault_is_told_without_its_inside(
    gateway: Any, client: Any, error: Fault, status: int, retry_after: str | None
) -> None:
    gateway.mesh.answers["GetItem"] = error
    answer = await client.get("/v1/items/tea")
    assert (answer.status_code, answer.json()["code"]) == (status, error.code)
    assert answer.headers.get("retry-after") == retry_after
    assert not error.detail or error.detail not in answer.text


async def test_a_bug_is_told_to_the_log_alone(gateway: Any, client: Any, capsys: Any) -> None:
    gateway.mesh.answers["GetItem"] = AssertionError("the secret of the house")
    answer = await client.get("/v1/items/tea")
    assert answer.status_code == 500
    assert answer.json().keys() == {"type", "title", "status", "code", "instance"}
    assert "the secret of the house" not in answer.text
    assert "the secret of the house" in capsys.readouterr().out


async def test_a_mesh_that_never_answers_times_out(gateway: Any, client: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(endpoint, "GRACE_SECONDS", -5.0)

    class Silent(type(gateway.mesh)):
        async def ask_raw(self, message: Any, envelope: Any) -> Any:
            await asyncio.Event().wait()

    gateway.mesh.__class__ = Silent
    answer = await client.get("/v1/items/tea")
    assert (answer.status_code, answer.json()["code"]) == (504, "timed_out")


async def test_a_host_that_is_none_is_refused(gateway: Any) -> None:
    answer = await gateway.call("GET", "/v1/items", headers=[(b"host", b"a/b@c d")])
    assert answer.status == 400
    assert answer.problem["code"] == "request_malformed"
