"""The SMTP side of the local mailbox: takes every mail, and plays the troubles that some addresses ask for."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Callable
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any, Final

from aiosmtpd.smtp import SMTP, Envelope, Session

from infra.local.mailbox_log import Mail, MailboxLog
from infra.local.ports import LOOPBACK

MAIL_BYTES_MAX: Final = 1_000_000
RECIPIENTS_MAX: Final = 100
BUSY_TIMES: Final = 2
BOUNCES, BUSY, SLOW = "bounce", "busy-twice", "slow"
"""What stands before the @ of an address for trouble: no such mailbox; busy twice, then taken; taken, and told late."""


class MailTaker:
    """A handler for `aiosmtpd`."""

    def __init__(self, log: MailboxLog, now_ms: Callable[[], int], late_seconds: float) -> None:
        self._log, self._now_ms, self._late_seconds = log, now_ms, late_seconds
        self._was_busy: Counter[str] = Counter()

    async def handle_RCPT(  # noqa: N802 - the name by which aiosmtpd finds it
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        local = address.partition("@")[0]
        if local == BOUNCES:
            return "550 5.1.1 there is no such mailbox"
        if local == BUSY and self._was_busy[address] < BUSY_TIMES:
            self._was_busy[address] += 1
            return "451 4.2.1 the mailbox is busy, come again"
        if len(envelope.rcpt_tos) >= RECIPIENTS_MAX:
            return "452 4.5.3 too many recipients"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.content or b""
        message = message_from_bytes(content if isinstance(content, bytes) else content.encode(), policy=default)
        try:
            numbers = [self._log.keep_mail(self._read(message, envelope, address)) for address in envelope.rcpt_tos]
        except (sqlite3.Error, LookupError, ValueError) as error:
            return f"451 4.3.0 it cannot be kept: {type(error).__name__}"
        if any(address.partition("@")[0] == SLOW for address in envelope.rcpt_tos):
            await asyncio.sleep(self._late_seconds)
        return f"250 2.0.0 kept as {', '.join(map(str, numbers))}"

    def _read(self, message: EmailMessage, envelope: Envelope, address: str) -> Mail:
        return Mail(
            message_id=str(message.get("Message-ID", "")),
            sender=envelope.mail_from or "",
            to=address,
            subject=str(message.get("Subject", "")),
            text=body_of(message, "plain"),
            html=body_of(message, "html"),
            headers={name: str(value) for name, value in message.items()},
            received_at_ms=self._now_ms(),
        )


def body_of(message: EmailMessage, kind: str) -> str:
    """Return one of a mail's bodies as text, empty where it has none."""
    part = message.get_body((kind,))
    return str(part.get_content()).replace("\r\n", "\n") if part is not None else ""


async def serve_smtp(taker: MailTaker, port: int) -> asyncio.Server:
    """Listen for mail; this machine only, since nobody has to say who they are."""

    def conversation() -> Any:
        return SMTP(taker, data_size_limit=MAIL_BYTES_MAX, enable_SMTPUTF8=True, hostname="mailbox.localhost")

    return await asyncio.get_running_loop().create_server(conversation, LOOPBACK, port)
