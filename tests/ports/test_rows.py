"""One suite over the rows beside the journal: sagas, effects, timers, dead letters, tells."""

from __future__ import annotations

import asyncio
import base64

import pytest

from actors.mesh._ports import Appended, DeadLetter, EffectRow, Rejected, SagaRow, SagaStatus, Store, TellRow, TimerRow
from tests.ports.stores import Stores, commit

NOW_MS = 1_000_000
LATER_MS = NOW_MS + 30_000


@pytest.fixture
async def store(stores: Stores) -> Store:
    return await stores.open()


def saga(key: str = "order-1", revision: int = 0, status: SagaStatus = "running", next_at_ms: int = NOW_MS) -> SagaRow:
    return SagaRow("fulfilment", key, revision, status, next_at_ms, b"\0document")


def effect(number: int, next_at_ms: int = NOW_MS) -> EffectRow:
    return EffectRow(f"payment/p{number}@3", "charge", 0, next_at_ms, b"\0event")


def timer(timer_id: str, due_at_ms: int = NOW_MS, body: bytes = b"\0body") -> dict[str, object]:
    encoded = base64.b64encode(body).decode()
    message = "orders.command.cancel_order"
    return {"timer_id": timer_id, "due_at_ms": due_at_ms, "message": message, "body": encoded, "headers": '{"a":"b"}'}


def letter(letter_id: str, body: bytes = b"\0body") -> DeadLetter:
    return DeadLetter(letter_id, "dlq.orders", "orders_views", "bug", "trace", "{}", body, NOW_MS, 3)


def tell(principal: str = "ada", at_ms: int = NOW_MS, command_id: str = "c1") -> TellRow:
    return TellRow(command_id, principal, "orders.tell.place_order.o1", "refused", b"\0refusal", at_ms - 5, at_ms)


async def test_a_saga_is_saved_revision_by_revision(store: Store) -> None:
    assert await store.sagas.load("fulfilment", "order-1") is None
    assert await store.sagas.save(saga())
    first = await store.sagas.load("fulfilment", "order-1")
    assert first == saga(revision=1)
    assert await store.sagas.save(first._replace(status="done", document=b"2"))
    assert await store.sagas.load("fulfilment", "order-1") == saga(revision=2)._replace(status="done", document=b"2")


async def test_a_saga_loses_to_another_revision(stores: Stores) -> None:
    one, two = await stores.open(), await stores.open()
    saved = await asyncio.gather(*(process.sagas.save(saga()) for process in (one, two) * 4))
    assert saved.count(True) == 1
    loaded = saga(revision=1)
    saved = await asyncio.gather(*(p.sagas.save(loaded._replace(document=b"x")) for p in (one, two) * 4))
    assert saved.count(True) == 1
    assert not await one.sagas.save(saga())
    assert not await one.sagas.save(saga(key="never-there", revision=1))


async def test_sagas_are_due_oldest_first_and_only_while_unfinished(store: Store) -> None:
    rows = [
        saga("late", next_at_ms=NOW_MS + 1),
        saga("second", status="undoing"),
        saga("first", next_at_ms=NOW_MS - 5),
        saga("never", next_at_ms=0),
        saga("done", status="done", next_at_ms=NOW_MS - 9),
        saga("heard", status="heard", next_at_ms=NOW_MS - 9),
    ]
    for row in rows:
        assert await store.sagas.save(row)
    await store.sagas.save(SagaRow("other", "first", 0, "running", 1, b""))
    assert [row.key for row in await store.sagas.due("fulfilment", NOW_MS, 10)] == ["first", "second"]
    assert [row.key for row in await store.sagas.due("fulfilment", NOW_MS, 1)] == ["first"]
    assert dict(await store.sagas.unfinished("fulfilment")) == {"running": 2, "undoing": 1}


async def test_an_effect_is_begun_once(stores: Stores) -> None:
    one, two = await stores.open(), await stores.open()
    begun = await asyncio.gather(*(process.effects.begin(effect(1)) for process in (one, two) * 4))
    assert begun.count(True) == 1
    assert await one.effects.begin(effect(1)._replace(performer="mail"))


async def test_a_finished_effect_is_never_new_again(store: Store) -> None:
    await store.effects.begin(effect(1))
    await store.effects.begin(effect(2))
    assert await store.effects.count("charge") == 2
    await store.effects.finish(effect(1).event_id, "charge")
    assert await store.effects.count("charge") == 1
    assert not await store.effects.begin(effect(1))
    leased = await store.effects.lease("charge", NOW_MS, LATER_MS, 10)
    assert leased == [effect(2)._replace(attempts=1, next_at_ms=LATER_MS)]


async def test_a_leased_effect_is_handed_out_again_only_after_its_lease(stores: Stores) -> None:
    one, two = await stores.open(), await stores.open()
    for number in range(20):
        await one.effects.begin(effect(number))
    await one.effects.begin(effect(99, next_at_ms=LATER_MS))
    leases = await asyncio.gather(*(p.effects.lease("charge", NOW_MS, LATER_MS, 3) for p in (one, two) * 5))
    leased = [row.event_id for rows in leases for row in rows]
    assert max(len(rows) for rows in leases) == 3
    assert sorted(leased) == sorted(set(leased))
    rest = await one.effects.lease("charge", NOW_MS, LATER_MS, 100)
    assert sorted(leased + [row.event_id for row in rest]) == sorted(effect(number).event_id for number in range(20))
    again = await two.effects.lease("charge", LATER_MS, LATER_MS + 1, 100)
    assert {row.attempts for row in again} == {1, 2}
    assert len(again) == 21


