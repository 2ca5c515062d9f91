"""One notification: what was asked for, and what became of it by each channel."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import msgspec
from msgspec.structs import replace

from actors.mesh import Key, Refused, States
from actors.notifications.model.kinds import KINDS, Kind
from actors.notifications.model.recipient import Recipient, wants
from schemas.channels import Channel, DeliveryStatus, SuppressReason
from schemas.notifications import (
    DeliveryFailed,
    DeliverySent,
    DeliverySuppressed,
    EmailQueued,
    InboxItemAdded,
    NotificationRequested,
    PushQueued,
    RecordDelivery,
    RecordDeliveryFailure,
    RequestNotification,
    SmsQueued,
)
from schemas.users import GetUser, UserView

Queued: TypeAlias = EmailQueued | SmsQueued | PushQueued
NotificationEvent: TypeAlias = (
    NotificationRequested | EmailQueued | SmsQueued | PushQueued | DeliverySuppressed | DeliverySent | DeliveryFailed
)


class Notification(msgspec.Struct, frozen=True, kw_only=True):
    notification_id: str
    user_id: str
    template: str
    about: str
    channels: dict[str, DeliveryStatus] = {}


class Admission(msgspec.Struct, frozen=True):
    """What the quotas say: whether it was told within the hour, and which channels have been used too often."""

    duplicate: bool = False
    throttled: frozenset[Channel] = frozenset()


def user_of(command: RequestNotification) -> GetUser:
    return GetUser(user_id=command.user_id)


def keys_of(command: RequestNotification) -> Iterator[Key]:
    yield Key(Notification, command.notification_id)
    yield Key(Recipient, command.user_id)


def request(
    states: States, command: RequestNotification, user: UserView, admission: Admission
) -> Iterator[NotificationEvent | InboxItemAdded]:
    """Ask for each channel of the kind, or say why not; a notification that is there already stays as it is."""
    notification = states.of(Notification, command.notification_id)
    if notification is not None:
        refuse_unless_same(notification, command)
        return
    kind = KINDS[command.template]
    if command.parameters.keys() != kind.parameters:
        detail = f"{command.template} takes {', '.join(sorted(kind.parameters)) or 'no parameters'}"
        raise Refused("parameters_mismatch", detail, kind="invalid", pointer="/parameters")
    yield NotificationRequested(
        notification_id=command.notification_id,
        user_id=command.user_id,
        category=kind.category,
        template=command.template,
        about=command.about,
    )
    recipient = states.of(Recipient, command.user_id)
    for channel in kind.channels:
        reason = suppress_reason(channel, kind, recipient, user, admission)
        if reason is None:
            yield from told_by(channel, command, kind, recipient, user)
        else:
            yield DeliverySuppressed(
                notification_id=command.notification_id, user_id=command.user_id, channel=channel, reason=reason
            )


def refuse_unless_same(notification: Notification, command: RequestNotification) -> None:
    known = (notification.user_id, notification.template, notification.about)
    if known != (command.user_id, command.template, command.about):
        raise Refused("notification_exists", f"{command.notification_id} tells something else, or somebody else")


def suppress_reason(
    channel: Channel, kind: Kind, recipient: Recipient | None, user: UserView, admission: Admission
) -> SuppressReason | None:
    """Return why nothing goes out by a channel, the most lasting reason first; None where it does."""
    if user.status == "deactivated":
        return "user_deactivated"
    if not wants(recipient, kind.category, channel):
        return "preference"
    if (channel == "sms" and not user.phone) or (channel == "push" and not (recipient and recipient.devices)):
        return "no_address"
    if admission.duplicate:
        return "duplicate"
    return "throttled" if channel in admission.throttled else None


def told_by(
    channel: Channel, command: RequestNotification, kind: Kind, recipient: Recipient | None, user: UserView
) -> Iterator[NotificationEvent | InboxItemAdded]:
    whose = {"notification_id": command.notification_id, "user_id": command.user_id}
    match channel:
        case "email":
            yield EmailQueued(
                **whose, template=command.template, locale=user.locale, name=user.name, address=user.email,
                parameters=command.parameters,
            )  # fmt: skip
        case "sms":
            yield SmsQueued(
                **whose, template=command.template, locale=user.locale, phone=user.phone, parameters=command.parameters
            )
        case "push":
            tokens = recipient.devices if recipient else ()
            yield PushQueued(
                **whose, template=command.template, locale=user.locale, device_tokens=tokens,
                parameters=command.parameters,
            )  # fmt: skip
        case "inbox":
            yield InboxItemAdded(
                **whose, category=kind.category, template=command.template, about=command.about, locale=user.locale,
                parameters=command.parameters,
            )  # fmt: skip
            yield DeliverySent(**whose, channel="inbox", provider_id="")


def record_delivery(notification: Notification | None, command: RecordDelivery) -> Iterator[DeliverySent]:
    known = queued_by(notification, command)
    # Sent after it was given up: it was sent all the same, and that is what a log has to say.
    if known.channels[command.channel] in ("queued", "failed"):
        yield DeliverySent(
            notification_id=command.notification_id,
            user_id=known.user_id,
            channel=command.channel,
            provider_id=command.provider_id,
        )


def record_failure(notification: Notification | None, command: RecordDeliveryFailure) -> Iterator[DeliveryFailed]:
    known = queued_by(notification, command)
    if known.channels[command.channel] == "queued":
        yield DeliveryFailed(
            notification_id=command.notification_id,
            user_id=known.user_id,
            channel=command.channel,
            reason=command.reason,
        )


def queued_by(notification: Notification | None, command: RecordDelivery | RecordDeliveryFailure) -> Notification:
    if notification is None:
        raise Refused("notification_unknown", f"no notification {command.notification_id}", kind="not_found")
    if notification.channels.get(command.channel, "suppressed") == "suppressed":
        raise Refused("delivery_unknown", f"nothing was to be sent by {command.channel}", pointer="/channel")
    return notification


def evolve(notification: Notification | None, event: NotificationEvent) -> Notification:
    if isinstance(event, NotificationRequested):
        return Notification(
            notification_id=event.notification_id, user_id=event.user_id, template=event.template, about=event.about
        )
    assert notification is not None, "a notification is requested before anything becomes of it"
    channel, status = outcome_of(event)
    return replace(notification, channels={**notification.channels, channel: status})


def outcome_of(event: Queued | DeliverySuppressed | DeliverySent | DeliveryFailed) -> tuple[Channel, DeliveryStatus]:
    """Return which channel an event is about, and where it leaves it."""
    match event:
        case EmailQueued():
            return "email", "queued"
        case SmsQueued():
            return "sms", "queued"
        case PushQueued():
            return "push", "queued"
        case DeliverySuppressed():
            return event.channel, "suppressed"
        case DeliverySent():
            return event.channel, "sent"
        case DeliveryFailed():
            return event.channel, "failed"
