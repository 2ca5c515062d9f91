"""The local mailbox as a person reads it: what was sent to whom, and the token in a mail."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import msgspec

WAIT_SECONDS = 30.0
LOOK_EVERY_SECONDS = 0.1
CONFIRM = "confirm your address"
CODE = re.compile(r"^Code: (\S+)$", re.MULTILINE)
"""Where the code stands in the text part of the mail that asks to confirm an address."""


class Mail(msgspec.Struct, frozen=True, kw_only=True):
    """One mail; `text` is its text part."""

    subject: str
    to: str
    text: str


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    mail: Mail


class Mails(msgspec.Struct, frozen=True, kw_only=True):
    mails: tuple[Kept, ...]


class MailMissing(Exception):
    """A mail that was waited for did not come."""


class Mailbox:
    """Reads what the local mail server keeps."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def sent_to(self, address: str) -> tuple[Mail, ...]:
        """Return the mails to an address, newest first."""
        response = await self._http.get("/v1/mails", params={"to": address})
        response.raise_for_status()
        return tuple(kept.mail for kept in msgspec.json.decode(response.content, type=Mails).mails)

    async def wait_for(self, address: str, subject: str) -> Mail:
        """Return the newest mail to an address whose subject has these words, as soon as there is one."""
        loop = asyncio.get_running_loop()
        end = loop.time() + WAIT_SECONDS
        while True:
            for mail in await self.sent_to(address):
                if subject.lower() in mail.subject.lower():
                    return mail
            if loop.time() > end:
                raise MailMissing(f"no mail {subject!r} came to {address} within {WAIT_SECONDS:g} s")
            await asyncio.sleep(LOOK_EVERY_SECONDS)

    async def token_sent_to(self, address: str) -> str:
        """Return the token that verifies an address."""
        mail = await self.wait_for(address, CONFIRM)
        found = CODE.search(mail.text)
        if found is None:
            raise MailMissing(f"the mail {mail.subject!r} to {address} holds no code")
        return found[1]


@asynccontextmanager
async def mailbox_at(url: str) -> AsyncIterator[Mailbox]:
    """Open a mailbox."""
    async with httpx.AsyncClient(base_url=url, timeout=10.0, trust_env=False) as http:
        yield Mailbox(http)
