"""Stories from the event to the message, all in memory: told once, logged, and never in an order's way."""

from __future__ import annotations

import re

import pytest

from actors.mesh import Quotas, Unavailable
from actors.mesh._blueprint import consumers, draw
from actors.mesh._chaos import Chaos
from actors.mesh._errors import Fault, TimedOut
from actors.mesh.adapters.memory.quotas import MemoryQuotas
from actors.mesh.testing.processes import die
from actors.mesh.testing.quiet import at_rest, differing_views
from actors.notifications import actor
from actors.notifications.provider import Answer, RecordedMails
from schemas.notifications import (
    DeliveryView,
    GetInbox,
    ListDeliveries,
    RegisterDevice,
    SetPreference,
)
from schemas.orders import GetOrder, RequestCancel
from schemas.users import DeactivateUser, GetUser, RegisterUser, UpdateProfile, VerifyEmail
from tests.sim.shop import order
from tests.unit.notifications.people import Notified

HOURS = 4 * 3600


def subjects(shop: Notified, address: str = "ada@example.org") -> list[str]:
    return [sent.mail.subject for _, sent in shop.mails.mails if sent.address == address]


async def deliveries(shop: Notified, user_id: str = "ada") -> dict[str, DeliveryView]:
    """Return what somebody was told, by template."""
    page = await shop.mesh.client.ask(ListDeliveries(user_id=user_id))
    return {each.template: each for each in page.deliveries}


def by_channel(view: DeliveryView) -> dict[str, tuple[str, str]]:
    return {each.channel: (each.status, each.reason) for each in view.channels}


async def status_of(shop: Notified) -> str:
    return (await shop.mesh.client.ask(GetOrder(order_id="o1"))).status


@pytest.mark.parametrize("pools", [1, 3])
async def test_a_confirmed_order_is_told_once_by_mail_push_and_inbox(pools: int) -> None:
    shop = Notified(pools=pools)
    async with shop.mesh as mesh:
        await shop.open()
        await mesh.client.ask(RegisterDevice(user_id="ada", device_token="phone-1"))
        await mesh.client.ask(order("o1"))
        await at_rest(mesh)
        assert subjects(shop) == ["Your order o1 is confirmed"]
        ((_, sent),) = shop.mails.mails
        assert sent.name == "Ada"
        assert "Total: 9.00 EUR" in sent.mail.text
        ((tokens, note),) = shop.push.notes.values()
        assert (tokens, note.text) == (("phone-1",), "Order o1 is confirmed: 9.00 EUR.")
        inbox = await mesh.client.ask(GetInbox(user_id="ada"))
        assert [(entry.template, entry.title) for entry in inbox.entries] == [
            ("order_confirmed", "Your order o1 is confirmed")
        ]
        told = (await deliveries(shop))["order_confirmed"]
        assert by_channel(told) == {"email": ("sent", ""), "push": ("sent", ""), "inbox": ("sent", "")}
        assert await differing_views(mesh) == []


async def test_a_recalled_order_is_told_as_confirmed_and_then_as_refunded_in_the_language_of_its_customer() -> None:
    shop = Notified()
    async with shop.mesh as mesh:
        await shop.open()
        await mesh.client.ask(UpdateProfile(user_id="ada", phone="+4712345678", locale="de"))
        await mesh.client.ask(order("o1"))
        await at_rest(mesh)
        await mesh.client.ask(RequestCancel(order_id="o1", customer_id="ada", reason="changed my mind"))
        await at_rest(mesh)
        assert await status_of(shop) == "refunded"
        assert subjects(shop) == ["Ihre Bestellung o1 ist bestätigt", "Ihre Bestellung o1 wurde erstattet"]
        assert list(shop.sms.texts.values()) == [
            ("+4712345678", "Bestellung o1 wurde storniert: 9,00 EUR gehen auf Ihre Karte zurück.")
        ]


