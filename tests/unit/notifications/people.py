"""Ada and what she is told, as the tests of notifications know them; and a mesh in which orders are told about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from actors import inventory, notifications, orders, payments, users
from actors.mesh import Quotas
from actors.mesh._chaos import NO_CHAOS, Chaos
from actors.mesh._ports.world import Clock
from actors.mesh.adapters.memory.quotas import MemoryQuotas
from actors.mesh.testing.memory_mesh import MemoryMesh
from actors.notifications import MAILS, PUSH, SMS
from actors.notifications.model.notification import Admission
from actors.notifications.provider import RecordedMails, RecordedPush, RecordedSms
from actors.payments.provider import SimulatedCards
from actors.users.provider import Credentials
from schemas.inventory import AddItem, ReceiveStock
from schemas.notifications import (
    DeliverySent,
    EmailQueued,
    InboxItemAdded,
    NotificationRequested,
    PushQueued,
    RequestNotification,
    SmsQueued,
)
from schemas.users import AddUser, UserView
from tests.sim.shop import CARDS, PRICE, credentials

MONEY = {"order_id": "o1", "total_minor": "900", "currency": "EUR"}
REASON = {"order_id": "o1", "reason": "out_of_stock"}
ADA = UserView(
    user_id="ada",
    status="active",
    name="Ada",
    email="ada@example.org",
    roles=("customer",),
    registered_at_ms=0,
    phone="+4712345678",
    locale="de",
)
ADMITTED = Admission()
CONFIRMED = RequestNotification(
    notification_id="n1", user_id="ada", template="order_confirmed", about="o1", parameters=MONEY
)
CANCELLED = RequestNotification(
    notification_id="n2", user_id="ada", template="order_cancelled", about="o1", parameters=REASON
)
VERIFY = RequestNotification(
    notification_id="n3",
    user_id="ada",
    template="email_verification",
    about="ada",
    parameters={"user_id": "ada", "token": "a-token"},
)

REQUESTED = NotificationRequested(
    notification_id="n1", user_id="ada", category="orders", template="order_confirmed", about="o1"
)
MAIL_QUEUED = EmailQueued(
    notification_id="n1",
    user_id="ada",
    template="order_confirmed",
    locale="de",
    name="Ada",
    address="ada@example.org",
    parameters=MONEY,
)
PUSH_QUEUED = PushQueued(
    notification_id="n1",
    user_id="ada",
    template="order_confirmed",
    locale="de",
    device_tokens=("phone-1",),
    parameters=MONEY,
)
SMS_QUEUED = SmsQueued(
    notification_id="n2",
    user_id="ada",
    template="order_cancelled",
    locale="de",
    phone="+4712345678",
    parameters=REASON,
)
ADDED = InboxItemAdded(
    user_id="ada",
    notification_id="n1",
    category="orders",
    template="order_confirmed",
    about="o1",
    locale="de",
    parameters=MONEY,
)
IN_INBOX = DeliverySent(notification_id="n1", user_id="ada", channel="inbox", provider_id="")
MAILED = DeliverySent(notification_id="n1", user_id="ada", channel="email", provider_id="<m@example>")


class Notified:
    """The shop with notifications, all in memory; providers that send nothing and keep what they were given."""

    def __init__(
        self,
        mails: RecordedMails | None = None,
        *,
        pools: int = 1,
        chaos: Chaos = NO_CHAOS,
        clock: Clock | None = None,
    ) -> None:
        self.mails, self.sms, self.push = mails or RecordedMails(), RecordedSms(), RecordedPush()
        self.outside: Mapping[type[Any], Any] = {
            CARDS: SimulatedCards(),
            Credentials: credentials(),
            MAILS: self.mails,
            SMS: self.sms,
            PUSH: self.push,
            Quotas: MemoryQuotas(),
        }
        self.mesh = MemoryMesh(
            (users.actor, orders.actor, inventory.actor, payments.actor, notifications.actor),
            outside=self.outside,
            clock=clock,
            pools_per_domain=pools,
            chaos=chaos,
        )

    async def open(self, *, stock: int = 10) -> None:
        """Register ada and the warehouse, and put an item on the shelf."""
        ask = self.mesh.client.ask
        for user_id, role in (("ada", "customer"), ("team-warehouse", "warehouse")):
            name, email = user_id.title(), f"{user_id}@example.org"
            await ask(AddUser(user_id=user_id, name=name, email=email, password="correct horse", roles=(role,)))  # type: ignore[arg-type]
        await ask(AddItem(sku="tea", title="Tea", price=PRICE))
        await ask(ReceiveStock(sku="tea", quantity=stock))

    @property
    def dead_letters(self) -> list[tuple[str, str]]:
        found = self.mesh.truth.domain("notifications").dead_letters.values()
        return [(letter.reader, letter.reason) for letter in found]
