"""The demo's tool and its mails: ten stock receipts told over NATS, one of them garbled, and what the customers got."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from actors.mesh.connect import Client, connect, tool_settings
from cli.mails import Mailbox, MailMissing
from cli.shop import LOOK_EVERY_SECONDS
from schemas.envelope import Envelope, derived_id
from schemas.inventory import ReceiveStock
from schemas.tells import TellOutcome

TOLD_SKU, TOLD_EACH = "bowl-white", 3
TELLS = 10
GARBLED = 4
"""Which of the tells holds no message."""
OUTCOME_SECONDS = 30.0


class ToldCounts(msgspec.Struct, kw_only=True):
    """How the tells ended: nine are accepted, the garbled one waits as a dead letter."""

    told: int = 0
    accepted: int = 0
    refused: int = 0
    dead: int = 0
    pending: int = 0


class MailSeen(msgspec.Struct, frozen=True, kw_only=True):
    """A mail that came, and the words that it had to have."""

    to: str
    subject: str


async def tell_receipts(environment: Mapping[str, str]) -> ToldCounts:
    """Tell ten receipts of stock, as a tool of the warehouse does, and wait for what becomes of them."""
    async with connect(tool_settings(environment), "stock-import") as mesh:
        ids = [await tell_one(mesh, number) for number in range(TELLS)]
        outcomes = await asyncio.gather(*(ended(mesh, command_id) for command_id in ids))
    counts = Counter(outcome.ending for outcome in outcomes)
    return ToldCounts(
        told=len(ids),
        accepted=counts["accepted"],
        refused=counts["refused"],
        dead=counts["dead"],
        pending=counts["pending"],
    )


async def tell_one(mesh: Client, number: int) -> str:
    envelope = Envelope(command_id=derived_id("demo", "receipt", str(number)))
    if number == GARBLED:
        return await mesh.tell_bytes(f"inventory.tell.receive_stock.{TOLD_SKU}", b'{"sku": "bowl-whi', envelope)
    return await mesh.tell(ReceiveStock(sku=TOLD_SKU, quantity=TOLD_EACH), envelope)


async def ended(mesh: Client, command_id: str) -> TellOutcome:
    """Return how a tell ended, or that it has not when the time is over."""
    loop = asyncio.get_running_loop()
    end = loop.time() + OUTCOME_SECONDS
    while True:
        outcome = await mesh.outcome_of_tell("inventory", command_id)
        if outcome.ending != "pending" or loop.time() > end:
            return outcome
        await asyncio.sleep(LOOK_EVERY_SECONDS)


async def mails_seen(
    mailbox: Mailbox, wanted: Sequence[tuple[str, str, Sequence[str]]]
) -> tuple[list[MailSeen], list[str]]:
    """Wait for mails (to whom, subject, words of the text); return those that came, and what is wrong with the rest."""
    seen: list[MailSeen] = []
    problems: list[str] = []
    for address, subject, words in wanted:
        try:
            mail = await mailbox.wait_for(address, subject)
        except MailMissing as missing:
            problems.append(str(missing))
            continue
        seen.append(MailSeen(to=address, subject=mail.subject))
        lacking = [word for word in words if word not in mail.text]
        problems += [f"the mail {mail.subject!r} to {address} does not say {word!r}" for word in lacking]
    return seen, problems
