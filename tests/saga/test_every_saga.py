"""What holds for every saga: refused anywhere it unwinds, run again it changes nothing, in doubt it ends clean."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from actors.mesh import Outcomes, Refused, Saga
from actors.mesh._blueprint import consumers
from tests.saga.meddling import Wire
from tests.saga.places import CANCEL, ENDS, EXAMPLES, SAGAS, Place, ends_clean, pivot_of, start
from tests.sim.shop import ACTORS, Shop

PLACES = [Place(saga, index) for saga in SAGAS.values() for index in range(len(saga.steps))]
TURNING = [place for place in PLACES if not place.forward_only]
FORWARD = [place for place in PLACES if place.forward_only]
UNDOABLE = [place for place in PLACES if place.undo is not None]


def called(value: object) -> str:
    return value.saga.steps[value.index].name if isinstance(value, Place) else str(value)


def test_every_saga_has_an_example_here() -> None:
    assert EXAMPLES.keys() == ENDS.keys() == SAGAS.keys()


@pytest.mark.parametrize("at", TURNING, ids=called)
async def test_refused_at_any_step_it_undoes_every_earlier_one(at: Place) -> None:
    shop = Shop()
    async with shop.mesh:
        await shop.open()
        wire = Wire(shop.mesh)
        wire.always[at.command] = wire.refused
        await start(shop, at.saga)
        assert await ends_clean(shop) == "cancelled"
        for step in at.earlier():
            assert step.undo is None or wire.count(step.undo) == 1, f"{called(step)} was not undone"
        assert at.undo is None or wire.count(at.undo) == 0, "what was refused the first time has not happened"
        assert (await shop.order("o1")).reason_code == "test_refused"


@pytest.mark.parametrize("at", FORWARD, ids=called)
async def test_past_the_pivot_a_refusal_is_asked_again_and_nothing_is_undone(at: Place) -> None:
    shop = Shop()
    async with shop.mesh:
        await shop.open()
        wire = Wire(shop.mesh)
        wire.meddle[at.command] = [wire.refused] * 6
        await start(shop, at.saga)
        assert await ends_clean(shop) == ENDS[at.saga.name]
        assert wire.count(at.command) == 7
        steps = {place.command for place in PLACES if place.saga is at.saga}
        assert not any(wire.count(place.undo) for place in UNDOABLE if place.undo and place.undo not in steps)


@pytest.mark.parametrize("saga", SAGAS.values(), ids=lambda saga: saga.name)
async def test_read_a_second_time_it_changes_nothing(saga: Saga[Any]) -> None:
    shop = Shop(pools_per_domain=2)
    async with shop.mesh:
        await shop.open()
        await start(shop, saga)
        await ends_clean(shop)
        before = snapshot(shop)
        for blueprint in shop.mesh.blueprints:
            for consumer in consumers(blueprint):
                await shop.mesh.bus.reset_consumer(consumer)
        assert await ends_clean(shop) == ENDS[saga.name]
        await shop.mesh.clock.sleep(20)
        assert snapshot(shop) == before


def snapshot(shop: Shop) -> dict[str, Any]:
    tables = {actor.name: shop.mesh.truth.domain(actor.name) for actor in ACTORS}
    return {
        "events": {name: {key: list(of_key) for key, of_key in table.events.items()} for name, table in tables.items()},
        "sagas": {key: row.document for table in tables.values() for key, row in table.sagas.items()},
        "ledger": list(tables["payments"].inlines["ledger"]),
        "cards": shop.cards.books.operations,
    }


@pytest.mark.parametrize("at", PLACES, ids=called)
@pytest.mark.parametrize("fault", ["lost", "reply_lost"])
@pytest.mark.parametrize("cancel_after_seconds", [0.0, 2.0, 5.05, 30.0])
async def test_in_doubt_at_any_step_and_then_cancelled_it_ends_clean(
    at: Place, fault: str, cancel_after_seconds: float
) -> None:
    shop = Shop()
    async with shop.mesh:
        await shop.open()
        wire = Wire(shop.mesh)
        wire.meddle[at.command] = [getattr(wire, fault)]
        await start(shop, at.saga)
        await shop.mesh.clock.sleep(cancel_after_seconds)
        await shop.mesh.client.ask(CANCEL)
        status = await ends_clean(shop)
        assert status == ("refunded" if "order_confirmed" in happened(shop) else "cancelled")


def happened(shop: Shop) -> list[str]:
    """Return the names of what happened to the order."""
    return [event.name for event in shop.mesh.truth.domain("orders").events["order/o1"]]


@pytest.mark.parametrize("at", PLACES, ids=called)
@pytest.mark.parametrize("when", ["first", "then"])
async def test_cancelled_around_any_step_it_ends_whole_or_not_at_all(at: Place, when: str) -> None:
    shop = Shop()
    async with shop.mesh:
        await shop.open()
        wire = Wire(shop.mesh)
        wire.meddle[at.command] = [getattr(wire, when)(lambda: shop.mesh.client.ask(CANCEL))]
        await start(shop, at.saga)
        too_late = at.forward_only or (at.saga.steps[at.index].pivot and when == "then")
        assert await ends_clean(shop) == ("refunded" if too_late else "cancelled")


@pytest.mark.parametrize("at", [at for at in TURNING if not at.saga.steps[at.index].pivot], ids=called)
async def test_what_is_not_answered_within_its_deadline_is_undone(at: Place) -> None:
    shop = Shop()
    async with shop.mesh:
        await shop.open()
        wire = Wire(shop.mesh)
        wire.always[at.command] = wire.lost
        began_ms = shop.mesh.clock.now_ms()
        await start(shop, at.saga)
        assert await ends_clean(shop) == "cancelled"
        assert (await shop.order("o1")).reason_code == "step_deadline_missed"
        assert at.undo is None or wire.count(at.undo) >= 1, "it may have happened"
        took_seconds = (shop.mesh.clock.now_ms() - began_ms) / 1000
        assert took_seconds == pytest.approx(at.saga.steps[at.index].deadline_seconds, abs=8)


@pytest.mark.parametrize("at", UNDOABLE, ids=called)
@pytest.mark.parametrize("trouble", ["lost", "reply_lost", "refused"])
async def test_an_undo_that_fails_is_tried_until_it_is_done(at: Place, trouble: str) -> None:
    shop = Shop()
    async with shop.mesh:
        await shop.open()
        wire = Wire(shop.mesh)
        assert at.undo is not None
        wire.always[Place(at.saga, pivot_of(at.saga)).command] = wire.refused
        wire.meddle[at.undo] = [getattr(wire, trouble)] * 5
        await start(shop, at.saga)
        assert await ends_clean(shop) == "cancelled"
        assert wire.count(at.undo) == 6
        ids = {command_id for kind, command_id in wire.sent if kind == at.undo}
        assert len(ids) == 1, "sent again it is the same command"


@pytest.mark.parametrize("at", UNDOABLE, ids=called)
async def test_what_was_undone_before_it_came_finds_the_door_shut(at: Place) -> None:
    shop = Shop()
    async with shop.mesh:
        await shop.open()
        wire, late = Wire(shop.mesh), []

        async def kept_back(go_on: Any) -> Any:
            late.append(go_on)
            return await wire.lost(go_on)

        wire.meddle[at.command] = [kept_back]
        wire.always[at.command] = wire.lost
        await start(shop, at.saga)
        await ends_clean(shop)
        [go_on] = late
        reply = await go_on()
        assert msgspec.json.decode(reply.body)["code"] in ("expired", "principal_expired")
        del wire.always[at.command]
        example = EXAMPLES[at.saga.name]
        with pytest.raises(Refused):  # and one that is not even late is refused by the tombstone
            await shop.mesh.client.ask(at.saga.steps[at.index].do(example, Outcomes({})))
        assert await ends_clean(shop) == "cancelled"


@pytest.mark.parametrize("trouble", ["lost", "reply_lost"])
async def test_a_pivot_in_doubt_decides_by_its_own_answer_alone(trouble: str) -> None:
    shop = Shop()
    async with shop.mesh:
        await shop.open()
        wire = Wire(shop.mesh)
        pivot = Place(SAGAS["order_fulfilment"], pivot_of(SAGAS["order_fulfilment"]))
        wire.meddle[pivot.command] = [getattr(wire, trouble)] * 3
        await start(shop, pivot.saga)
        assert await ends_clean(shop) == "paid"
        assert wire.count(pivot.command) == 4
