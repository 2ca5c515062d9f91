"""One suite over every outbox."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import asyncpg
import pytest

from actors.mesh._ports import BrokerMark, NewEvent, Part, Store, Unpublished
from tests.ports.stores import Stores, commit, part


@pytest.fixture
async def store(stores: Stores) -> Store:
    return await stores.open()


async def everything(store: Store, limit: int = 1000) -> Sequence[Unpublished]:
    return await store.outbox.take(older_than_seconds=0, limit=limit)


def places(rows: Sequence[Unpublished]) -> list[tuple[str, int]]:
    return [(row.key, row.first_version) for row in rows]


async def stored(*rows: tuple[str, int]) -> AsyncIterator[tuple[str, int]]:
    for row in rows:
        yield row


async def test_what_was_appended_waits_in_the_order_of_time(store: Store) -> None:
    await store.journal.append(commit(part("payment/2", 0, b"1", b"2"), part("payment/1", 0, b"3")))
    await store.journal.append(commit(part("payment/2", 2, b"4")))
    rows = await everything(store)
    assert places(rows) == [("payment/1", 1), ("payment/2", 1), ("payment/2", 3)]
    assert [[event.body for event in row.events] for row in rows] == [[b"3"], [b"1", b"2"], [b"4"]]
    assert rows[1].events == (await store.journal.load(["payment/2"]))["payment/2"].events[:2]
    assert places(await everything(store, limit=2)) == places(rows)[:2]


async def test_a_commit_without_events_does_not_wait(store: Store) -> None:
    await store.journal.append(commit(part("payment/1", 0)))
    await store.journal.append(commit())
    assert await everything(store) == []


async def test_a_private_event_waits_as_such(store: Store) -> None:
    await store.journal.append(commit(Part("user/1", 0, [NewEvent("password_set", b"1", private=True)])))
    assert [event.private for row in await everything(store) for event in row.events] == [True]


async def test_what_is_young_is_left_to_the_process_that_committed_it(store: Store) -> None:
    await store.journal.append(commit(part("payment/1", 0, b"1")))
    assert await store.outbox.take(older_than_seconds=600, limit=10) == []


async def test_what_is_acknowledged_is_forgotten_and_the_mark_moves(store: Store) -> None:
    await store.journal.append(commit(part("payment/1", 0, b"1"), part("payment/2", 0, b"1")))
    await store.journal.append(commit(part("payment/1", 1, b"2")))
    assert await store.outbox.mark() is None
    await store.outbox.clear([("payment/1", 1)], BrokerMark("born", 7))
    assert places(await everything(store)) == [("payment/2", 1), ("payment/1", 2)]
    assert await store.outbox.waiting(["payment/1", "payment/2", "payment/3"]) == {"payment/1", "payment/2"}
    assert await store.outbox.count() == 2
    await store.outbox.clear([("payment/1", 2), ("payment/9", 1)], None)
    assert await store.outbox.waiting(["payment/1"]) == frozenset()
    assert await store.outbox.mark() == BrokerMark("born", 7)


async def test_the_mark_never_moves_back_within_one_life_of_the_stream(store: Store) -> None:
    for mark, kept in (
        (BrokerMark("a", 7), BrokerMark("a", 7)),
        (BrokerMark("a", 5), BrokerMark("a", 7)),
        (BrokerMark("b", 1), BrokerMark("b", 1)),
    ):
        await store.outbox.clear([], mark)
        assert await store.outbox.mark() == kept


async def test_one_process_at_a_time_is_the_sweeper(stores: Stores) -> None:
    one, two = await stores.open(), await stores.open()
    await one.journal.append(commit(part("payment/1", 0, b"1")))
    assert places(await everything(one)) == [("payment/1", 1)]
    assert list(await everything(two)) == []
    assert places(await everything(one)) == [("payment/1", 1)]


async def test_what_a_wiped_broker_has_lost_is_put_back(store: Store) -> None:
    await store.journal.append(commit(part("payment/1", 0, b"1", b"2")))
    await store.journal.append(commit(part("payment/1", 2, b"3", b"4", b"5"), part("payment/2", 0, b"6")))
    await store.journal.append(commit(part("payment/2", 1, b"7")))
    before = places(await everything(store))
    await store.outbox.clear(before, BrokerMark("first", 7))
    assert await store.outbox.put_back(stored(), BrokerMark("second", 0)) == 4
    assert places(await everything(store)) == before
    assert await store.outbox.mark() == BrokerMark("second", 0)


async def test_only_what_is_missing_is_put_back_and_always_whole_commits(store: Store) -> None:
    await store.journal.append(commit(part("payment/1", 0, b"1", b"2")))
    await store.journal.append(commit(part("payment/1", 2, b"3", b"4", b"5")))
    await store.journal.append(commit(part("payment/1", 5, b"6")))
    await store.outbox.clear([("payment/1", 1), ("payment/1", 3)], None)
    # The broker kept one event twice and lost the outer two of the second commit; the third is waiting anyway.
    kept = stored(("payment/1", 1), ("payment/1", 1), ("payment/1", 2), ("payment/1", 4))
    assert await store.outbox.put_back(kept, BrokerMark("again", 3)) == 1
    rows = await everything(store)
    assert places(rows) == [("payment/1", 3), ("payment/1", 6)]
    assert [event.version for event in rows[0].events] == [3, 4, 5]


async def test_nothing_is_put_back_where_nothing_was_lost(store: Store) -> None:
    await store.journal.append(commit(part("payment/1", 0, b"1", b"2")))
    await store.outbox.clear([("payment/1", 1)], None)
    assert await store.outbox.put_back(stored(("payment/1", 1), ("payment/1", 2)), BrokerMark("b", 2)) == 0
    assert await everything(store) == []


@pytest.mark.parametrize("endpoints", ["postgres"], indirect=True)
async def test_a_sweeper_whose_session_ends_is_followed_by_another(stores: Stores) -> None:
    one, two = await stores.open(), await stores.open()
    await one.journal.append(commit(part("payment/1", 0, b"1")))
    await everything(one)
    admin = await asyncpg.connect(stores.admin_dsn)
    try:
        end = "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory' AND granted"
        assert await admin.fetchval(end)
    finally:
        await admin.close()
    assert places(await everything(two)) == [("payment/1", 1)]
    assert list(await everything(one)) == []
