"""What carries our messages: the ports of mail, text messages and push, and how an event becomes a message there."""

from __future__ import annotations

from typing import Protocol

import msgspec

from actors.notifications.rendering import Mail, Note, mail, note
from schemas.channels import Channel
from schemas.envelope import derived_id
from schemas.notifications import (
    EmailQueued,
    PushQueued,
    RecordDelivery,
    RecordDeliveryFailure,
    SmsQueued,
)

Outcome = RecordDelivery | RecordDeliveryFailure


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider said: taken, under which id of its own, or refused for good, and why."""

    accepted: bool
    provider_id: str = ""
    reason: str = ""


class MailServer(Protocol):
    """A mail server. A refusal is an answer; `Unavailable` was not taken; after `TimedOut`, `find` may tell.

    A mail that is sent again bears the same message id. That is all SMTP has against a duplicate.
    """

    async def send(self, message_id: str, name: str, address: str, mail: Mail) -> Answer: ...

    async def find(self, message_id: str) -> Answer | None:
        """Return what became of a mail, None where it is not known: SMTP itself cannot be asked."""
        ...


class SmsGateway(Protocol):
    """Sends text messages. The same idempotency key is the same message, and is sent once."""

    async def send(self, key: str, phone: str, text: str) -> Answer: ...

    async def find(self, key: str) -> Answer | None: ...


class PushGateway(Protocol):
    """Sends push messages. The same idempotency key is the same message, and is sent once."""

    async def send(self, key: str, device_tokens: tuple[str, ...], note: Note) -> Answer: ...

    async def find(self, key: str) -> Answer | None: ...


def message_name(effect_id: str) -> str:
    """Return what stands before the @ of a mail's message id: the same for every attempt."""
    return derived_id("mail", effect_id)


async def send_email(server: MailServer, event: EmailQueued, effect_id: str) -> Outcome:
    filled = mail(event.template, event.locale, event.name, event.parameters)
    return outcome("email", event, await server.send(message_name(effect_id), event.name, event.address, filled))


async def find_email(server: MailServer, event: EmailQueued, effect_id: str) -> Outcome | None:
    answer = await server.find(message_name(effect_id))
    return outcome("email", event, answer) if answer else None


def email_given_up(event: EmailQueued, reason: str) -> RecordDeliveryFailure:
    return failure("email", event, reason)


async def send_sms(gateway: SmsGateway, event: SmsQueued, effect_id: str) -> Outcome:
    text = note(event.template, event.locale, event.parameters).text
    return outcome("sms", event, await gateway.send(effect_id, event.phone, text))


async def find_sms(gateway: SmsGateway, event: SmsQueued, effect_id: str) -> Outcome | None:
    answer = await gateway.find(effect_id)
    return outcome("sms", event, answer) if answer else None


def sms_given_up(event: SmsQueued, reason: str) -> RecordDeliveryFailure:
    return failure("sms", event, reason)


async def send_push(gateway: PushGateway, event: PushQueued, effect_id: str) -> Outcome:
    filled = note(event.template, event.locale, event.parameters)
    return outcome("push", event, await gateway.send(effect_id, event.device_tokens, filled))


async def find_push(gateway: PushGateway, event: PushQueued, effect_id: str) -> Outcome | None:
    answer = await gateway.find(effect_id)
    return outcome("push", event, answer) if answer else None


def push_given_up(event: PushQueued, reason: str) -> RecordDeliveryFailure:
    return failure("push", event, reason)


def outcome(channel: Channel, event: EmailQueued | SmsQueued | PushQueued, answer: Answer) -> Outcome:
    if not answer.accepted:
        return failure(channel, event, answer.reason)
    return RecordDelivery(
        notification_id=event.notification_id, channel=channel, provider_id=answer.provider_id[:PROVIDER_ID_MAX]
    )


def failure(channel: Channel, event: EmailQueued | SmsQueued | PushQueued, reason: str) -> RecordDeliveryFailure:
    return RecordDeliveryFailure(
        notification_id=event.notification_id,
        user_id=event.user_id,
        channel=channel,
        reason=" ".join(reason.split())[:REASON_MAX],
    )


PROVIDER_ID_MAX = 200
REASON_MAX = 500
"""As much as the contract takes."""
