"""What the quotas say before a notification is decided."""

from __future__ import annotations

import asyncio

from msgspec.structs import replace

from actors.mesh import Key, States
from actors.mesh.adapters.memory.quotas import MemoryQuotas
from actors.notifications.model import notification, recipient
from actors.notifications.model.kinds import HOUR_SECONDS, LIMITS
from actors.notifications.model.notification import Admission, Notification
from actors.notifications.model.recipient import Recipient
from actors.notifications.provider import admit
from schemas.notifications import (
    PreferenceSet,
    RequestNotification,
)
from tests.unit.notifications.people import CANCELLED, CONFIRMED, REQUESTED, VERIFY

NOW_MS = 1_767_225_600_000


class Look:
    """As much of a look as is looked through."""

    def __init__(self, now_ms: int) -> None:
        self.now_ms = now_ms


def asked(quotas: MemoryQuotas, command: RequestNotification, *past: object, after_seconds: float = 0) -> Admission:
    keys = {Key(Notification, command.notification_id): None, Key(Recipient, command.user_id): None}
    states: dict[Key, object] = dict(keys)
    for event in past:
        if isinstance(event, PreferenceSet):
            states[Key(Recipient, command.user_id)] = recipient.evolve(None, event)
        else:
            states[Key(Notification, command.notification_id)] = notification.evolve(None, event)  # type: ignore[arg-type]
    look = Look(NOW_MS + round(after_seconds * 1000))
    return asyncio.run(admit(quotas, command, States(states), look))  # type: ignore[arg-type]


def about(command: RequestNotification, number: int) -> RequestNotification:
    return replace(command, notification_id=f"n-{number}", about=f"o-{number}")


def test_the_same_about_the_same_is_a_duplicate_for_an_hour() -> None:
    quotas, again = MemoryQuotas(), replace(CONFIRMED, notification_id="n9")
    assert asked(quotas, CONFIRMED) == Admission()
    assert asked(quotas, again) == Admission(duplicate=True)
    assert asked(quotas, again, after_seconds=HOUR_SECONDS) == Admission()


def test_the_same_notification_asked_again_is_no_duplicate_of_itself() -> None:
    quotas = MemoryQuotas()
    assert [asked(quotas, CONFIRMED) for _ in range(3)] == [Admission()] * 3


def test_a_channel_is_throttled_when_it_was_used_too_often_within_an_hour() -> None:
    quotas = MemoryQuotas()
    within = [asked(quotas, about(CANCELLED, number)) for number in range(LIMITS["sms"].most)]
    assert within == [Admission()] * LIMITS["sms"].most
    assert asked(quotas, about(CANCELLED, 99)) == Admission(throttled=frozenset({"sms"}))
    assert asked(quotas, about(CANCELLED, 100), after_seconds=HOUR_SECONDS) == Admission()


def test_what_somebody_does_not_want_uses_nothing_up() -> None:
    quotas, off = MemoryQuotas(), PreferenceSet(user_id="ada", category="orders", channel="sms", enabled=False)
    for number in range(LIMITS["sms"].most):
        asked(quotas, about(CANCELLED, number), off)
    assert asked(quotas, about(CANCELLED, 99)) == Admission()


def test_security_is_neither_throttled_nor_a_duplicate() -> None:
    quotas = MemoryQuotas()
    again = [replace(VERIFY, notification_id=f"n-{number}") for number in range(30)]
    assert [asked(quotas, command) for command in again] == [Admission()] * 30


def test_a_notification_that_is_there_takes_no_place() -> None:
    quotas = MemoryQuotas()
    asked(quotas, CONFIRMED, REQUESTED)
    assert asked(quotas, replace(CONFIRMED, notification_id="n9")) == Admission()