async def test_a_declined_order_is_told_as_cancelled() -> None:
    shop = Notified()
    async with shop.mesh as mesh:
        await shop.open()
        await mesh.client.ask(order("o1", token="card-declined"))
        await at_rest(mesh)
        assert subjects(shop) == ["Your order o1 was cancelled"]


async def test_low_stock_is_told_to_the_warehouse() -> None:
    shop = Notified()
    async with shop.mesh as mesh:
        await shop.open(stock=6)
        await mesh.client.ask(order("o1"))
        await at_rest(mesh)
        assert subjects(shop, "team-warehouse@example.org") == ["Low stock: tea"]


async def test_an_address_is_confirmed_with_the_code_out_of_the_mail() -> None:
    shop = Notified()
    async with shop.mesh as mesh:
        await mesh.client.ask(
            RegisterUser(user_id="eve", name="Eve", email="eve@example.org", password="correct horse")
        )
        await at_rest(mesh)
        ((_, sent),) = shop.mails.mails
        code = re.search(r"^Code: (\S+)$", sent.mail.text, re.MULTILINE)
        assert code is not None
        await mesh.client.ask(VerifyEmail(user_id="eve", token=code.group(1)))
        await at_rest(mesh)
        assert (await mesh.client.ask(GetUser(user_id="eve"))).status == "active"
        assert subjects(shop, "eve@example.org") == ["Please confirm your address", "Your account is ready"]
        inbox = await mesh.client.ask(GetInbox(user_id="eve"))
        assert [entry.template for entry in inbox.entries] == ["account_verified"], "no code lies about in an inbox"


async def test_what_somebody_does_not_want_is_not_sent_and_the_log_says_so() -> None:
    shop = Notified()
    async with shop.mesh as mesh:
        await shop.open()
        await mesh.client.ask(SetPreference(user_id="ada", category="orders", channel="email", enabled=False))
        await mesh.client.ask(order("o1"))
        await at_rest(mesh)
        assert subjects(shop) == []
        told = by_channel((await deliveries(shop))["order_confirmed"])
        assert told["email"] == ("suppressed", "preference")
        assert told["inbox"] == ("sent", "")


async def test_a_customer_who_closed_the_account_is_told_nothing_and_the_log_says_so() -> None:
    shop = Notified()
    async with shop.mesh as mesh:
        await shop.open()
        await mesh.client.ask(order("o1"))
        await at_rest(mesh)
        await mesh.client.ask(DeactivateUser(user_id="ada", reason="asked for"))
        await mesh.client.ask(RequestCancel(order_id="o1", customer_id="ada", reason="changed my mind"))
        await at_rest(mesh)
        told = by_channel((await deliveries(shop))["order_refunded"])
        assert set(told.values()) == {("suppressed", "user_deactivated")}


async def test_a_mail_server_that_is_away_for_a_while_gets_each_mail_once_and_no_order_waits_for_it() -> None:
    shop = Notified(RecordedMails(*[Unavailable("away")] * 5))
    async with shop.mesh as mesh:
        await shop.open()
        await mesh.client.ask(order("o1"))
        await mesh.clock.sleep(1)
        assert await status_of(shop) == "paid"
        assert subjects(shop) == []
        await at_rest(mesh, within_seconds=HOURS)
        assert subjects(shop) == ["Your order o1 is confirmed"]
        assert shop.mails.calls == 6
        assert shop.dead_letters == []


async def test_a_mail_server_that_never_comes_back_costs_the_mail_and_nothing_else() -> None:
    shop = Notified(RecordedMails(*[Unavailable("away")] * 99))
    async with shop.mesh as mesh:
        await shop.open()
        await mesh.client.ask(order("o1"))
        await at_rest(mesh, within_seconds=HOURS)
        assert await status_of(shop) == "paid"
        told = by_channel((await deliveries(shop))["order_confirmed"])
        assert told["email"] == ("failed", "unavailable: away")
        assert told["inbox"] == ("sent", "")
        assert shop.dead_letters == [("notifications_email", "unavailable")]
        assert shop.mails.calls == 12


