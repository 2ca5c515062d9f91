"""Durable timers: rows written with the event that set them, scanned for what is due, sent as commands."""

from __future__ import annotations

import asyncio

import msgspec

from actors.mesh._blueprint import Blueprint
from actors.mesh._client import Client
from actors.mesh._errors import Fault, Refused
from actors.mesh._log import get_logger
from actors.mesh._ports import Clock, TimerRow, TimerRows
from actors.mesh._privacy import Privacy
from schemas.envelope import CORRELATION_ID, PERSON, Envelope
from schemas.message import Command

SCAN_EVERY_SECONDS = 0.5
SCAN_AT_ONCE_MAX = 100
LEASE_MS = 10_000

log = get_logger()


class Timers:
    """Fires one domain's timers. A timer that fires twice sends the same command id twice."""

    def __init__(self, blueprint: Blueprint, rows: TimerRows, client: Client, privacy: Privacy, clock: Clock) -> None:
        self._commands = {
            f"{blueprint.name}.command.{name}": bound.decision.command for name, bound in blueprint.commands.items()
        }
        self._rows, self._client, self._privacy, self._clock = rows, client, privacy, clock

    async def scan(self) -> None:
        """Fire what is due, for ever."""
        while True:
            await self._clock.sleep(SCAN_EVERY_SECONDS)
            try:
                await self.fire()
            except Fault as fault:
                log.warning("the scan of timers failed", error=str(fault))

    async def fire(self) -> int:
        """Fire what is due now; return how many."""
        now_ms = self._clock.now_ms()
        rows = await self._rows.lease(now_ms, now_ms + LEASE_MS, SCAN_AT_ONCE_MAX)
        await asyncio.gather(*(self._fire(row) for row in rows))
        return len(rows)

    async def _fire(self, row: TimerRow) -> None:
        command: Command[object] = await self._privacy.open(self._commands[row.message], row.body)
        headers = msgspec.json.decode(row.headers, type=dict[str, str])
        given = Envelope(command_id=row.timer_id, cause_id=row.timer_id, correlation_id=headers.get(CORRELATION_ID, ""))
        try:
            await self._client.carry(command, self._client.envelope(given, on_behalf_of=headers.get(PERSON, "")))
        except Refused as refusal:
            log.info("timer no longer wanted", timer=row.timer_id, message=row.message, code=refusal.code)
        except Fault as fault:
            log.warning("timer will fire again", timer=row.timer_id, message=row.message, error=str(fault))
            return
        await self._rows.finish(row.timer_id)
