"""The trace store against a real PostgreSQL: what was accepted is found, too much is refused, nothing blocks it."""

from __future__ import annotations

import gzip
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import httpx
import pytest

from actors.mesh._span_bytes import encode_request, encode_resource
from actors.mesh._spans import AttributeValue, FinishedSpan, SpanKind, span_tree
from actors.mesh._telemetry import Telemetry, parse_traceparent, traceparent
from cli.trace import read_spans
from infra.local import trace_store
from infra.local.platform import LocalPlatform
from infra.local.testing import fresh_database
from infra.local.trace_requests import BODY_BYTES
from infra.local.trace_rows import LATEST_NS
from infra.local.trace_store import StoreSettings
from infra.local.traces import Settings, TraceService, settings_from

WAIT_SECONDS = 20.0
PROTOBUF = {"content-type": "application/x-protobuf"}


@pytest.fixture
async def database(servers: LocalPlatform) -> str:
    return await fresh_database(servers.endpoints)


@asynccontextmanager
async def serving(database: str, **settings: int) -> AsyncIterator[tuple[TraceService, httpx.AsyncClient]]:
    service = TraceService(StoreSettings(postgres_url=database, **settings))
    await service.open()
    transport = httpx.ASGITransport(service)
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://traces") as client:
            yield service, client
    finally:
        await service.close()


def finished(number: int, **fields: object) -> FinishedSpan:
    now_ns = time.time_ns()
    span = FinishedSpan(
        "orders", "work", SpanKind.SERVER, bytes(15) + b"\1", (number + 1).to_bytes(8, "big"), None,
        now_ns, now_ns + 1000, None, {},
    )  # fmt: skip
    return span._replace(**fields)  # type: ignore[arg-type]  # a test names fields that exist


def body(*spans: FinishedSpan, service: str = "orders") -> bytes:
    return encode_request(spans, encode_resource({"service.name": service}))


async def stored(service: TraceService) -> int:
    assert await service.store.settled(WAIT_SECONDS)
    return service.store.counts.stored


async def test_an_order_traced_through_two_services_is_found_by_its_id_and_read_back_whole(database: str) -> None:
    async with serving(database) as (service, client):
        spans: list[FinishedSpan] = []
        gateway, orders = Telemetry("gateway", collect=spans), Telemetry("orders", collect=spans)
        with gateway.span("POST /v1/orders", SpanKind.SERVER, parent=None, attributes={"http.route": "/v1/orders"}):
            header = traceparent()
        with orders.span("place_order", SpanKind.CONSUMER, parent=parse_traceparent(header)) as span:
            span.set("mesh.key", "o-1")
            span.set("mesh.version", 3)
            span.fail("journal unreachable")
        for one in spans:
            sent = await client.post(
                "/v1/traces",
                content=gzip.compress(body(one, service=one.service)),
                headers={**PROTOBUF, "content-encoding": "gzip"},
            )
            assert (sent.status_code, sent.content) == (200, b"")
        assert await stored(service) == 2
        found = (await client.get("/v1/traces/find", params={"value": "o-1"})).json()["data"]
        assert [one["traceID"] for one in found] == [spans[0].trace_id.hex()]
        assert (await client.get("/v1/traces/find", params={"value": "o-2"})).json()["data"] == []
        whole = (await client.get(f"/api/traces/{spans[0].trace_id.hex()}")).content
        told = {one.name: one for one in read_spans(whole)}
    assert (told["place_order"].service, told["place_order"].error) == ("orders", "journal unreachable")
    assert told["place_order"].parent_id == told["POST /v1/orders"].span_id
    assert told["place_order"].start_ns == spans[1].start_ns
    assert told["place_order"].tags["mesh.version"] == 3
    assert told["POST /v1/orders"].tags["http.route"] == "/v1/orders"
    assert span_tree(spans) == "gateway: POST /v1/orders [server]\n  orders: place_order [consumer] !error\n"


async def test_a_search_narrows_by_service_operation_tag_error_and_duration(database: str) -> None:
    async with serving(database) as (service, client):
        for number in range(4):
            attributes: dict[str, AttributeValue] = {"customer": f"c-{number % 2}", "rpc.method": "place"}
            await client.post(
                "/v1/traces",
                headers=PROTOBUF,
                content=body(
                    finished(
                        number,
                        trace_id=(number + 1).to_bytes(16, "big"),
                        name="slow" if number == 3 else "quick",
                        end_ns=time.time_ns() + (5_000_000_000 if number == 3 else 0),
                        error="no" if number == 2 else None,
                        attributes=attributes,
                    )
                ),
            )
        assert await stored(service) == 4

        async def traces(**asked: str) -> set[int]:
            answer = await client.get("/api/traces", params=asked)
            assert answer.status_code == 200, answer.text
            return {int(one["traceID"], 16) for one in answer.json()["data"]}

        assert await traces() == await traces(service="orders") == await traces(tags='{"rpc.method":"place"}')
        assert await traces(service="orders") == {1, 2, 3, 4}
        assert await traces(service="payments") == set()
        assert await traces(service="orders", operation="slow") == {4}
        assert await traces(service="orders", tags='{"customer":"c-1"}') == {2, 4}
        assert await traces(tags='{"error":"true"}') == {3}
        assert await traces(minDuration="1.5s") == {4}
        assert await traces(maxDuration="1s", limit="2") == {2, 3}
        assert await traces(start="0", end="1000") == set()
        assert (await client.get("/api/services")).json()["data"] == ["orders"]
        assert (await client.get("/api/services/orders/operations")).json()["data"] == ["quick", "slow"]


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"\xff\xff\xff", PROTOBUF, 400),
        (b"no gzip", {**PROTOBUF, "content-encoding": "gzip"}, 400),
        (gzip.compress(b"x" * 100)[:-9], {**PROTOBUF, "content-encoding": "gzip"}, 400),
        (gzip.compress(bytes(BODY_BYTES + 1)), {**PROTOBUF, "content-encoding": "gzip"}, 413),
        (bytes(BODY_BYTES + 1), PROTOBUF, 413),
        (b"{}", {"content-type": "application/json"}, 415),
        (b"", {**PROTOBUF, "content-encoding": "br"}, 415),
    ],
)
async def test_a_body_that_is_none_is_refused(
    database: str, content: bytes, headers: dict[str, str], status: int
) -> None:
    async with serving(database) as (service, client):
        assert (await client.post("/v1/traces", content=content, headers=headers)).status_code == status
        assert service.store.counts.accepted == 0


