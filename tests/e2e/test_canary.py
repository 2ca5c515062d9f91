"""What is personal is nowhere in plain text: not in a store, a stream, a trace or a log. Looked for byte by byte."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import redis.asyncio

from actors.mesh import Refused
from actors.mesh.connect import connect, tool_settings
from schemas.users import LogIn, RefreshSession, RegisterUser
from tests.e2e.running import Running

pytestmark = pytest.mark.asyncio(loop_scope="session")

CANARY = "Zaphod-Canary-7f3a, 42 Improbable Street"
CUSTOMER = "ada@example.org"
PASSWORD = "Trillian-Canary-91bd"
KEPT = frozenset({"secrets.json", "endpoints.json"})
MAILBOX = "mailbox.sqlite"
"""Where the people that mails go to read them: outside, as a mail server is."""
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
            reads = {
                b"string": client.get,
                b"hash": client.hgetall,
                b"list": lambda key: client.lrange(key, 0, -1),
                b"set": client.smembers,
                b"zset": lambda key: client.zrange(key, 0, -1, withscores=True),
            }
            kind = await client.type(key)
            if kind == b"none":
                continue  # it has run out since it was listed
            yield f"redis {key!r}", repr((key, await reads[kind](key))).encode()


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
    assert await strays(running, CUSTOMER) == []


async def test_the_search_finds_what_is_there(running: Running) -> None:
    """What is not personal is found in the journal, the stream and the view; else the search above proves nothing."""
    found = await holders(running, "card-approved")
    assert {"orders.events", "payments.events"} <= set(found)
    assert any("nats" in where for where in found), found


async def strays(running: Running, text: str) -> list[str]:
    """Return where a text is found beside the files for the owner of the machine alone, and the mailbox."""
    names = {where: Path(where).name for where in await holders(running, text)}
    return [where for where, name in names.items() if name not in KEPT and not name.startswith(MAILBOX)]


async def test_no_password_or_token_is_in_a_log_or_a_table(running: Running) -> None:
    environment = running.platform.environment
    secrets = [environment["MESH_SIGNING_KEY"], *running.platform.endpoints.tokens.values()]
    for secret in secrets:
        assert await strays(running, secret) == []


async def test_nothing_that_somebody_logs_in_by_is_kept_anywhere(running: Running) -> None:
    who = {"user_id": "trillian", "name": "Trillian", "email": "trillian@example.org"}
    async with connect(tool_settings(running.platform.environment), "canary") as mesh:
        await mesh.ask(RegisterUser(**who, password=PASSWORD))
        ada = running.platform.endpoints.accounts["ada"]
        log_in = LogIn(session_id="canary", email=ada.email, password=ada.password)
        first = await mesh.ask(log_in)
        second = await mesh.ask(RefreshSession(session_id="canary", refresh_token=first.refresh_token))
        with pytest.raises(Refused):
            await mesh.ask(LogIn(session_id="canary-2", email="trillian@example.org", password=PASSWORD + "?"))
    await running.rest()
    for secret in (
        *(PASSWORD, PASSWORD + "?", ada.password, who["email"]),
        *(first.access_token, first.refresh_token, second.access_token, second.refresh_token),
        *(token.rpartition(".")[2] for token in (first.access_token, first.refresh_token, second.refresh_token)),
    ):
        assert await strays(running, secret) == [], secret
    hashes = await holders(running, "$argon2id$")
    assert hashes == ["users.events"], "a hash stays in the journal of users"
