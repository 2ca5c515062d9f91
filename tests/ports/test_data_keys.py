"""One suite over every store of data keys, and the privacy that stands on it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import asyncpg
import pytest

from actors.mesh._errors import Unavailable
from actors.mesh._privacy import ERASED, DataKeys, Privacy
from actors.mesh.adapters.memory.data_keys import MemoryDataKeys
from actors.mesh.adapters.postgres.data_keys import open_postgres_data_keys
from infra.local.ports import free_ports
from infra.local.testing import fresh_database
from schemas.users import UserRegistered, UserView

RACERS = 20


@pytest.fixture(scope="session")
def keys_database(servers: Any) -> str:
    return asyncio.run(fresh_database(servers.endpoints))


@pytest.fixture(params=["memory", "postgres"])
def dsn(request: pytest.FixtureRequest) -> str:
    """Empty for memory. Not asynchronous: the servers are started by an event loop of their own."""
    return "" if request.param == "memory" else str(request.getfixturevalue("keys_database"))


@pytest.fixture
async def pair(dsn: str) -> AsyncIterator[tuple[DataKeys, DataKeys]]:
    """The same keys, none yet, as two processes see them."""
    if not dsn:
        keys = MemoryDataKeys()
        yield keys, keys
        return
    connection = await asyncpg.connect(dsn)
    await connection.execute("DROP SCHEMA IF EXISTS privacy CASCADE")
    await connection.close()
    async with open_postgres_data_keys(dsn) as one, open_postgres_data_keys(dsn) as two:
        await asyncio.gather(one.prepare(), two.prepare())
        yield one, two


def privacy(keys: DataKeys) -> Privacy:
    return Privacy(keys, master_key=b"m" * 32, hmac_key=b"h" * 32, now_ms=lambda: 0)


async def test_a_key_is_there_for_whoever_asks(pair: tuple[DataKeys, DataKeys]) -> None:
    one, two = pair
    assert await one.make("ann", b"\x00key") == b"\x00key"
    assert await two.get(["ann", "bob"]) == {"ann": b"\x00key"}
    assert await two.get([]) == {}


async def test_the_first_key_stands(pair: tuple[DataKeys, DataKeys]) -> None:
    one, two = pair
    await one.make("ann", b"first")
    assert await two.make("ann", b"second") == b"first"
    assert await one.get(["ann"]) == {"ann": b"first"}


async def test_all_that_race_are_told_the_same_key(pair: tuple[DataKeys, DataKeys]) -> None:
    made = await asyncio.gather(*(pair[number % 2].make("ann", b"%d" % number) for number in range(RACERS)))
    assert len(set(made)) == 1
    assert await pair[0].get(["ann"]) == {"ann": made[0]}


async def test_a_destroyed_key_stays_destroyed(pair: tuple[DataKeys, DataKeys]) -> None:
    one, two = pair
    await one.make("ann", b"key")
    for _ in range(2):
        await one.destroy("ann")
        assert await two.get(["ann"]) == {"ann": None}
        assert await two.make("ann", b"again") is None


async def test_a_key_may_be_destroyed_before_it_was_made(pair: tuple[DataKeys, DataKeys]) -> None:
    one, two = pair
    await one.destroy("ann")
    assert await two.make("ann", b"key") is None
    assert await two.get(["ann"]) == {"ann": None}


async def test_two_processes_that_seal_for_a_new_person_at_once_open_each_others_texts(
    pair: tuple[DataKeys, DataKeys],
) -> None:
    event = UserRegistered(user_id="ann", name="Ann", email="ann@example.org")
    here, there = privacy(pair[0]), privacy(pair[1])
    bodies = await asyncio.gather(*((here, there)[number % 2].seal(event) for number in range(RACERS)))
    for process in (here, there, privacy(pair[0])):
        assert await process.open_many(UserRegistered, bodies) == [event] * RACERS


async def test_an_erased_person_is_erased_in_all_that_was_kept(pair: tuple[DataKeys, DataKeys]) -> None:
    here = privacy(pair[0])
    event = UserRegistered(user_id="ann", name="Ann", email="ann@example.org")
    view = UserView(
        user_id="ann", status="active", name="Ann", email="ann@example.org", roles=("customer",), registered_at_ms=1
    )
    sealed_event, sealed_view = await here.seal(event), await here.seal(view)
    request = await here.seal_bytes("request", b"Ann", "ann")
    await here.erase("ann")
    for process in (here, privacy(pair[1])):
        assert (await process.open(UserRegistered, sealed_event)).name == ERASED
        assert (await process.open(UserView, sealed_view)).email == ERASED
        assert await process.open_bytes("request", request, "ann") is None
        assert b"Ann" not in await process.seal(event)


async def test_the_database_holds_no_key_in_the_clear_and_none_after_erasure(servers: Any) -> None:
    made = list[bytes]()

    def remembered(count: int) -> bytes:
        made.append(bytes([65 + len(made)]) * count)
        return made[-1]

    database = await fresh_database(servers.endpoints)
    async with AsyncExitStack() as opened:
        keys = await opened.enter_async_context(open_postgres_data_keys(database))
        await keys.prepare()
        here = Privacy(keys, master_key=b"m" * 32, hmac_key=b"h" * 32, now_ms=lambda: 0, random_bytes=remembered)
        await here.seal(UserRegistered(user_id="ann", name="Ann", email=""))
        connection = await asyncpg.connect(database)
        opened.push_async_callback(connection.close)
        wrapped = await connection.fetchval("SELECT wrapped FROM privacy.data_keys WHERE person_id = 'ann'")
        data_key = next(each for each in made if len(each) == 32)
        assert data_key not in wrapped
        await here.erase("ann")
        row = await connection.fetchrow("SELECT wrapped, destroyed_at IS NOT NULL FROM privacy.data_keys")
        assert tuple(row or ()) == (None, True)


async def test_a_domains_role_may_use_the_keys_and_not_remove_a_row(servers: Any) -> None:
    database = await fresh_database(servers.endpoints)
    admin = await asyncpg.connect(database)
    try:
        await admin.execute("DROP ROLE IF EXISTS mesh_keytest")
        await admin.execute("CREATE ROLE mesh_keytest")
        async with open_postgres_data_keys(database) as keys:
            await keys.prepare(["keytest"])
        await admin.execute("SET ROLE mesh_keytest")
        await admin.execute("INSERT INTO privacy.data_keys (person_id, wrapped) VALUES ('ann', 'k')")
        await admin.execute("UPDATE privacy.data_keys SET wrapped = NULL, destroyed_at = now()")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await admin.execute("DELETE FROM privacy.data_keys")
        await admin.execute("RESET ROLE; DROP OWNED BY mesh_keytest; DROP ROLE mesh_keytest")
    finally:
        await admin.close()


async def test_keys_that_are_away_are_unavailable() -> None:
    async with open_postgres_data_keys(f"postgresql://nobody@127.0.0.1:{free_ports(1)[0]}/none") as keys:
        with pytest.raises(Unavailable):
            await keys.get(["ann"])
