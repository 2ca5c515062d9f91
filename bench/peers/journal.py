"""Commits: `mesh` appends to the journal, `insert` writes the same rows over 16 connections, one statement each.

Both are told the same load; `BENCH_POSTGRES` is an administrator's.
"""

from __future__ import annotations

import asyncio
import os
import sys
import uuid

import asyncpg

from actors.mesh._ports import Appended, Commit, NewEvent, Part
from actors.mesh.adapters.postgres.provision import provision
from actors.mesh.adapters.postgres.store import open_postgres
from bench.load import run, steer
from bench.tallies import ORDER_JSON

CONNECTIONS = 16
DOMAIN = "ledgers"
MESSAGE, PERSON, FINGERPRINT = "ledgers.command.place_order", "cust-ada", bytes(32)
REPLY = b'{"entity_id":"0192f1c4-7b7e-7cc0-9c1e-5f2f3a8d1b11","version":1}'
HEADERS = '{"Mesh-Command-Id":"0192f1c4-7b7e-7cc0-9c1e-5f2f3a8d1b11","Mesh-Decided-At":"1767225600123"}'
REQUEST = bytes(420)
TABLES = """CREATE SCHEMA IF NOT EXISTS plain;
CREATE TABLE IF NOT EXISTS plain.commands (
    command_id uuid PRIMARY KEY, message text NOT NULL, principal text NOT NULL, fingerprint bytea NOT NULL,
    request bytea NOT NULL, reply bytea NOT NULL, at timestamptz NOT NULL DEFAULT now());
CREATE TABLE IF NOT EXISTS plain.events (
    key text NOT NULL, version bigint NOT NULL, command_id uuid NOT NULL, name text NOT NULL, headers text NOT NULL,
    body bytea NOT NULL, at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (key, version))"""
INSERT = """WITH command AS (
    INSERT INTO plain.commands (command_id, message, principal, fingerprint, request, reply)
    VALUES ($1, $2, $3, $4, $5, $6))
INSERT INTO plain.events (key, version, command_id, name, headers, body) VALUES ($7, 1, $1, 'order_placed', $8, $9)"""


async def mesh() -> None:
    """Append commits of one event to the journal, its outbox row included."""
    dsn = os.environ["BENCH_POSTGRES"]
    await provision(dsn, DOMAIN)
    async with open_postgres(dsn, DOMAIN) as store:

        async def call() -> None:
            event = NewEvent("order_placed", ORDER_JSON, HEADERS)
            parts = (Part(f"order/{uuid.uuid4()}", 0, (event,)),)
            answer = await store.journal.append(
                Commit(str(uuid.uuid4()), MESSAGE, PERSON, FINGERPRINT, REQUEST, REPLY, parts)
            )
            assert isinstance(answer, Appended), answer

        await steer(call)


async def insert() -> None:
    """Insert the command and its event, without an outbox, one statement a commit."""
    dsn = os.environ["BENCH_POSTGRES"]
    async with asyncpg.create_pool(dsn, min_size=CONNECTIONS, max_size=CONNECTIONS) as pool:
        await pool.execute(TABLES)

        async def call() -> None:
            await pool.execute(
                INSERT, str(uuid.uuid4()), MESSAGE, PERSON, FINGERPRINT, REQUEST, REPLY, f"order/{uuid.uuid4()}",
                HEADERS, ORDER_JSON,
            )  # fmt: skip

        await asyncio.gather(*(call() for _ in range(CONNECTIONS)))
        await steer(call)


if __name__ == "__main__":
    run({"mesh": mesh, "insert": insert}[sys.argv[1]])
