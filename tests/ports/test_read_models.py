"""One suite over every store of views; each Mongo-compatible server that can run here is one, by name and version."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import product
from typing import Any, NamedTuple

import asyncpg
import msgspec
import pytest
from motor.motor_asyncio import AsyncIOMotorClient
from redis.asyncio import Redis

from actors.mesh._errors import Refused, TimedOut, Unavailable
from actors.mesh._ports import ReadModelStore, ViewPage, ViewRow, ViewShape
from actors.mesh.adapters.memory.views import MemoryViews
from actors.mesh.adapters.mongo import open_mongo_views
from actors.mesh.adapters.postgres.views import open_postgres_views
from actors.mesh.adapters.redis import open_redis_views
from infra.local.mongo import MongoServer, mongo_server, product_name, products
from infra.local.ports import free_ports
from infra.local.testing import fresh_database
from schemas.values import Cursor

AWAY_SECONDS = 6  # five, and one for a machine that is busy
BUILD_SECONDS = 1000  # the first run on a machine builds FerretDB
ORDERS = ViewShape("order_view", ("customer_id", "status"), "placed_at_ms")
FRESH = ORDERS._replace(name="order_view_fresh")
PLAIN = ViewShape("inbox_view")
SHAPES = [ORDERS, FRESH, PLAIN]

Open = Callable[[], AbstractAsyncContextManager[ReadModelStore]]


class Ground(NamedTuple):
    """One kind of store, with a place of its own for one test."""

    kind: str
    lists: bool
    open: Open
    flush: Callable[[], Any]


def mongo_kinds() -> list[Any]:
    return [
        pytest.param(f"mongo {product}", id=f"mongo: {product_name(product)}", marks=pytest.mark.timeout(BUILD_SECONDS))
        for product in products()
    ]


@pytest.fixture(scope="session")
def mongo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], MongoServer]]:
    """Start each product once. One that does not start is an error, never a skipped test."""
    running: dict[str, MongoServer] = {}
    with asyncio.Runner() as runner:
        contexts = []

        def start(product: Any) -> MongoServer:
            if product not in running:
                context = mongo_server(tmp_path_factory.mktemp(product), product)
                running[product] = runner.run(context.__aenter__())
                contexts.append(context)
            return running[product]

        yield start
        for context in contexts:
            runner.run(context.__aexit__(None, None, None))


def memory_ground() -> Ground:
    kept = MemoryViews()

    @asynccontextmanager
    async def open_again() -> AsyncIterator[ReadModelStore]:
        yield kept

    async def flush() -> None:
        await kept.wipe(ORDERS.name)
        await kept.wipe(PLAIN.name)

    return Ground("memory", True, open_again, flush)


def postgres_ground(dsn: str) -> Ground:
    schema = f"s{secrets.token_hex(6)}"

    async def flush() -> None:
        connection = await asyncpg.connect(dsn)
        await connection.execute(f"DROP SCHEMA {schema} CASCADE")
        await connection.close()

    return Ground("postgres", True, lambda: open_postgres_views(dsn, schema), flush)


def redis_ground(url: str) -> Ground:
    prefix = f"test:{secrets.token_hex(6)}"

    async def flush() -> None:
        async with Redis.from_url(url) as client:
            await client.flushall()

    return Ground("redis", False, lambda: open_redis_views(url, prefix), flush)


def mongo_ground(url: str, kind: str) -> Ground:
    database = f"t{secrets.token_hex(6)}"

    async def flush() -> None:
        client: AsyncIOMotorClient[Any] = AsyncIOMotorClient(url)
        for name in (ORDERS.name, FRESH.name, PLAIN.name):
            await client[database].drop_collection(f"x_{name}")
        client.close()

    return Ground(kind, True, lambda: open_mongo_views(url, database, "x_"), flush)


@pytest.fixture(scope="session")
def database(servers: Any) -> str:
    return asyncio.run(fresh_database(servers.endpoints))


def ground_of(kind: str, request: pytest.FixtureRequest) -> Ground:
    if kind == "memory":
        return memory_ground()
    if kind == "postgres":
        return postgres_ground(request.getfixturevalue("database"))
    if kind == "redis":
        return redis_ground(request.getfixturevalue("servers").endpoints.redis)
    server = request.getfixturevalue("mongo")(kind.removeprefix("mongo "))
    return mongo_ground(server.url, kind)


@pytest.fixture(params=mongo_kinds())
def mongo_url(request: pytest.FixtureRequest, mongo: Callable[[str], MongoServer]) -> str:
    return mongo(str(request.param).removeprefix("mongo ")).url


@pytest.fixture(params=["memory", "postgres", "redis", *mongo_kinds()])
def ground(request: pytest.FixtureRequest) -> Ground:
    return ground_of(str(request.param), request)


def shapes(ground: Ground) -> list[ViewShape]:
    """The views of the tests; where nothing can be listed, without what lists are made of."""
    return SHAPES if ground.lists else [ViewShape(shape.name) for shape in SHAPES]


@pytest.fixture
async def store(ground: Ground) -> AsyncIterator[ReadModelStore]:
    async with ground.open() as opened:
        await opened.prepare(shapes(ground))
        yield opened


@pytest.fixture(params=["memory", "postgres", *mongo_kinds()])
def listing_ground(request: pytest.FixtureRequest) -> Ground:
    return ground_of(str(request.param), request)


@pytest.fixture
async def listed(listing_ground: Ground) -> AsyncIterator[ReadModelStore]:
    """A store that can list. Redis does not; that it says so has a test of its own."""
    async with listing_ground.open() as opened:
        await opened.prepare(SHAPES)
        yield opened


def row(key: str, version: int = 1, **document: Any) -> ViewRow:
    return ViewRow(key, version, msgspec.json.encode({"order_id": key, **document}, order="sorted"))


def keys(page: ViewPage) -> list[str]:
    return [each.key for each in page.rows]


async def everything(store: ReadModelStore, newest_first: bool = False, limit: int = 2, **where: str) -> list[str]:
    """All keys, page by page."""
    found: list[str] = []
    cursor = ""
    while True:
        page = await store.page(ORDERS.name, where, newest_first=newest_first, cursor=cursor, limit=limit)
        assert len(page.rows) <= limit
        found += keys(page)
        cursor = page.next_cursor
        if not cursor:
            return found
        msgspec.convert(cursor, Cursor)


async def test_what_is_put_is_got(store: ReadModelStore) -> None:
    rows = [row("a", 3, total=2**70, text="é\u0000😀\n\"'$.{}", nested={"x": [1, 2.5, None, True]}), row("b", 2**52)]
    assert await store.put(ORDERS.name, rows) == frozenset()
    assert await store.get(ORDERS.name, ["a", "b", "c", "a"]) == {"a": rows[0], "b": rows[1]}


async def test_an_empty_view_is_empty(store: ReadModelStore) -> None:
    assert await store.get(ORDERS.name, ["a"]) == {}
    assert await store.get(ORDERS.name, []) == {}
    assert await store.put(ORDERS.name, []) == frozenset()


async def test_a_document_that_is_no_object_is_kept_too(store: ReadModelStore) -> None:
    gone = ViewRow("a", 2, b"null")
    assert await store.put(ORDERS.name, [row("a", 1, status="placed"), gone]) == frozenset()
    assert await store.get(ORDERS.name, ["a"]) == {"a": gone}


async def test_an_older_or_equal_version_changes_nothing(store: ReadModelStore) -> None:
    await store.put(ORDERS.name, [row("a", 5, status="paid")])
    for version in (4, 5):
        assert await store.put(ORDERS.name, [row("a", version, status="placed")]) == {"a"}
        assert await store.get(ORDERS.name, ["a"]) == {"a": row("a", 5, status="paid")}
    assert await store.put(ORDERS.name, [row("a", 6)]) == frozenset()
    assert await store.get(ORDERS.name, ["a"]) == {"a": row("a", 6)}


async def test_a_batch_writes_what_is_newer_and_names_the_rest(store: ReadModelStore) -> None:
    await store.put(ORDERS.name, [row(str(number), 5) for number in range(6)])
    batch = [row(str(number), 4 + number % 3, status="paid") for number in range(9)]
    assert await store.put(ORDERS.name, batch) == {"0", "1", "3", "4"}
    found = await store.get(ORDERS.name, [str(number) for number in range(9)])
    assert {key: each.version for key, each in found.items()} == {
        "0": 5, "1": 5, "2": 6, "3": 5, "4": 5, "5": 6, "6": 4, "7": 5, "8": 6,
    }  # fmt: skip


async def test_of_a_key_twice_in_a_batch_the_newest_counts(store: ReadModelStore) -> None:
    assert await store.put(ORDERS.name, [row("a", 1), row("a", 3), row("a", 2)]) == frozenset()
    assert (await store.get(ORDERS.name, ["a"]))["a"].version == 3


async def test_more_rows_than_a_statement_takes(store: ReadModelStore, ground: Ground) -> None:
    count = 1201 if "mongo" not in ground.kind else 601  # SQLite behind the wire writes some hundred rows a second
    rows = [row(f"k{number:04d}", 1, placed_at_ms=number) for number in range(count)]
    assert await store.put(ORDERS.name, rows) == frozenset()
    assert len(await store.get(ORDERS.name, [each.key for each in rows])) == count


async def test_views_do_not_mix(store: ReadModelStore) -> None:
    await store.put(ORDERS.name, [row("a", 1)])
    assert await store.get(PLAIN.name, ["a"]) == {}


async def test_preparing_twice_keeps_what_is_there(ground: Ground, store: ReadModelStore) -> None:
    await store.put(ORDERS.name, [row("a")])
    async with ground.open() as other:
        await asyncio.gather(other.prepare(shapes(ground)), store.prepare(shapes(ground)))
        assert await other.get(ORDERS.name, ["a"]) == {"a": row("a")}


async def test_two_that_write_a_key_at_once_leave_the_newest(ground: Ground, store: ReadModelStore) -> None:
    if ground.kind == "mongo ferretdb":
        # FerretDB 1 reads and then writes; MongoDB's update is one step. One reader writes a key here, so tests may.
        for version in range(1, 21):
            await store.put(ORDERS.name, [row("a", version)])
    async with ground.open() as other:
        await other.prepare(shapes(ground))
        await asyncio.gather(
            *((store, other)[version % 2].put(ORDERS.name, [row("a", version)]) for version in range(1, 21))
        )
    assert (await store.get(ORDERS.name, ["a"]))["a"].version == 20


async def test_rows_come_in_order_of_the_sort_field_and_key(listed: ReadModelStore) -> None:
    times = {"d": 10, "b": 9, "c": 10, "a": 1_700_000_000_000, "e": 100}
    await listed.put(ORDERS.name, [row(key, placed_at_ms=time) for key, time in times.items()])
    assert await everything(listed) == ["b", "c", "d", "e", "a"]
    assert await everything(listed, newest_first=True) == ["a", "e", "d", "c", "b"]


async def test_all_kinds_of_values_have_one_order(listed: ReadModelStore) -> None:
    values: list[Any] = [None, -(2**40), -2.5, -2, 0, 0.25, 1, 1.5, 2**53, "", "A", "Z", "a", "é", "😀"]
    rows = [row(f"k{number:02d}", placed_at_ms=value) for number, value in enumerate(values)]
    await listed.put(ORDERS.name, rows[::-1])
    assert await everything(listed, limit=4) == [each.key for each in rows]


async def test_a_page_is_equal_in_all_given_fields(listed: ReadModelStore) -> None:
    await listed.put(
        ORDERS.name,
        [
            row(f"{customer}{number}", customer_id=customer, status=status, placed_at_ms=number)
            for customer in ("x", "y")
            for number, status in enumerate(("placed", "paid", "placed", "paid", "placed"))
        ],
    )
    assert await everything(listed, customer_id="x", status="placed") == ["x0", "x2", "x4"]
    assert await everything(listed, status="paid", newest_first=True) == ["y3", "x3", "y1", "x1"]
    assert await everything(listed, customer_id="nobody") == []
    assert await everything(listed, customer_id="x' OR 1=1 --") == []


async def test_a_row_moves_when_its_fields_change(listed: ReadModelStore) -> None:
    await listed.put(ORDERS.name, [row("a", 1, status="placed", placed_at_ms=1), row("b", 1, status="placed")])
    await listed.put(ORDERS.name, [row("a", 2, status="paid", placed_at_ms=1), row("b", 2)])
    assert await everything(listed, status="placed") == []
    assert await everything(listed, status="paid") == ["a"]


async def test_odd_values_are_found_by_what_they_are(listed: ReadModelStore) -> None:
    long, nul = "long " * 2000, "a\u0000b"
    odd: dict[str, Any] = {"long": long, "nul": nul, "true": True, "number": 12, "text": "true!"}
    await listed.put(ORDERS.name, [row(key, status=value, placed_at_ms=value) for key, value in odd.items()])
    for status, key in ((long, "long"), (nul, "nul"), ("true", "true"), ("12", "number"), ("true!", "text")):
        assert await everything(listed, status=status) == [key]
    assert await everything(listed, status=long[:-1]) == []
    assert len(await everything(listed)) == len(odd)


async def test_pages_go_on_past_rows_that_are_added_and_gone(listed: ReadModelStore) -> None:
    await listed.put(ORDERS.name, [row(f"k{number}", placed_at_ms=number) for number in range(1, 6)])
    first = await listed.page(ORDERS.name, {}, newest_first=True, cursor="", limit=2)
    await listed.put(ORDERS.name, [row("k9", placed_at_ms=9), row("k4", 2, placed_at_ms=0)])
    rest = await listed.page(ORDERS.name, {}, newest_first=True, cursor=first.next_cursor, limit=10)
    assert (keys(first), keys(rest)) == (["k5", "k4"], ["k3", "k2", "k1", "k4"])


@pytest.mark.parametrize("cursor", ["!", "AAAA", "nonsense=", "_w==", "A"])
async def test_a_cursor_that_is_none_is_refused(listed: ReadModelStore, cursor: str) -> None:
    with pytest.raises(Refused, match="cursor_unknown") as refusal:
        await listed.page(ORDERS.name, {}, newest_first=False, cursor=cursor, limit=1)
    assert refusal.value.kind == "invalid"


async def test_a_page_has_at_least_one_row_and_the_last_has_no_cursor(listed: ReadModelStore) -> None:
    await listed.put(ORDERS.name, [row("a"), row("b")])
    assert keys(await listed.page(ORDERS.name, {}, newest_first=False, cursor="", limit=0)) == ["a"]
    assert (await listed.page(ORDERS.name, {}, newest_first=False, cursor="", limit=2)).next_cursor == ""
    assert keys(await listed.page(ORDERS.name, {}, newest_first=False, cursor="", limit=10**9)) == ["a", "b"]


async def test_a_field_nobody_declared_is_a_bug_and_told_so(store: ReadModelStore) -> None:
    with pytest.raises(LookupError):
        await store.page(ORDERS.name, {"total": "1"}, newest_first=False, cursor="", limit=1)
    with pytest.raises(LookupError, match="prepare"):
        await store.get("other_view", ["a"])
    with pytest.raises(ValueError, match="cannot name"):
        await store.prepare([ViewShape('x"; DROP TABLE y')])


async def test_wiping_forgets_all_and_the_view_goes_on(ground: Ground, store: ReadModelStore) -> None:
    await store.put(ORDERS.name, [row("a", 5), row("b", 5)])
    await store.put(PLAIN.name, [row("a", 5)])
    await store.wipe(ORDERS.name)
    assert await store.get(ORDERS.name, ["a", "b"]) == {}
    assert set(await store.get(PLAIN.name, ["a"])) == {"a"}
    assert await store.put(ORDERS.name, [row("a", 1)]) == frozenset()
    assert set(await store.get(ORDERS.name, ["a", "b"])) == {"a"}


async def test_a_fresh_view_takes_the_place_of_the_live_one_as_often_as_one_likes(
    ground: Ground, store: ReadModelStore
) -> None:
    async with ground.open() as other:
        await other.prepare(shapes(ground))
        for turn in range(1, 4):
            await store.put(ORDERS.name, [row("old", turn), row("same", 90 + turn)])
            await store.put(FRESH.name, [row(f"new{turn}", 1, status="paid"), row("same", turn)])
            await store.switch(FRESH.name, ORDERS.name)
            for seen in (store, other):
                found = await seen.get(ORDERS.name, ["old", "same", f"new{turn}", f"new{turn - 1}"])
                assert {key: each.version for key, each in found.items()} == {f"new{turn}": 1, "same": turn}
                assert await seen.get(FRESH.name, ["same", f"new{turn}"]) == {}
            if ground.lists:
                assert await everything(other, status="paid") == [f"new{turn}"]
            assert await other.put(ORDERS.name, [row("same", turn)]) == {"same"}


async def test_an_empty_fresh_view_empties_the_live_one(ground: Ground, store: ReadModelStore) -> None:
    await store.put(ORDERS.name, [row("a")])
    await store.switch(FRESH.name, ORDERS.name)
    assert await store.get(ORDERS.name, ["a"]) == {}


async def test_a_store_flushed_under_our_feet_looks_empty_and_fills_again(
    ground: Ground, store: ReadModelStore
) -> None:
    await store.put(ORDERS.name, [row("a", 5, status="paid")])
    await store.put(FRESH.name, [row("b", 5)])
    await store.switch(FRESH.name, ORDERS.name)
    await ground.flush()
    assert await store.get(ORDERS.name, ["a", "b"]) == {}
    if ground.lists:
        assert await everything(store) == []
    assert await store.put(ORDERS.name, [row("a", 1, status="paid")]) == frozenset()
    assert await store.get(ORDERS.name, ["a"]) == {"a": row("a", 1, status="paid")}
    await ground.flush()
    await store.switch(FRESH.name, ORDERS.name)
    await ground.flush()
    await store.wipe(ORDERS.name)
    assert await store.get(ORDERS.name, ["a"]) == {}


async def test_postgres_keeps_its_indexes_over_a_switch(database: str) -> None:
    """An index that kept its name would be missing on the next fresh table: `IF NOT EXISTS` would find it elsewhere."""
    schema = f"s{secrets.token_hex(6)}"
    connection = await asyncpg.connect(database)
    select = "SELECT tablename || ' ' || indexname FROM pg_indexes WHERE schemaname = $1"
    async with open_postgres_views(database, schema) as store:
        await store.prepare([ORDERS, FRESH])
        before = {record[0] for record in await connection.fetch(select, schema)}
        for _ in range(2):
            await store.switch(FRESH.name, ORDERS.name)
        assert {record[0] for record in await connection.fetch(select, schema)} == before
    await connection.close()
    assert len(before) == 8
    assert all(name.split()[1].startswith(name.split()[0]) for name in before)


async def test_postgres_removes_rows_along_the_way_when_their_days_are_over(database: str) -> None:
    schema, view = f"s{secrets.token_hex(6)}", PLAIN._replace(keep_days=30)
    connection = await asyncpg.connect(database)
    async with open_postgres_views(database, schema) as store:
        await store.prepare([view])
        await store.put(view.name, [row("old"), row("young")])
        aged = f"UPDATE {schema}.view_inbox_view SET written_at = now() - interval '31 days' WHERE key = 'old'"
        await connection.execute(aged)
        await store.put(view.name, [row("new")])
        assert set(await store.get(view.name, ["old", "young", "new"])) == {"young", "new"}
    await connection.close()


async def test_redis_forgets_rows_when_their_days_are_over(servers: Any) -> None:
    view = PLAIN._replace(keep_days=30)
    prefix = f"test:{secrets.token_hex(6)}"
    async with (
        open_redis_views(servers.endpoints.redis, prefix) as store,
        Redis.from_url(servers.endpoints.redis) as raw,
    ):
        await store.prepare([view])
        await store.put(view.name, [row("a")])
        (name,) = [key async for key in raw.scan_iter(match=f"{{{prefix}}}:view:*")]
        assert 29 * 86_400 < await raw.ttl(name) <= 30 * 86_400


async def test_mongo_is_told_when_days_are_over(mongo_url: str) -> None:
    """FerretDB has no such index and keeps the rows; the write must work all the same."""
    view = PLAIN._replace(keep_days=30)
    async with open_mongo_views(mongo_url, f"t{secrets.token_hex(6)}") as store:
        await store.prepare([view])
        assert await store.put(view.name, [row("a")]) == frozenset()
        assert set(await store.get(view.name, ["a"])) == {"a"}


async def test_redis_leaves_nothing_behind_a_switch_and_a_wipe(servers: Any) -> None:
    prefix = f"test:{secrets.token_hex(6)}"
    async with (
        open_redis_views(servers.endpoints.redis, prefix) as store,
        Redis.from_url(servers.endpoints.redis) as raw,
    ):
        await store.prepare([PLAIN, ViewShape("fresh_view")])
        for view in ("inbox_view", "fresh_view"):
            await store.put(view, [row(f"k{number}") for number in range(1500)])
        await store.switch("fresh_view", "inbox_view")
        assert len([key async for key in raw.scan_iter(match=f"{{{prefix}}}:view:*")]) == 1500
        await store.wipe("inbox_view")
        assert [key async for key in raw.scan_iter(match=f"{{{prefix}}}:view:*")] == []


async def test_redis_says_at_the_start_that_it_cannot_list(servers: Any) -> None:
    async with open_redis_views(servers.endpoints.redis, "orders") as store:
        with pytest.raises(ValueError, match="order_view is to be listed"):
            await store.prepare([ORDERS])


def away(kind: str, port: int) -> AbstractAsyncContextManager[ReadModelStore]:
    if kind == "postgres":
        return open_postgres_views(f"postgresql://nobody@127.0.0.1:{port}/none", "orders")
    if kind == "redis":
        return open_redis_views(f"redis://127.0.0.1:{port}/0", "orders")
    return open_mongo_views(f"mongodb://127.0.0.1:{port}/", "orders")


@asynccontextmanager
async def nobody_there() -> AsyncIterator[int]:
    yield free_ports(1)[0]


@asynccontextmanager
async def somebody_silent() -> AsyncIterator[int]:
    """A server that takes connections and never says a word, as one does that is stopped or behind a dead network."""
    writers: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _, writer: writers.append(writer), "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in writers:
            writer.close()


async def test_a_store_that_is_away_is_unavailable_within_five_seconds() -> None:
    """All of them at once, for each is waited for until it is given up."""
    kinds, troubles = ("postgres", "redis", "mongo"), (nobody_there, somebody_silent)
    async with asyncio.TaskGroup() as group:
        for kind, trouble in product(kinds, troubles):
            group.create_task(unavailable(kind, trouble), name=f"{kind} {trouble.__name__}")


async def unavailable(kind: str, trouble: Callable[[], AbstractAsyncContextManager[int]]) -> None:
    async with trouble() as port, away(kind, port) as store:  # opening needs nobody
        begin = asyncio.get_running_loop().time()
        told = await asyncio.gather(
            store.prepare([PLAIN]),
            store.get(PLAIN.name, ["a"]),
            store.put(PLAIN.name, [row("a")]),
            store.wipe(PLAIN.name),
            return_exceptions=True,
        )
        assert asyncio.get_running_loop().time() - begin < AWAY_SECONDS, (kind, trouble)
        prepare, get, *writes = told
        assert isinstance(get, Unavailable), (kind, trouble)
        assert isinstance(prepare, Unavailable | TimedOut) or kind == "redis", "Redis has nothing to prepare"
        assert all(isinstance(write, Unavailable | TimedOut) for write in writes), told


def test_at_least_one_mongo_compatible_server_takes_part() -> None:
    """Each of them is started by the tests above, and is an error of theirs where it does not start."""
    assert "nx-27017" in products() or products() == ("given",)