@pytest.mark.parametrize(
    "path",
    [
        "/api/traces?start=x",
        "/api/traces?limit=-1",
        "/api/traces?tags=x",
        "/api/traces?tags={%22a%22:[]}",
        "/api/traces?minDuration=fast",
        "/api/traces?service=%00",
        "/api/traces/xyz",
        "/v1/traces/find",
        "/v1/traces/find?value=%ff",
    ],
)
async def test_a_question_that_cannot_be_read_is_refused_with_a_reason(database: str, path: str) -> None:
    async with serving(database) as (_, client):
        answer = await client.get(path)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["msg"]


async def test_odd_spans_cost_neither_their_batch_nor_the_store(database: str) -> None:
    odd = (
        finished(1, attributes={"nul": "a\0b", "infinite": float("inf"), "nan": float("nan"), "large": 2**63 - 1}),
        finished(2, start_ns=1, end_ns=LATEST_NS),
        finished(3, start_ns=LATEST_NS, end_ns=LATEST_NS),
        finished(4, end_ns=5),
        finished(5, name="n\0" * 500, attributes={f"server.address{number}": "x" * 1000 for number in range(64)}),
        finished(6, attributes={"server.address": "€" * 1000, "http.route": "€" * 1000}, error="e\0"),
        finished(7, start_ns=2**64 - 1, end_ns=0),
        finished(8, start_ns=0),
        finished(9, trace_id=bytes(16)),
    )
    async with serving(database) as (service, client):
        await client.post("/v1/traces", content=body(*odd, service="s" * 5000), headers=PROTOBUF)
        assert await stored(service) == 7
        assert service.store.counts.rejected == 2
        await client.post("/v1/traces", content=body(finished(20)), headers=PROTOBUF)
        assert await stored(service) == 8


async def test_a_full_queue_is_refused_with_a_time_to_come_back(servers: LocalPlatform) -> None:
    nowhere = "postgresql://nobody@127.0.0.1:1/none"
    async with serving(nowhere, queue_bytes=4000) as (service, client):
        content = body(*(finished(number) for number in range(20)))
        answers = [await client.post("/v1/traces", content=content, headers=PROTOBUF) for _ in range(5)]
        assert [answer.status_code for answer in answers[-2:]] == [503, 503]
        assert answers[-1].headers["retry-after"] == "2"
        assert service.store.queued_bytes <= 4000
        assert (await client.get("/healthz")).status_code == 503
        assert (await client.get("/api/services")).status_code == 503
        service.store._queue.clear()
        service.store._busy = False


async def test_spans_accepted_while_postgres_is_away_are_stored_when_it_is_back(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, failures = asyncpg.connect, iter([ConnectionRefusedError(), TimeoutError(), asyncpg.CannotConnectNowError()])

    async def connect(*arguments: object, **options: object) -> object:
        if (failure := next(failures, None)) is not None:
            raise failure
        return await real(*arguments, **options)  # type: ignore[call-overload]  # handed through

    monkeypatch.setattr(asyncpg, "connect", connect)
    async with serving(database) as (service, client):
        assert (await client.post("/v1/traces", content=body(finished(1)), headers=PROTOBUF)).status_code == 200
        assert await stored(service) == 1
        killer = await real(database)
        await killer.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'mesh-traces'"
        )
        await client.post("/v1/traces", content=body(finished(2)), headers=PROTOBUF)
        assert await stored(service) == 2
        await killer.execute("drop schema otel cascade")
        await client.post("/v1/traces", content=body(finished(3)), headers=PROTOBUF)
        assert await stored(service) == 3
        assert await killer.fetchval("select count(*) from otel.span") == 1
        await killer.close()


async def test_names_made_of_ids_become_one_operation(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace_store, "OPERATIONS", 10)
    async with serving(database) as (service, client):
        spans = [finished(number, name=f"GET /orders/{number}") for number in range(50)]
        await client.post("/v1/traces", content=body(*spans), headers=PROTOBUF)
        assert await stored(service) == 50
        assert len((await client.get("/api/services/orders/operations")).json()["data"]) == 10
        assert (await client.get("/api/services")).json()["data"] == ["(other)", "orders"]


# --- settings


def test_settings_are_read_in_one_place_and_a_wrong_one_is_named() -> None:
    given = {"MESH_POSTGRES_URL": "postgresql://here", "MESH_TRACES_PORT": "0", "MESH_TRACES_HOURS": "1.5"}
    assert settings_from(given) == Settings(
        port=0, store=StoreSettings(postgres_url="postgresql://here", age_hours=1.5)
    )
    with pytest.raises(ValueError, match="MESH_POSTGRES_URL"):
        settings_from({})
    with pytest.raises(ValueError, match="MESH_TRACES_"):
        settings_from({**given, "MESH_TRACES_BYTES": "much"})
