"""ListDeliveries and GetDelivery: why did I not get it?"""

from msgspec.structs import replace

from actors import notifications
from actors.mesh.testing.given import FIRST_MS, given_actor
from schemas.channels import ChannelDelivery
from schemas.notifications import (
    DeliveryFailed,
    DeliveryPage,
    DeliverySuppressed,
    DeliveryView,
    GetDelivery,
    ListDeliveries,
)
from tests.unit.notifications.people import ADDED, IN_INBOX, MAIL_QUEUED, MAILED, PUSH_QUEUED, REQUESTED

SUPPRESSED = DeliverySuppressed(notification_id="n1", user_id="ada", channel="push", reason="no_address")
FAILED = DeliveryFailed(notification_id="n1", user_id="ada", channel="email", reason="550 no such mailbox")


def channels(*more: object) -> dict[str, tuple[str, str, str]]:
    past = (REQUESTED, *more)
    reply = given_actor(notifications.actor, *past).asked(GetDelivery(notification_id="n1")).reply  # type: ignore[arg-type]
    assert isinstance(reply, DeliveryView)
    return {each.channel: (each.status, each.reason, each.provider_id) for each in reply.channels}


def test_each_channel_says_what_became_of_it_and_why() -> None:
    assert channels(MAIL_QUEUED, SUPPRESSED, ADDED, IN_INBOX) == {
        "email": ("queued", "", ""),
        "push": ("suppressed", "no_address", ""),
        "inbox": ("sent", "", ""),
    }
    assert channels(MAIL_QUEUED, PUSH_QUEUED, MAILED)["email"] == ("sent", "", "<m@example>")
    assert channels(MAIL_QUEUED, FAILED)["email"] == ("failed", "550 no such mailbox", "")


def test_what_was_sent_after_it_was_given_up_is_sent() -> None:
    assert channels(MAIL_QUEUED, FAILED, MAILED)["email"] == ("sent", "", "<m@example>")


def test_a_delivery_says_when() -> None:
    reply = given_actor(notifications.actor, REQUESTED, MAIL_QUEUED).asked(GetDelivery(notification_id="n1")).reply
    assert isinstance(reply, DeliveryView)
    assert reply.requested_at_ms == FIRST_MS
    assert reply.channels == (ChannelDelivery(channel="email", status="queued", at_ms=FIRST_MS + 1000),)


def test_somebody_elses_delivery_is_answered_as_one_that_does_not_exist() -> None:
    given = given_actor(notifications.actor, REQUESTED)
    theirs = given.asked(GetDelivery(notification_id="n1", user_id="grace"))
    none = given.asked(GetDelivery(notification_id="n9", user_id="grace"))
    theirs.refused("delivery_unknown", kind="not_found")
    assert str(theirs.refusal).replace("n1", "n9") == str(none.refusal)


def test_deliveries_are_listed_newest_first_and_only_ones_own() -> None:
    past = [replace(REQUESTED, notification_id=f"n{number}") for number in (1, 2)]
    others = replace(REQUESTED, notification_id="n3", user_id="grace")
    reply = given_actor(notifications.actor, *past, others).asked(ListDeliveries(user_id="ada")).reply
    assert isinstance(reply, DeliveryPage)
    assert [each.notification_id for each in reply.deliveries] == ["n2", "n1"]
