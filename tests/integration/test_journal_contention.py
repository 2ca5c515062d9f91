"""Several processes fight over the same keys: nobody's decision is lost, and nobody tries for ever."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import asyncpg
import pytest

from infra.local.endpoints import Endpoints
from infra.local.platform import LocalPlatform
from tests.integration.journal_checker import faults_of
from tests.ports.stores import Stores

PROCESSES = 4
COMMANDS = 100  # a process
ATTEMPTS_MAX = 3  # two lost races, then the turn
ROOT = Path(__file__).parents[2]


@pytest.fixture
def endpoints(servers: LocalPlatform) -> Endpoints:
    return servers.endpoints


@pytest.fixture
async def stores(endpoints: Endpoints) -> AsyncIterator[Stores]:
    async with Stores(endpoints) as opened:
        yield opened


async def fight(dsn: str, keys: Sequence[str]) -> list[int]:
    """Let the processes start together; return the most attempts each has needed for one command."""
    module = "tests.integration.journal_writer"
    pipe = asyncio.subprocess.PIPE
    processes = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", module, dsn, str(seed), str(COMMANDS), ",".join(keys)),
            cwd=ROOT,
            stdin=pipe,
            stdout=pipe,
        )
        for seed in range(PROCESSES)
    ]
    for process in processes:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
    said = await asyncio.gather(*(process.communicate(b"go\n") for process in processes))
    assert [process.returncode for process in processes] == [0] * PROCESSES
    return [json.loads(output)["attempts_max"] for output, _ in said]


async def events_of(admin_dsn: str) -> int:
    connection = await asyncpg.connect(admin_dsn)
    try:
        return int(await connection.fetchval("SELECT count(*) FROM payments.events"))
    finally:
        await connection.close()


async def test_four_processes_on_one_key_need_three_attempts_at_most(stores: Stores) -> None:
    attempts = await fight(stores.dsn, ["payment/hot"])
    assert max(attempts) <= ATTEMPTS_MAX
    assert await events_of(stores.admin_dsn) == PROCESSES * COMMANDS
    assert await faults_of(stores.admin_dsn) == []


async def test_four_processes_on_three_keys_at_once_do_not_block_each_other(stores: Stores) -> None:
    attempts = await fight(stores.dsn, ["payment/a", "payment/b", "payment/c"])
    assert max(attempts) <= ATTEMPTS_MAX
    assert await faults_of(stores.admin_dsn) == []
