"""RequestNotification."""

import pytest
from msgspec.structs import replace

from actors import notifications
from actors.mesh.testing.given import given_actor
from actors.notifications.model.notification import Admission
from schemas.channels import Category, Channel, SuppressReason
from schemas.message import Event
from schemas.notifications import (
    DeliverySent,
    DeliverySuppressed,
    DeviceRegistered,
    EmailQueued,
    InboxItemAdded,
    NotificationRequested,
    PreferenceSet,
    PushQueued,
)
from tests.unit.notifications.people import (
    ADA,
    ADDED,
    ADMITTED,
    CANCELLED,
    CONFIRMED,
    IN_INBOX,
    MAIL_QUEUED,
    PUSH_QUEUED,
    REQUESTED,
    SMS_QUEUED,
    VERIFY,
)

PHONE = DeviceRegistered(user_id="ada", device_token="phone-1")


def suppressed(channel: Channel, reason: SuppressReason, notification_id: str = "n1") -> DeliverySuppressed:
    return DeliverySuppressed(notification_id=notification_id, user_id="ada", channel=channel, reason=reason)


def off(category: Category, channel: Channel) -> PreferenceSet:
    return PreferenceSet(user_id="ada", category=category, channel=channel, enabled=False)


def test_it_is_told_by_every_channel_of_its_kind() -> None:
    outcome = given_actor(notifications.actor, PHONE).when(CONFIRMED, ADA, ADMITTED)
    outcome.then(REQUESTED, MAIL_QUEUED, PUSH_QUEUED, ADDED, IN_INBOX)


def test_an_order_that_was_cancelled_is_also_told_by_text_message() -> None:
    outcome = given_actor(notifications.actor, PHONE).when(CANCELLED, ADA, ADMITTED)
    assert SMS_QUEUED in outcome.events


def test_where_there_is_no_address_the_log_says_so() -> None:
    outcome = given_actor(notifications.actor).when(CANCELLED, replace(ADA, phone=""), ADMITTED)
    assert suppressed("sms", "no_address", "n2") in outcome.events
    assert suppressed("push", "no_address", "n2") in outcome.events


@pytest.mark.parametrize(
    ("channel", "silenced"), [("email", EmailQueued), ("push", PushQueued), ("inbox", InboxItemAdded)]
)
def test_what_somebody_does_not_want_is_not_told_and_the_log_says_why(channel: Channel, silenced: type[Event]) -> None:
    outcome = given_actor(notifications.actor, PHONE, off("orders", channel)).when(CONFIRMED, ADA, ADMITTED)
    assert suppressed(channel, "preference") in outcome.events
    assert not [event for event in outcome.events if isinstance(event, silenced)]
    assert len(outcome.events) >= 4, "the other channels are told"


def test_a_preference_is_for_one_category_alone() -> None:
    outcome = given_actor(notifications.actor, PHONE, off("payments", "email")).when(CONFIRMED, ADA, ADMITTED)
    assert MAIL_QUEUED in outcome.events


def test_security_is_told_whatever_somebody_prefers() -> None:
    outcome = given_actor(notifications.actor, off("security", "email")).when(VERIFY, ADA, ADMITTED)
    assert [type(event) for event in outcome.events] == [NotificationRequested, EmailQueued]


def test_a_duplicate_is_told_by_no_channel() -> None:
    outcome = given_actor(notifications.actor, PHONE).when(CONFIRMED, ADA, Admission(duplicate=True))
    outcome.then(REQUESTED, *(suppressed(channel, "duplicate") for channel in ("email", "push", "inbox")))


def test_a_channel_that_was_used_too_often_is_left_out_and_the_others_are_not() -> None:
    admission = Admission(throttled=frozenset({"email"}))
    outcome = given_actor(notifications.actor, PHONE).when(CONFIRMED, ADA, admission)
    outcome.then(REQUESTED, suppressed("email", "throttled"), PUSH_QUEUED, ADDED, IN_INBOX)


def test_a_closed_account_is_told_nothing() -> None:
    outcome = given_actor(notifications.actor, PHONE).when(CONFIRMED, replace(ADA, status="deactivated"), ADMITTED)
    outcome.then(REQUESTED, *(suppressed(channel, "user_deactivated") for channel in ("email", "push", "inbox")))


def test_of_several_reasons_the_most_lasting_one_is_told() -> None:
    past = (PHONE, off("orders", "email"))
    outcome = given_actor(notifications.actor, *past).when(CONFIRMED, ADA, Admission(duplicate=True))
    assert suppressed("email", "preference") in outcome.events


def test_the_same_again_changes_nothing() -> None:
    given_actor(notifications.actor, REQUESTED, MAIL_QUEUED).when(CONFIRMED, ADA, ADMITTED).nothing()


@pytest.mark.parametrize("other", [{"user_id": "grace"}, {"template": "order_refunded"}, {"about": "o2"}])
def test_something_else_under_the_same_id_is_refused(other: dict[str, str]) -> None:
    outcome = given_actor(notifications.actor, REQUESTED).when(replace(CONFIRMED, **other), ADA, ADMITTED)
    outcome.refused("notification_exists")


@pytest.mark.parametrize("parameters", [{}, {"order_id": "o1"}, {**CONFIRMED.parameters, "more": "x"}])
def test_parameters_that_the_template_does_not_take_are_refused(parameters: dict[str, str]) -> None:
    outcome = given_actor(notifications.actor).when(replace(CONFIRMED, parameters=parameters), ADA, ADMITTED)
    outcome.refused("parameters_mismatch", pointer="/parameters", naming="total_minor")


def test_no_other_delivery_is_said_to_be_sent_before_it_is() -> None:
    outcome = given_actor(notifications.actor, PHONE).when(CONFIRMED, ADA, ADMITTED)
    assert [event for event in outcome.events if isinstance(event, DeliverySent)] == [IN_INBOX]
