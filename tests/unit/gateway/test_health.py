"""Alive is one thing, ready another."""

from __future__ import annotations

import asyncio
from typing import Any

from gateway import health


async def test_a_process_without_a_broker_lives_and_is_not_ready(gateway: Any, client: Any) -> None:
    gateway.mesh.connected = False
    assert (await client.get("/healthz")).json() == {"status": "ok"}
    answer = await client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {"ready": False, "parts": {"nats": "not connected"}}


async def test_it_is_ready_when_every_part_is(gateway: Any, client: Any) -> None:
    answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()["ready"]) == (200, True)


async def test_a_part_that_is_away_is_named(gateway: Any, client: Any) -> None:
    gateway.mesh.parts = {"nats": "ok", "orders": "unavailable: nobody is there"}
    answer = await client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["parts"]["orders"] == "unavailable: nobody is there"


async def test_the_mesh_is_probed_once_a_second_however_often_it_is_asked(gateway: Any, client: Any) -> None:
    for _ in range(5):
        await client.get("/readyz")
    assert gateway.mesh.probes == 1
    await gateway.clock.advance(1)
    await client.get("/readyz")
    assert gateway.mesh.probes == 2


async def test_a_probe_without_an_answer_is_no_readiness(gateway: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(health, "PROBE_SECONDS", 0.01)

    async def never(domains: Any) -> Any:
        await asyncio.Event().wait()

    gateway.mesh.probe = never
    assert (await gateway.call("GET", "/readyz")).status == 503


async def test_health_needs_no_token(gateway: Any) -> None:
    assert (await gateway.call("GET", "/healthz", token="nobody")).status == 200
