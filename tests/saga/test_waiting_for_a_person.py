"""The card processor says no where our money is meant: a person is called, sees to it, and the order goes on."""

from __future__ import annotations

from typing import Any

from structlog.testing import capture_logs

from actors.inventory.model.reservations import HELD_SECONDS
from actors.mesh._blueprint import consumers
from schemas.payments import CapturePayment, GetPayment, PaymentView, RefundPayment, VoidPayment
from schemas.values import Money
from tests.saga.meddling import Wire
from tests.saga.places import CANCEL, ends_clean
from tests.sim.shop import Shop, order

WAIT_SECONDS = 60


async def payment(shop: Shop) -> PaymentView:
    version = shop.mesh.truth.domain("payments").version("payment/o1")
    return await shop.mesh.client.ask(GetPayment(payment_id="o1", at_least_version=version))


def calls(logs: list[Any]) -> list[tuple[str, str, str]]:
    """Return who was called to what."""
    told = [line for line in logs if line["event"] == "saga waits for a person"]
    assert all(line["log_level"] == "error" for line in told)
    return [(line["saga"], line["entity_key"], line["because"]) for line in told]


async def test_a_declined_capture_keeps_the_order_confirmed_until_a_person_has_it_captured() -> None:
    shop = Shop()
    async with shop.mesh:
        with capture_logs() as logs:
            await shop.open()
            await shop.mesh.client.ask(order("o1", token="card-capture-declined"))
            await shop.mesh.clock.sleep(WAIT_SECONDS)
        assert calls(logs) == [("order_fulfilment", "o1", "payments.event.capture_declined")]
        assert (await shop.order("o1")).status == "confirmed"
        shown = await payment(shop)
        assert (shown.status, shown.decline_code) == ("capture_declined", "try_again_later")
        assert ((await shop.item()).on_hand, shop.operations("o1")["capture"]) == (8, 0)
        await shop.mesh.client.ask(CapturePayment(payment_id="o1", order_id="o1"))
        assert await ends_clean(shop) == "paid"


async def test_a_declined_refund_keeps_the_stock_away_until_a_person_has_it_given_back() -> None:
    shop = Shop()
    async with shop.mesh:
        with capture_logs() as logs:
            await shop.open()
            await shop.mesh.client.ask(order("o1", token="card-refund-declined"))
            assert await ends_clean(shop) == "paid"
            await shop.mesh.client.ask(CANCEL)
            await shop.mesh.clock.sleep(WAIT_SECONDS)
        assert calls(logs) == [("order_refund", "o1", "payments.event.refund_declined")]
        assert (await shop.order("o1")).status == "refunding"
        shown = await payment(shop)
        assert (shown.status, shown.decline_code, shown.refunding_minor) == ("captured", "try_again_later", 0)
        assert (await shop.item()).on_hand == 8
        await shop.mesh.client.ask(RefundPayment(payment_id="o1", refund_id="o1"))
        assert await ends_clean(shop) == "refunded"


async def test_a_declined_void_leaves_the_order_cancelled_and_its_money_held_until_a_person_lets_it_go() -> None:
    shop = Shop()
    async with shop.mesh:
        wire = Wire(shop.mesh)
        wire.always["orders.command.confirm_order"] = wire.refused
        with capture_logs() as logs:
            await shop.open()
            await shop.mesh.client.ask(order("o1", token="card-void-declined"))
            await shop.mesh.clock.sleep(WAIT_SECONDS)
        assert calls(logs) == [("order_fulfilment", "o1", "payments.event.void_declined")]
        assert ((await shop.order("o1")).status, (await payment(shop)).status) == ("cancelled", "void_declined")
        assert shop.held_minor("o1")
        await shop.mesh.client.ask(VoidPayment(payment_id="o1", order_id="o1"))
        assert await ends_clean(shop) == "cancelled"


async def test_nobody_is_called_twice_for_what_is_read_twice() -> None:
    shop = Shop(pools_per_domain=2)
    async with shop.mesh:
        with capture_logs() as logs:
            await shop.open()
            await shop.mesh.client.ask(order("o1", token="card-capture-declined"))
            await shop.mesh.clock.sleep(WAIT_SECONDS)
            for blueprint in shop.mesh.blueprints:
                for consumer in consumers(blueprint):
                    await shop.mesh.bus.reset_consumer(consumer)
            await shop.mesh.clock.sleep(WAIT_SECONDS)
        assert len(calls(logs)) == 1


async def test_what_was_given_back_by_hand_is_not_given_back_twice() -> None:
    shop = Shop()
    async with shop.mesh:
        await shop.open()
        await shop.mesh.client.ask(order("o1"))
        assert await ends_clean(shop) == "paid"
        some = Money(amount_minor=300, currency="EUR")
        await shop.mesh.client.ask(RefundPayment(payment_id="o1", refund_id="by-hand", amount=some))
        await shop.mesh.clock.sleep(5)
        assert shop.operations("o1")["refund"] == 1
        rows = shop.mesh.truth.domain("orders").sagas
        assert rows["order_refund", "by-hand"].status == "heard", "a refund that no order asked for starts no saga"
        await shop.mesh.client.ask(CANCEL)
        await shop.mesh.clock.sleep(30)
        assert ((await shop.order("o1")).status, (await shop.item()).on_hand) == ("refunded", 10)
        shown = await payment(shop)
        assert (shown.status, shown.refunded_minor) == ("refunded", 900)
        amounts = [each.instruction.amount for each in shop.cards.books.operations if each.instruction.kind == "refund"]
        assert [amount.amount_minor for amount in amounts if amount] == [300, 600]


async def test_a_reservation_does_not_expire_under_an_order_whose_capture_takes_its_time() -> None:
    shop = Shop()
    async with shop.mesh:
        await shop.open()
        await shop.mesh.client.ask(order("o1", token="card-capture-declined"))
        await shop.mesh.clock.sleep(HELD_SECONDS + 60)
        await shop.mesh.client.ask(order("o2", quantity=8))  # all that is left
        await shop.mesh.client.ask(CANCEL)
        assert (await shop.order("o1")).status == "recalled"
        await shop.mesh.client.ask(CapturePayment(payment_id="o1", order_id="o1"))
        await shop.mesh.clock.sleep(30)
        assert ((await shop.order("o1")).status, (await shop.order("o2")).status) == ("refunded", "paid")
        assert (await shop.item()).on_hand == 2