async def test_an_address_that_does_not_exist_is_asked_once() -> None:
    shop = Notified(RecordedMails(Answer(accepted=False, reason="550 no such mailbox")))
    async with shop.mesh as mesh:
        await shop.open()
        await mesh.client.ask(order("o1"))
        await at_rest(mesh)
        told = by_channel((await deliveries(shop))["order_confirmed"])
        assert told["email"] == ("failed", "550 no such mailbox")
        assert shop.mails.calls == 1
        assert shop.dead_letters == []


@pytest.mark.parametrize("answers", [True, False])
@pytest.mark.parametrize("fault", [TimedOut("no answer"), Unavailable("away")])
async def test_whatever_a_server_does_a_mail_has_one_message_id(fault: Fault, answers: bool) -> None:
    shop = Notified(RecordedMails(fault, answers=answers))
    async with shop.mesh as mesh:
        await shop.open()
        await mesh.client.ask(order("o1"))
        await at_rest(mesh, within_seconds=HOURS)
        assert len({message_id for message_id, _ in shop.mails.mails}) == 1
        sent_twice = isinstance(fault, TimedOut) and not answers
        assert len(shop.mails.mails) == (2 if sent_twice else 1), "SMTP cannot be asked: that is the one duplicate"


@pytest.mark.parametrize("answers", [True, False])
@pytest.mark.parametrize("point", ["effect.begun", "effect.done", "effect.told"])
async def test_a_pool_that_dies_around_sending_sends_no_second_mail_but_the_one_that_smtp_has_no_word_for(
    point: str, answers: bool
) -> None:
    shop = Notified(RecordedMails(answers=answers), chaos=Chaos(f"{point}.send_email", strike=die))
    async with shop.mesh as mesh:
        mesh.revive()
        await shop.open()
        await mesh.client.ask(order("o1"))
        await mesh.clock.sleep(30)
        await mesh.revived()
        await at_rest(mesh, within_seconds=HOURS)
        assert len(mesh.processes) == 6, "nobody died"
        assert len({message_id for message_id, _ in shop.mails.mails}) == 1
        sent_twice = point == "effect.done" and not answers
        assert len(shop.mails.mails) == (2 if sent_twice else 1)
        told = by_channel((await deliveries(shop))["order_confirmed"])
        assert told["email"] == ("sent", "")


async def test_events_that_come_again_after_a_flush_send_nothing_again() -> None:
    shop = Notified()
    async with shop.mesh as mesh:
        await shop.open()
        await mesh.client.ask(order("o1"))
        await at_rest(mesh)
        quotas = shop.outside[Quotas]
        assert isinstance(quotas, MemoryQuotas)
        quotas.__init__()  # type: ignore[misc]
        await mesh.hot["notifications"].wipe("inbox_view")
        for consumer in consumers(draw(actor)):
            await mesh.bus.reset_consumer(consumer)
        await at_rest(mesh)
        assert subjects(shop) == ["Your order o1 is confirmed"]
        inbox = await mesh.client.ask(GetInbox(user_id="ada"))
        assert [entry.about for entry in inbox.entries] == ["o1"], "the inbox is made again from the journal"


async def test_too_many_mails_within_an_hour_are_held_back_and_the_log_says_so() -> None:
    shop = Notified()
    async with shop.mesh as mesh:
        await shop.open(stock=100)
        for number in range(21):
            await mesh.client.ask(order(f"o{number}", quantity=1))
            await mesh.clock.sleep(1)
        await at_rest(mesh)
        assert len(subjects(shop)) == 20
        page = await mesh.client.ask(ListDeliveries(user_id="ada", limit=100))
        held = [each.about for each in page.deliveries if by_channel(each)["email"] == ("suppressed", "throttled")]
        assert held == ["o20"]
        assert all(by_channel(each)["inbox"] == ("sent", "") for each in page.deliveries)
