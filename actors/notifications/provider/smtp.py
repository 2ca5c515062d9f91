"""Mail over SMTP: a refusal is an answer, everything else that goes wrong is a fault.

What a server says may name the person, so that it goes into answers, which are encrypted, and never into faults.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import formatdate, parseaddr
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit

import aiosmtplib
import httpx
import msgspec

from actors.mesh import Broken, TimedOut, Unavailable
from actors.notifications.provider.http import answered
from actors.notifications.provider.port import Answer
from actors.notifications.rendering import Mail

SEND_SECONDS: Final = 4.0
"""The whole of one mail, waiting for a connection included: with the questions after it this stays within a lease."""
CONNECTIONS_MAX: Final = 8
"""To one mail server at a time; many take offence at more."""
PARTING_SECONDS: Final = 0.3
PORTS: Final = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}
LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


class SmtpAddress(NamedTuple):
    """`smtp://` takes TLS where it is offered, `smtp+starttls://` insists on it, `smtps://` begins with it."""

    host: str
    port: int
    user: str | None
    password: str | None
    tls: bool
    start_tls: bool | None

    @property
    def described(self) -> str:
        return f"{self.host}:{self.port}"


def smtp_address(url: str) -> SmtpAddress:
    """Read the address of a mail server; raise ValueError saying what is wrong with it."""
    parts = urlsplit(url)
    if parts.scheme not in PORTS or not parts.hostname:
        raise ValueError(f"write it as {'://host:port or '.join(PORTS)}://host:port")
    start_tls = {"smtp": None, "smtp+starttls": True, "smtps": False}[parts.scheme]
    if parts.password and start_tls is None and parts.hostname not in LOOPBACK:
        start_tls = True  # a password does not go over a line that others read
    return SmtpAddress(
        host=parts.hostname,
        port=parts.port or PORTS[parts.scheme],
        user=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        tls=parts.scheme == "smtps",
        start_tls=start_tls,
    )


class SmtpMailServer:
    """Implements `MailServer`. `mailbox_url` is a server's own HTTP interface, where it has one that can be asked."""

    def __init__(
        self, address: SmtpAddress, sender: Address, *, now_ms: Callable[[], int], mailbox_url: str | None = None
    ) -> None:
        self._address, self._sender, self._now_ms = address, sender, now_ms
        self._room = asyncio.Semaphore(CONNECTIONS_MAX)
        # Settings come from one place: a proxy in the environment would be one that nobody has written down.
        self._mailbox = httpx.AsyncClient(base_url=mailbox_url, timeout=2.0, trust_env=False) if mailbox_url else None

    async def aclose(self) -> None:
        """Close the connections."""
        if self._mailbox is not None:
            await self._mailbox.aclose()

    async def send(self, message_id: str, name: str, address: str, mail: Mail) -> Answer:
        try:
            recipient = Address(name, addr_spec=address)
            message = message_of(self._full(message_id), self._sender, recipient, mail, self._now_ms())
        except (ValueError, MessageError, IndexError) as error:
            return Answer(accepted=False, reason=f"the address cannot be written to: {error}")
        handed_over = False
        try:
            async with asyncio.timeout(SEND_SECONDS), self._room:
                handed_over = True
                return await self._hand_over(address, message)
        except TimeoutError:
            raise (TimedOut if handed_over else Unavailable)(f"{self._address.described} is slow") from None

    async def _hand_over(self, address: str, message: EmailMessage) -> Answer:
        server = self._address
        client = aiosmtplib.SMTP(
            hostname=server.host, port=server.port, username=server.user, password=server.password,
            use_tls=server.tls, start_tls=server.start_tls, timeout=SEND_SECONDS,
        )  # fmt: skip
        try:
            await client.connect()
            await client.send_message(message, sender=self._sender.addr_spec, recipients=[address])
            with suppress(OSError, aiosmtplib.SMTPException):  # it is taken, however they part
                await client.quit(timeout=PARTING_SECONDS)
        except (aiosmtplib.SMTPRecipientsRefused, aiosmtplib.SMTPResponseException) as error:
            return refusal(error, server.described)
        except aiosmtplib.SMTPNotSupported as error:
            return Answer(accepted=False, reason=f"the mail server cannot write to this address: {error.message}")
        except (aiosmtplib.SMTPConnectError, OSError) as error:
            if isinstance(error, (aiosmtplib.SMTPServerDisconnected, aiosmtplib.SMTPReadTimeoutError)):
                raise TimedOut(f"{server.described} hung up") from None
            raise Unavailable(f"{server.described} is not reached: {type(error).__name__}") from None
        except aiosmtplib.SMTPException as error:
            raise Broken(f"{server.described} broke off: {type(error).__name__}") from None
        finally:
            client.close()
            await asyncio.sleep(0)  # so that the socket is closed when this is over
        return Answer(accepted=True, provider_id=str(message["Message-ID"]))

    async def find(self, message_id: str) -> Answer | None:
        if self._mailbox is None:
            return None
        full = self._full(message_id)
        response = await answered(self._mailbox.get("/v1/mails", params={"message_id": full}), "the mailbox")
        try:
            found = msgspec.json.decode(response.content, type=Found).mails
        except msgspec.MsgspecError:
            raise Broken(f"the mailbox answered {response.status_code}, which cannot be read") from None
        return Answer(accepted=True, provider_id=full) if found else None

    def _full(self, message_id: str) -> str:
        return f"<{message_id}@{self._sender.domain}>"


def mail_server(url: str, sender: str, mailbox_url: str | None, *, now_ms: Callable[[], int]) -> SmtpMailServer:
    """Open the client of the mail server that settings name; raise ValueError where they cannot be read."""
    name, address = parseaddr(sender)
    return SmtpMailServer(smtp_address(url), Address(name, addr_spec=address), now_ms=now_ms, mailbox_url=mailbox_url)


class Found(msgspec.Struct, frozen=True):
    """What a mailbox says that holds the mails asked for."""

    mails: list[object]


def message_of(message_id: str, sender: Address, recipient: Address, mail: Mail, now_ms: int) -> EmailMessage:
    """Return the mail as it goes over the wire, text and HTML; raise ValueError where a header would be another."""
    message = EmailMessage(policy=SMTP_POLICY)
    message["From"], message["To"], message["Subject"] = sender, recipient, mail.subject
    message["Date"], message["Message-ID"] = formatdate(now_ms / 1000), message_id
    message["Auto-Submitted"] = "auto-generated"  # so that nobody's out-of-office answers (RFC 3834)
    message.set_content(mail.text)
    message.add_alternative(mail.html, subtype="html")
    return message


def refusal(error: aiosmtplib.SMTPRecipientsRefused | aiosmtplib.SMTPResponseException, server: str) -> Answer:
    """Return the answer where it is no for good (5xx); raise a fault where it is no for now, or about ourselves."""
    refused = error.recipients[0] if isinstance(error, aiosmtplib.SMTPRecipientsRefused) else error
    about_us = isinstance(refused, (aiosmtplib.SMTPAuthenticationError, aiosmtplib.SMTPSenderRefused))
    if refused.code < 500 or about_us or isinstance(refused, (aiosmtplib.SMTPConnectError, aiosmtplib.SMTPHeloError)):
        raise Unavailable(f"{server} said {refused.code}")
    return Answer(accepted=False, reason=f"the mail server said {refused.code} {refused.message}")