async def test_an_effect_that_was_put_off_is_leased_again_at_that_time(store: Store) -> None:
    await store.effects.begin(effect(1, next_at_ms=LATER_MS))
    await store.effects.put_off(effect(1), NOW_MS)
    (leased,) = await store.effects.lease("charge", NOW_MS, LATER_MS, 10)
    await store.effects.put_off(leased, NOW_MS + 5)
    assert await store.effects.lease("charge", NOW_MS + 4, LATER_MS, 10) == []
    assert [row.attempts for row in await store.effects.lease("charge", NOW_MS + 5, LATER_MS, 10)] == [2]


async def test_an_effect_is_not_put_off_by_an_attempt_that_others_have_overtaken(store: Store) -> None:
    await store.effects.begin(effect(1))
    (first,) = await store.effects.lease("charge", NOW_MS, NOW_MS + 1, 10)
    await store.effects.lease("charge", NOW_MS + 1, LATER_MS, 10)
    await store.effects.put_off(first, NOW_MS)
    assert await store.effects.lease("charge", NOW_MS + 2, LATER_MS, 10) == []
    await store.effects.finish(first.event_id, "charge")
    await store.effects.put_off(first._replace(attempts=2), NOW_MS)
    assert await store.effects.lease("charge", LATER_MS, LATER_MS, 10) == []


async def test_a_timer_is_set_with_the_commit_and_only_with_it(store: Store) -> None:
    refused = commit(inlines={"timers": [timer("t1")], "no_such_table": [{"a": 1}]})
    assert isinstance(await store.journal.append(refused), Rejected)
    assert await store.timers.lease(NOW_MS, LATER_MS, 10) == []
    assert isinstance(await store.journal.append(commit(inlines={"timers": [timer("t1")]})), Appended)
    row = TimerRow("t1", NOW_MS, 1, "orders.command.cancel_order", b"\0body", '{"a":"b"}')
    assert await store.timers.lease(NOW_MS, LATER_MS, 10) == [row]


async def test_timers_are_due_in_order_leased_once_and_gone_when_finished(stores: Stores) -> None:
    one, two = await stores.open(), await stores.open()
    rows = [timer("late", NOW_MS + 1), timer("second"), timer("first", NOW_MS - 1)]
    await one.journal.append(commit(inlines={"timers": rows}))
    assert [row.timer_id for row in await one.timers.lease(NOW_MS, LATER_MS, 10)] == ["first", "second"]
    assert await two.timers.lease(NOW_MS, LATER_MS, 10) == []
    await one.timers.finish("second")
    again = await two.timers.lease(LATER_MS, LATER_MS + 1, 10)
    assert [(row.timer_id, row.attempts) for row in again] == [("first", 2), ("late", 1)]


async def test_a_timer_set_twice_is_rejected(store: Store) -> None:
    await store.journal.append(commit(inlines={"timers": [timer("t1")]}))
    assert isinstance(await store.journal.append(commit(inlines={"timers": [timer("t1")]})), Rejected)


async def test_a_dead_letter_is_parked_once_listed_read_and_removed(store: Store) -> None:
    for letter_id in ("b", "a", "C"):
        await store.dead_letters.park(letter(letter_id))
    await store.dead_letters.park(letter("a", body=b"another"))
    assert [row.letter_id for row in await store.dead_letters.list("", 10)] == ["C", "a", "b"]
    assert await store.dead_letters.count() == 3
    assert await store.dead_letters.list("C", 1) == [letter("a")]
    assert await store.dead_letters.get("a") == letter("a")
    assert await store.dead_letters.remove("a")
    assert not await store.dead_letters.remove("a")
    assert await store.dead_letters.get("a") is None
    assert await store.dead_letters.count() == 2


async def test_how_a_tell_ended_is_kept_for_each_who_told_it_the_last_word_counts(store: Store) -> None:
    assert await store.tells.get("c1", "ada") is None
    assert await store.tells.latest("c1") is None
    for row in (tell(), tell("eve", NOW_MS + 1), tell(command_id="c2"), tell("o'neill; --", NOW_MS - 1)):
        await store.tells.keep(row)
    later = tell()._replace(ending="dead", refusal=b"another", subject="x", at_ms=NOW_MS + 2)
    assert await store.tells.get("c1", "eve") == tell("eve", NOW_MS + 1)
    assert await store.tells.latest("c1") == tell("eve", NOW_MS + 1)
    await store.tells.keep(later)
    assert await store.tells.get("c1", "ada") == later
    assert await store.tells.latest("c1") == later
    assert await store.tells.get("c1", "o'neill; --") == tell("o'neill; --", NOW_MS - 1)


async def test_old_tells_are_forgotten_some_at_a_time(store: Store) -> None:
    for number in range(7):
        await store.tells.keep(tell(f"p{number}", NOW_MS + number))
    assert [await store.tells.forget(NOW_MS + 5, 3) for _ in range(3)] == [3, 2, 0]
    assert await store.tells.get("c1", "p4") is None
    assert await store.tells.get("c1", "p5") == tell("p5", NOW_MS + 5)
