"""Running a saga: in two pools at once, started late, stuck on a bug, met by events that come when it is over."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from actors.mesh._ports import BusReply, SagaRow
from actors.mesh.testing.quiet import at_rest
from schemas.orders import RequestCancel
from tests.saga.meddling import Wire, refusal
from tests.saga.places import ends_clean
from tests.sim.shop import Shop, order


async def test_two_pools_that_drive_the_same_saga_send_each_command_once_or_as_the_same() -> None:
    shop = Shop(pools_per_domain=3)
    async with shop.mesh:
        await shop.open()
        wire = Wire(shop.mesh)
        await shop.mesh.client.ask(order("o1"))
        runners = [pool._sagas for pool in shop.mesh.pools if pool._blueprint.name == "orders"]
        saga = runners[0]._sagas["order_fulfilment"]
        for _ in range(20):
            await asyncio.gather(*(runner._drive_alone(saga, "o1") for runner in runners))
        assert await ends_clean(shop) == "paid"
        ids: dict[str, set[str]] = {}
        for kind, command_id in wire.sent:
            ids.setdefault(kind, set()).add(command_id)
        assert len(ids["inventory.command.reserve_stock"]) == len(ids["payments.command.capture_payment"]) == 1


@pytest.mark.parametrize("code", ["message_invalid", "message_unknown", "principal_expired", "permission_missing"])
async def test_a_command_turned_away_at_the_door_is_sent_again_and_the_order_is_paid(code: str) -> None:
    shop = Shop()
    async with shop.mesh:
        await shop.open()
        wire = Wire(shop.mesh)

        async def turned_away(_go_on: Any) -> BusReply:
            return refusal(code)

        for kind in ("payments.command.authorise_payment", "orders.command.confirm_order"):
            wire.meddle[kind] = [turned_away] * 3
        await shop.mesh.client.ask(order("o1"))
        assert await ends_clean(shop) == "paid"


async def test_an_event_that_comes_when_it_is_over_wakes_it_for_nothing() -> None:
    shop = Shop()
    async with shop.mesh:
        await shop.open()
        await shop.mesh.client.ask(order("o1"))
        await ends_clean(shop)
        [row] = shop.mesh.truth.domain("orders").sagas.values()
        wire = Wire(shop.mesh)
        await shop.mesh.bus.store(
            "orders.event.order_cancel_requested.1",
            b'{"order_id":"o1","reason":"late"}',
            {"Mesh-Key": "order/o1", "Mesh-Version": "9"},
            message_id="order/o1@9",
        )
        await shop.mesh.clock.sleep(5)
        [after] = shop.mesh.truth.domain("orders").sagas.values()
        assert (row.status, after.status) == ("done", "done")
        assert wire.sent == []


async def test_a_bug_in_a_step_stops_that_saga_alone_and_it_goes_on_when_it_is_mended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shop = Shop()
    async with shop.mesh:
        await shop.open()
        [pool] = [pool for pool in shop.mesh.pools if pool._blueprint.name == "orders"]
        command, broken = pool._sagas._command, {"o1"}

        async def stumbling(saga: Any, state: Any, send: Any) -> Any:
            if send.direction == "do" and send.step == 2 and '"order_id":"o1"' in state.started.body and broken:
                raise ZeroDivisionError
            return await command(saga, state, send)

        monkeypatch.setattr(pool._sagas, "_command", stumbling)
        await shop.mesh.client.ask(order("o1"))
        await shop.mesh.client.ask(order("o2"))
        await shop.mesh.clock.sleep(8)
        assert (await shop.order("o2")).status == "paid"
        assert (await shop.order("o1")).status == "reserved"
        broken.clear()
        await at_rest(shop.mesh)
        assert (await shop.order("o1")).status == "paid"


async def test_a_saga_whose_process_died_when_it_had_heard_of_its_start_is_taken_up_by_the_scan(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shop = Shop()
    async with shop.mesh:
        await shop.open()
        [pool] = [pool for pool in shop.mesh.pools if pool._blueprint.name == "orders"]
        spawn, died = pool._sagas._spawn, list[str]()

        async def die_first(saga: Any, key: str) -> None:
            if died:
                await spawn(saga, key)
            died.append(key)

        monkeypatch.setattr(pool._sagas, "_spawn", die_first)
        await shop.mesh.client.ask(order("o1"))
        assert await ends_clean(shop) == "paid"
        assert len(died) > 1


async def test_an_answer_whose_save_is_lost_to_an_event_is_not_waited_for_again() -> None:
    shop = Shop()
    async with shop.mesh:
        await shop.open()
        wire = Wire(shop.mesh)
        rows = shop.mesh.truth.domain("orders").sagas
        [pool] = [pool for pool in shop.mesh.pools if pool._blueprint.name == "orders"]
        store = pool._sagas._rows
        save, lost = store.save, list[bytes]()

        async def save_late(row: SagaRow) -> bool:
            known = rows.get((row.saga, row.key))
            if known is not None and known.document != row.document and row.document not in lost:
                lost.append(row.document)
                await save(known)  # somebody else was first
            return await save(row)

        store.save = save_late  # type: ignore[method-assign]
        began_ms = shop.mesh.clock.now_ms()
        await shop.mesh.client.ask(order("o1"))
        assert await ends_clean(shop) == "paid"
        assert len(lost) > 5
        assert max(wire.count(kind) for kind, _ in wire.sent) == 1
        assert shop.mesh.clock.now_ms() - began_ms < 2_000


async def test_a_cancel_that_the_saga_hears_of_late_has_its_reason_and_only_one_close() -> None:
    shop = Shop()
    async with shop.mesh:
        await shop.open()
        wire = Wire(shop.mesh)
        wire.meddle["payments.command.authorise_payment"] = [
            wire.first(
                lambda: shop.mesh.client.ask(RequestCancel(order_id="o1", customer_id="ada", reason="changed my mind"))
            )
        ]
        wire.meddle["orders.command.cancel_order"] = [wire.reply_lost, wire.lost]
        await shop.mesh.client.ask(order("o1"))
        assert await ends_clean(shop) == "cancelled"
        assert len({command_id for kind, command_id in wire.sent if kind == "orders.command.cancel_order"}) == 1
