"""Notifications: what people are told, by which channels, what they want to hear, and what became of each telling."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from schemas.channels import (
    Category,
    Channel,
    ChannelDelivery,
    DeviceToken,
    InboxEntry,
    InboxStatus,
    ParameterName,
    Preference,
    ProviderId,
    Reason,
    SuppressReason,
    Template,
    Value,
)
from schemas.message import Command, Event, Id, Owner, Personal, Query
from schemas.values import Cursor, NotificationId, PageSize, UserId, Version


class RequestNotification(Command, frozen=True, kw_only=True):
    """Tell somebody something, by all channels of the template that they can be reached by and want.

    `about` is the entity it is about: the same template about the same thing within an hour is a duplicate.
    """

    notification_id: NotificationId
    user_id: UserId
    template: Template
    about: Id
    parameters: Annotated[dict[ParameterName, Annotated[Value, Personal("user_id")]], Meta(max_length=20)]


class RecordDelivery(Command, frozen=True, kw_only=True):
    """Note that a provider has taken the message."""

    notification_id: NotificationId
    channel: Channel
    provider_id: ProviderId


class RecordDeliveryFailure(Command, frozen=True, kw_only=True):
    """Note that a message was refused, or given up."""

    notification_id: NotificationId
    user_id: UserId
    channel: Channel
    reason: Annotated[Reason, Personal("user_id")]


class SetPreference(Command, frozen=True, kw_only=True):
    """Say whether to hear of a category by a channel; security is always told."""

    user_id: Annotated[UserId, Owner()]
    category: Category
    channel: Channel
    enabled: bool


class RegisterDevice(Command, frozen=True, kw_only=True):
    """Have push messages sent to a device; at most ten, and registering one again changes nothing."""

    user_id: Annotated[UserId, Owner()]
    device_token: Annotated[DeviceToken, Personal("user_id")]


class RemoveDevice(Command, frozen=True, kw_only=True):
    """Send no more push messages to a device."""

    user_id: Annotated[UserId, Owner()]
    device_token: Annotated[DeviceToken, Personal("user_id")]


class MarkInboxRead(Command, frozen=True, kw_only=True):
    """Note that an item of the inbox has been seen."""

    user_id: Annotated[UserId, Owner()]
    notification_id: NotificationId


class ArchiveInboxItem(Command, frozen=True, kw_only=True):
    """Take an item out of the inbox."""

    user_id: Annotated[UserId, Owner()]
    notification_id: NotificationId


class NotificationRequested(Event, frozen=True, kw_only=True):
    notification_id: NotificationId
    user_id: UserId
    category: Category
    template: Template
    about: Id


class EmailQueued(Event, frozen=True, kw_only=True):
    """A mail is to be sent; it is rendered when it is, and kept nowhere."""

    notification_id: NotificationId
    user_id: UserId
    template: Template
    locale: str
    name: Annotated[str, Personal("user_id")]
    address: Annotated[str, Personal("user_id")]
    parameters: dict[str, Annotated[str, Personal("user_id")]]


class SmsQueued(Event, frozen=True, kw_only=True):
    """A text message is to be sent."""

    notification_id: NotificationId
    user_id: UserId
    template: Template
    locale: str
    phone: Annotated[str, Personal("user_id")]
    parameters: dict[str, Annotated[str, Personal("user_id")]]


class PushQueued(Event, frozen=True, kw_only=True):
    """A push message is to be sent to all of somebody's devices."""

    notification_id: NotificationId
    user_id: UserId
    template: Template
    locale: str
    device_tokens: tuple[Annotated[str, Personal("user_id")], ...]
    parameters: dict[str, Annotated[str, Personal("user_id")]]


class DeliverySuppressed(Event, frozen=True, kw_only=True):
    """Nothing is sent by this channel, and why."""

    notification_id: NotificationId
    user_id: UserId
    channel: Channel
    reason: SuppressReason


