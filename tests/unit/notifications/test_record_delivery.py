"""RecordDelivery and RecordDeliveryFailure: what providers said."""

import pytest

from actors import notifications
from actors.mesh.testing.given import given_actor
from schemas.channels import Channel
from schemas.notifications import (
    DeliveryFailed,
    DeliverySuppressed,
    RecordDelivery,
    RecordDeliveryFailure,
)
from tests.unit.notifications.people import MAIL_QUEUED, MAILED, PUSH_QUEUED, REQUESTED

SENT = RecordDelivery(notification_id="n1", channel="email", provider_id="<m@example>")
BOUNCED = RecordDeliveryFailure(notification_id="n1", user_id="ada", channel="email", reason="550 no such mailbox")
FAILED = DeliveryFailed(notification_id="n1", user_id="ada", channel="email", reason="550 no such mailbox")
QUEUED = (REQUESTED, MAIL_QUEUED, PUSH_QUEUED)


def test_what_a_provider_took_is_sent() -> None:
    given_actor(notifications.actor, *QUEUED).when(SENT).then(MAILED)


def test_what_a_provider_refused_has_failed() -> None:
    given_actor(notifications.actor, *QUEUED).when(BOUNCED).then(FAILED)


@pytest.mark.parametrize("command", [SENT, BOUNCED])
def test_what_was_sent_stays_sent(command: RecordDelivery | RecordDeliveryFailure) -> None:
    given_actor(notifications.actor, *QUEUED, MAILED).when(command).nothing()


def test_what_was_given_up_and_was_sent_all_the_same_is_sent() -> None:
    given_actor(notifications.actor, *QUEUED, FAILED).when(SENT).then(MAILED)


def test_it_fails_once() -> None:
    given_actor(notifications.actor, *QUEUED, FAILED).when(BOUNCED).nothing()


def test_nothing_becomes_of_a_notification_that_is_not_there() -> None:
    given_actor(notifications.actor).when(SENT).refused("notification_unknown", kind="not_found")


@pytest.mark.parametrize("channel", ["sms", "inbox"])
def test_nothing_becomes_of_a_channel_that_nothing_was_to_be_sent_by(channel: Channel) -> None:
    past = (*QUEUED, DeliverySuppressed(notification_id="n1", user_id="ada", channel="inbox", reason="preference"))
    command = RecordDelivery(notification_id="n1", channel=channel, provider_id="p")
    given_actor(notifications.actor, *past).when(command).refused("delivery_unknown", pointer="/channel")
