"""What became of told commands: kept for who told them, since nobody waited for an answer."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from actors.mesh._errors import Fault
from actors.mesh._log import get_logger
from actors.mesh._ports import Clock, Journal, Remembered, TellEnding, TellRow, TellRows
from actors.mesh._privacy import Privacy
from schemas.envelope import Envelope
from schemas.message import Accepted, Refusal
from schemas.principal import Principal, Role
from schemas.tells import TellOutcome

KEPT_DAYS = 30
FORGET_EVERY_SECONDS = 3600.0
FORGET_AT_ONCE_MAX = 1000
DETAIL_CHARACTERS_MAX = 1000
SEE_ALL: frozenset[Role] = frozenset({"operator", "admin", "service"})
"""Roles that may ask for what others told."""
REUSED = "command_id_reused"

log = get_logger()


class TellOutcomes(NamedTuple):
    """Where outcomes come from: refusals from rows of their own, acceptances from the journal."""

    rows: TellRows
    journal: Journal
    privacy: Privacy
    clock: Clock

    async def keep(
        self, subject: str, envelope: Envelope, principal: Principal, ending: TellEnding, refusal: Refusal
    ) -> None:
        """Keep why a command was not accepted; a later outcome of the same command takes the place of an earlier one.

        It is encrypted whole, for a detail may quote what the sender wrote.
        """
        short = msgspec.structs.replace(refusal, detail=refusal.detail[:DETAIL_CHARACTERS_MAX])
        sealed = await self.privacy.seal_bytes("tell", msgspec.json.encode(short))
        row = TellRow(
            envelope.command_id, principal.person, subject, ending, sealed, envelope.issued_at_ms, self.clock.now_ms()
        )
        await self.rows.keep(row)

    async def outcome(self, command_id: str, principal: Principal) -> TellOutcome:
        """Return how a command ended, as far as this principal may know."""
        sees_all = any(role in SEE_ALL for role in principal.roles)
        row = await (self.rows.latest(command_id) if sees_all else self.rows.get(command_id, principal.person))
        remembered = (await self.journal.confirm(command_id, ())).remembered
        if remembered is not None and not sees_all and remembered.principal != principal.person:
            remembered = None
        refusal = await self._opened(row)
        # Refused first and accepted later is accepted; but an id taken for two commands has accepted only the other.
        if remembered is not None and (refusal is None or refusal.code != REUSED):
            return TellOutcome(ending="accepted", accepted=accepted(remembered))
        if row is not None:
            return TellOutcome(ending=row.ending, refusal=refusal, issued_at_ms=row.issued_at_ms)
        return TellOutcome(ending="pending")

    async def _opened(self, row: TellRow | None) -> Refusal | None:
        body = None if row is None else await self.privacy.open_bytes("tell", row.refusal)
        return None if body is None else msgspec.json.decode(body, type=Refusal)

    async def forget(self) -> None:
        """Delete, for ever, what is older than anybody asks for."""
        while True:
            await self.clock.sleep(FORGET_EVERY_SECONDS)
            before_ms = self.clock.now_ms() - KEPT_DAYS * 86_400_000
            try:
                while await self.rows.forget(before_ms, FORGET_AT_ONCE_MAX) == FORGET_AT_ONCE_MAX:
                    continue
            except Fault as fault:
                log.warning("old outcomes of tells could not be deleted", error=str(fault))


def accepted(remembered: Remembered) -> Accepted | None:
    """Return the reply that was remembered, None where the command was asked and has another kind of answer."""
    try:
        return msgspec.json.decode(remembered.reply, type=Accepted)
    except msgspec.MsgspecError:
        return None
