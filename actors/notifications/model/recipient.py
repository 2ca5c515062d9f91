"""Whom we tell: what somebody wants to hear, on which devices, and their inbox."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import msgspec
from msgspec.structs import replace

from actors.mesh import Refused
from actors.notifications.model.kinds import CRITICAL
from schemas.channels import Category, Channel, InboxStatus
from schemas.notifications import (
    ArchiveInboxItem,
    DeviceRegistered,
    DeviceRemoved,
    InboxItemAdded,
    InboxItemArchived,
    InboxItemRead,
    MarkInboxRead,
    PreferenceSet,
    RegisterDevice,
    RemoveDevice,
    SetPreference,
)

RecipientEvent: TypeAlias = (
    InboxItemAdded | InboxItemRead | InboxItemArchived | PreferenceSet | DeviceRegistered | DeviceRemoved
)

INBOX_ITEMS_MAX = 100
"""Beyond, the oldest item goes."""
DEVICES_MAX = 10


class Recipient(msgspec.Struct, frozen=True, kw_only=True):
    """`inbox` maps the last notifications, oldest first, to whether they were read."""

    user_id: str
    chosen: dict[str, dict[str, bool]] = {}
    devices: tuple[str, ...] = ()
    inbox: dict[str, InboxStatus] = {}


def wants(recipient: Recipient | None, category: Category, channel: Channel) -> bool:
    """Return whether somebody is to be told of a category by a channel."""
    chosen = recipient.chosen if recipient else {}
    return category in CRITICAL or chosen.get(category, {}).get(channel, True)


def set_preference(recipient: Recipient | None, command: SetPreference) -> Iterator[PreferenceSet]:
    if command.category in CRITICAL and not command.enabled:
        detail = f"{command.category} is always told"
        raise Refused("preference_locked", detail, kind="forbidden", pointer="/enabled")
    if wants(recipient, command.category, command.channel) != command.enabled:
        yield PreferenceSet(
            user_id=command.user_id, category=command.category, channel=command.channel, enabled=command.enabled
        )


def register_device(recipient: Recipient | None, command: RegisterDevice) -> Iterator[DeviceRegistered]:
    devices = recipient.devices if recipient else ()
    if command.device_token in devices:
        return
    if len(devices) >= DEVICES_MAX:
        detail = f"{DEVICES_MAX} devices are registered: remove one first"
        raise Refused("devices_exhausted", detail, kind="limited", pointer="/device_token")
    yield DeviceRegistered(user_id=command.user_id, device_token=command.device_token)


def remove_device(recipient: Recipient | None, command: RemoveDevice) -> Iterator[DeviceRemoved]:
    if recipient is not None and command.device_token in recipient.devices:
        yield DeviceRemoved(user_id=command.user_id, device_token=command.device_token)


def mark_read(recipient: Recipient | None, command: MarkInboxRead) -> Iterator[InboxItemRead]:
    if status_of(recipient, command.notification_id) == "unread":
        yield InboxItemRead(user_id=command.user_id, notification_id=command.notification_id)


def archive(recipient: Recipient | None, command: ArchiveInboxItem) -> Iterator[InboxItemArchived]:
    status_of(recipient, command.notification_id)
    yield InboxItemArchived(user_id=command.user_id, notification_id=command.notification_id)


def status_of(recipient: Recipient | None, notification_id: str) -> InboxStatus:
    """Return whether an item was read; refuse where it is not in the inbox."""
    inbox = recipient.inbox if recipient else {}
    if notification_id not in inbox:
        raise Refused("inbox_item_unknown", f"{notification_id} is not in the inbox", kind="not_found")
    return inbox[notification_id]


def evolve(recipient: Recipient | None, event: RecipientEvent) -> Recipient:
    recipient = recipient or Recipient(user_id=event.user_id)
    match event:
        case PreferenceSet():
            return replace(recipient, chosen=with_choice(recipient.chosen, event))
        case DeviceRegistered():
            return replace(recipient, devices=(*recipient.devices, event.device_token))
        case DeviceRemoved():
            return replace(recipient, devices=tuple(each for each in recipient.devices if each != event.device_token))
        case InboxItemAdded():
            inbox = {**recipient.inbox, event.notification_id: "unread"}
            return replace(recipient, inbox=dict(list(inbox.items())[-INBOX_ITEMS_MAX:]))
        case InboxItemRead():
            return replace(recipient, inbox={**recipient.inbox, event.notification_id: "read"})
        case InboxItemArchived():
            kept = {name: status for name, status in recipient.inbox.items() if name != event.notification_id}
            return replace(recipient, inbox=kept)


def with_choice(chosen: dict[str, dict[str, bool]], event: PreferenceSet) -> dict[str, dict[str, bool]]:
    return {**chosen, event.category: {**chosen.get(event.category, {}), event.channel: event.enabled}}