class DeliverySent(Event, frozen=True, kw_only=True):
    """The provider has taken it, or it is in the inbox; `provider_id` is what the provider calls it."""

    notification_id: NotificationId
    user_id: UserId
    channel: Channel
    provider_id: str


class DeliveryFailed(Event, frozen=True, kw_only=True):
    """It was refused for good, or given up after so many attempts."""

    notification_id: NotificationId
    user_id: UserId
    channel: Channel
    reason: Annotated[str, Personal("user_id")]


class InboxItemAdded(Event, frozen=True, kw_only=True):
    user_id: UserId
    notification_id: NotificationId
    category: Category
    template: Template
    about: Id
    locale: str
    parameters: dict[str, Annotated[str, Personal("user_id")]]


class InboxItemRead(Event, frozen=True, kw_only=True):
    user_id: UserId
    notification_id: NotificationId


class InboxItemArchived(Event, frozen=True, kw_only=True):
    user_id: UserId
    notification_id: NotificationId


class PreferenceSet(Event, frozen=True, kw_only=True):
    user_id: UserId
    category: Category
    channel: Channel
    enabled: bool


class DeviceRegistered(Event, frozen=True, kw_only=True):
    user_id: UserId
    device_token: Annotated[str, Personal("user_id")]


class DeviceRemoved(Event, frozen=True, kw_only=True):
    user_id: UserId
    device_token: Annotated[str, Personal("user_id")]


class InboxItem(msgspec.Struct, frozen=True, kw_only=True):
    """What an item is made of; `at_ms` is Unix milliseconds."""

    notification_id: NotificationId
    category: Category
    template: Template
    about: Id
    locale: str
    parameters: dict[str, Annotated[str, Personal("user_id")]]
    status: InboxStatus
    at_ms: int


class InboxView(msgspec.Struct, frozen=True, kw_only=True):
    """The last hundred items, newest first."""

    user_id: UserId
    items: tuple[InboxItem, ...] = ()


class Inbox(msgspec.Struct, frozen=True, kw_only=True):
    """Newest first; `unread` counts all of them, not only those shown."""

    user_id: UserId
    unread: int
    entries: tuple[InboxEntry, ...]


class PreferencesView(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody has chosen, by category and channel; what is absent is enabled."""

    user_id: UserId
    chosen: dict[str, dict[str, bool]] = {}


class Preferences(msgspec.Struct, frozen=True, kw_only=True):
    user_id: UserId
    preferences: tuple[Preference, ...]


class DeliveryView(msgspec.Struct, frozen=True, kw_only=True):
    """Why somebody got a message, or did not."""

    notification_id: NotificationId
    user_id: UserId
    category: Category
    template: Template
    about: Id
    requested_at_ms: int
    channels: tuple[ChannelDelivery, ...] = ()


class DeliveryPage(msgspec.Struct, frozen=True, kw_only=True):
    """Newest first; `next_cursor` is empty on the last page."""

    deliveries: tuple[DeliveryView, ...]
    next_cursor: str = ""


class GetInbox(Query[Inbox], frozen=True, kw_only=True):
    """Show somebody's inbox, newest first."""

    user_id: Annotated[UserId, Owner()]
    limit: PageSize = 20
    at_least_version: Version = 0


class GetPreferences(Query[Preferences], frozen=True, kw_only=True):
    """Show what somebody wants to hear of, and by which channels."""

    user_id: Annotated[UserId, Owner()]
    at_least_version: Version = 0


class ListDeliveries(Query[DeliveryPage], frozen=True, kw_only=True):
    """List what somebody was told, or was not and why, newest first."""

    user_id: Annotated[UserId, Owner()]
    cursor: Cursor = ""
    limit: PageSize = 20


class GetDelivery(Query[DeliveryView], frozen=True, kw_only=True):
    """Show what became of one notification."""

    notification_id: NotificationId
    user_id: Annotated[UserId | None, Owner()] = None
    at_least_version: Version = 0
