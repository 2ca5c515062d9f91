"""What each domain works with outside the mesh: clients of other services, opened for its pool and closed after it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any

from actors.mesh._blueprint import Blueprint
from actors.mesh._ports import Quotas
from actors.mesh._settings import PoolSettings, SettingsError
from actors.mesh.adapters.world import SystemClock
from actors.notifications.provider import (
    HttpPushGateway,
    HttpSmsGateway,
    MailServer,
    PushGateway,
    SmsGateway,
)
from actors.notifications.rendering import check_templates
from actors.payments.provider import CardProcessor, HttpCardProcessor
from actors.users.provider import Cost, Credentials, Hasher, PooledPasswords, Tokens

CARDS_SECONDS = 2.0
"""How long a card processor may take: with the questions after an unknown outcome this stays within a lease."""


@asynccontextmanager
async def outside_of(blueprint: Blueprint, settings: PoolSettings) -> AsyncIterator[Mapping[type[Any], Any]]:
    """Open what a domain performs with, and what its decisions consult."""
    match blueprint.name:
        case "payments":
            async with cards_of(settings) as cards:
                yield {CardProcessor: cards}
        case "notifications":
            async with messengers_of(settings) as messengers, quotas_of(blueprint, settings) as quotas:
                yield {**messengers, Quotas: quotas}
        case "users":
            with credentials_of(settings) as credentials:
                yield {Credentials: credentials}
        case _:
            yield {}


@asynccontextmanager
async def cards_of(settings: PoolSettings) -> AsyncIterator[HttpCardProcessor]:
    """Open the card processor's client."""
    if settings.cards_url is None:
        raise SettingsError(("MESH_CARDS_URL is missing: payments works with a card processor",))
    cards = HttpCardProcessor(settings.cards_url, CARDS_SECONDS)
    try:
        yield cards
    finally:
        await cards.aclose()


@asynccontextmanager
async def messengers_of(settings: PoolSettings) -> AsyncIterator[Mapping[type[Any], Any]]:
    """Open what carries mails, text and push messages; a template that cannot be filled in stops the start."""
    given = {"MESH_SMTP_URL": settings.smtp_url, "MESH_SMS_URL": settings.sms_url, "MESH_PUSH_URL": settings.push_url}
    if settings.smtp_url is None or settings.sms_url is None or settings.push_url is None:
        missing = " and ".join(name for name, value in given.items() if value is None)
        raise SettingsError((f"{missing} missing: notifications are sent by mail, text message and push",))
    from actors.notifications.provider.smtp import mail_server  # here: no other pool sends mail

    check_templates()
    async with AsyncExitStack() as opened:
        try:
            mails = mail_server(
                settings.smtp_url.reveal(), settings.mail_from, settings.mailbox_url, now_ms=SystemClock().now_ms
            )
        except ValueError as error:
            raise SettingsError((f"MESH_SMTP_URL or MESH_MAIL_FROM cannot be read: {error}",)) from None
        sms, push = HttpSmsGateway(settings.sms_url), HttpPushGateway(settings.push_url)
        for client in (mails, sms, push):
            opened.push_async_callback(client.aclose)
        yield {MailServer: mails, SmsGateway: sms, PushGateway: push}


@asynccontextmanager
async def quotas_of(blueprint: Blueprint, settings: PoolSettings) -> AsyncIterator[Quotas]:
    """Open the quotas of a domain's decisions."""
    from actors.mesh.adapters.redis_quotas import open_redis_quotas  # here: the pools of other domains need no Redis

    async with open_redis_quotas(settings.redis_url.reveal(), f"{blueprint.name}:") as quotas:
        yield quotas


@contextmanager
def credentials_of(settings: PoolSettings) -> Iterator[Credentials]:
    """Open the threads that hash passwords, and the keys that sign access tokens."""
    if settings.access_signing_key is None or settings.access_key_id is None:
        named = {"MESH_ACCESS_SIGNING_KEY": settings.access_signing_key, "MESH_ACCESS_KEY_ID": settings.access_key_id}
        missing = " and ".join(name for name, value in named.items() if value is None)
        raise SettingsError((f"{missing} missing: users signs access tokens",))
    tokens = Tokens(
        signing_key=settings.access_signing_key.reveal(),
        key_id=settings.access_key_id,
        hmac_key=settings.hmac_key.reveal(),
    )
    passwords = PooledPasswords(Hasher(Cost()), threads=os.cpu_count() or 1)
    try:
        yield Credentials(passwords, tokens)
    finally:
        passwords.close()
