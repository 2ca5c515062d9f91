"""What other domains tell becomes what somebody is told."""

from __future__ import annotations

import re

from actors.mesh import Happened
from actors.notifications import actor, reactions
from actors.notifications.model.kinds import KINDS
from schemas.inventory import LowStockReached
from schemas.message import ID_PATTERN
from schemas.orders import OrderCancelled, OrderConfirmed, OrderRefunded
from schemas.users import EmailVerificationRequested, EmailVerified
from schemas.values import Money

TOTAL = Money(amount_minor=900, currency="EUR")
AT = Happened("order/o1", 4, 0)
EVENTS = {
    reactions.order_confirmed: OrderConfirmed(order_id="o1", customer_id="ada", total=TOTAL),
    reactions.order_cancelled: OrderCancelled(order_id="o1", customer_id="ada", reason_code="gone", detail=""),
    reactions.order_refunded: OrderRefunded(order_id="o1", customer_id="ada", total=TOTAL),
    reactions.verification_wanted: EmailVerificationRequested(
        user_id="ada", name="Ada", email="ada@example.org", token="a-token", expires_at_ms=0
    ),
    reactions.account_verified: EmailVerified(user_id="ada", name="Ada", email="ada@example.org"),
    reactions.low_stock: LowStockReached(sku="tea", available=3),
}


def test_every_reaction_is_looked_at() -> None:
    assert {each.react for each in actor.reactions} == set(EVENTS)


def test_each_asks_for_what_its_template_takes() -> None:
    for react, event in EVENTS.items():
        command = react(event, AT)  # type: ignore[operator]
        assert command.parameters.keys() == KINDS[command.template].parameters
        assert re.match(ID_PATTERN, command.notification_id)


def test_the_customer_is_told_of_orders_and_the_warehouse_of_low_stock() -> None:
    told = {react: react(event, AT).user_id for react, event in EVENTS.items()}  # type: ignore[operator]
    assert told.pop(reactions.low_stock) == "team-warehouse"
    assert set(told.values()) == {"ada"}


def test_the_same_event_again_asks_for_the_same_notification() -> None:
    for react, event in EVENTS.items():
        assert react(event, AT) == react(event, AT._replace(at_ms=99))  # type: ignore[operator]


def test_stock_that_runs_low_again_is_told_again() -> None:
    event = LowStockReached(sku="tea", available=3)
    first, later = (reactions.low_stock(event, Happened("item/tea", version, 0)) for version in (3, 9))
    assert first.notification_id != later.notification_id
    assert first.about == later.about == "tea"
