"""How people are told: categories, channels, templates, and the parts that answers about it are made of."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from schemas.message import Id, Personal
from schemas.values import NotificationId

Category = Literal["orders", "payments", "security", "inventory"]
Channel = Literal["email", "sms", "push", "inbox"]
Template = Literal[
    "order_confirmed", "order_cancelled", "order_refunded", "email_verification", "account_verified", "low_stock"
]
SuppressReason = Literal["preference", "throttled", "duplicate", "no_address", "user_deactivated"]
DeliveryStatus = Literal["queued", "sent", "failed", "suppressed"]
InboxStatus = Literal["unread", "read"]

Value = Annotated[str, Meta(max_length=2048, pattern=r"^[^\u0000-\u001f\u007f]*(?![\s\S])")]
"""What a template puts in: one line, so that none of it can become a header of its own."""
ParameterName = Annotated[str, Meta(pattern=r"^[a-z_]{1,40}(?![\s\S])")]
ProviderId = Annotated[str, Meta(max_length=200)]
Reason = Annotated[str, Meta(max_length=500)]
DeviceToken = Annotated[str, Meta(min_length=1, max_length=512, pattern=r"^[!-~]+(?![\s\S])")]


class Preference(msgspec.Struct, frozen=True, kw_only=True):
    """`locked`: it is always told, and cannot be switched off."""

    category: Category
    channel: Channel
    enabled: bool
    locked: bool


class ChannelDelivery(msgspec.Struct, frozen=True, kw_only=True):
    """What became of it by one channel, and why; times are Unix milliseconds."""

    channel: Channel
    status: DeliveryStatus
    at_ms: int
    reason: Annotated[str, Personal("user_id")] = ""
    provider_id: str = ""


class InboxEntry(msgspec.Struct, frozen=True, kw_only=True):
    """An item as it is read."""

    notification_id: NotificationId
    category: Category
    template: Template
    about: Id
    title: str
    text: str
    status: InboxStatus
    at_ms: int
