"""What is personal is nowhere in plain text: not in a store, a stream, a trace or a log. Looked for byte by byte."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import redis.asyncio

from tests.e2e.running import Running

pytestmark = pytest.mark.asyncio(loop_scope="session")

CANARY = "Zaphod-Canary-7f3a, 42 Improbable Street"
CUSTOMER = "Ada Byron"
TABLES = """SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema')"""


def spellings(text: str) -> tuple[bytes, ...]:
    """A text as it is, in hexadecimal and in the three ways base64 can cut it."""
    raw = text.encode()
    encoded = [base64.b64encode(b"x" * shift + raw)[4 if shift else 0 : -4] for shift in range(3)]
    return (raw, raw.hex().encode(), *encoded)


async def rows(running: Running) -> AsyncIterator[tuple[str, bytes]]:
    """Every row of every table; a bytea is shown in hexadecimal."""
    async with running.administrator() as connection:
        for schema, table in await connection.fetch(TABLES):
            for row in await connection.fetch(f'SELECT t::text FROM "{schema}"."{table}" t'):
                yield f"{schema}.{table}", row[0].encode()


async def cached(running: Running) -> AsyncIterator[tuple[str, bytes]]:
    async with redis.asyncio.from_url(running.platform.endpoints.redis) as client:
        async for key in client.scan_iter():
            kind = (await client.type(key)).decode()
            value = await (client.hgetall(key) if kind == "hash" else client.get(key))
            yield f"redis {key!r}", repr((key, value)).encode()


def files(folder: Path) -> list[Path]:
    """The broker's store, the logs, the append-only file: all but PostgreSQL's own files, which are read as rows."""
    return [path for path in folder.rglob("*") if path.is_file() and "postgres" not in path.relative_to(folder).parts]


async def holders(running: Running, text: str) -> list[str]:
    """Return where a text is found."""
    wanted = spellings(text)
    found = {where async for where, row in rows(running) if any(each in row for each in wanted)}
    found |= {where async for where, value in cached(running) if any(each in value for each in wanted)}
    found |= {str(path) for path in files(running.folder) if any(each in path.read_bytes() for each in wanted)}
    return sorted(found)


async def test_personal_data_is_in_no_store_stream_trace_or_log(running: Running) -> None:
    body = {"lines": [{"sku": "lamp-blue", "quantity": 1}], "deliver_to": CANARY, "payment_token": "card-approved"}
    placed = (await running.shop("ada").post("/v1/orders", body)).json()
    await running.rest()
    assert (await running.shop("ada").order(placed["order_id"])).deliver_to == CANARY, "its owner reads it"
    assert await holders(running, CANARY) == []
    assert await holders(running, CUSTOMER) == []


async def test_the_search_finds_what_is_there(running: Running) -> None:
    """What is not personal is found in the journal, the stream and the view; else the search above proves nothing."""
    found = await holders(running, "card-approved")
    assert {"orders.events", "payments.events"} <= set(found)
    assert any("nats" in where for where in found), found


async def test_no_password_or_token_is_in_a_log_or_a_table(running: Running) -> None:
    environment = running.platform.environment
    secrets = [environment["MESH_SIGNING_KEY"], *running.platform.endpoints.tokens.values()]
    for secret in secrets:
        kept = {"secrets.json", "endpoints.json"}
        assert [where for where in await holders(running, secret) if Path(where).name not in kept] == []
