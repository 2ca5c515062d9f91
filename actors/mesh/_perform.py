"""Work in the outside world: begun as a row, asked about before it is done again, its outcome a command of ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from actors.mesh._actor import Performance
from actors.mesh._blueprint import Blueprint
from actors.mesh._chaos import Chaos
from actors.mesh._client import Client
from actors.mesh._crew import Crew
from actors.mesh._errors import Fault, Refused
from actors.mesh._follow import Inbound
from actors.mesh._log import get_logger
from actors.mesh._ports import Clock, EffectRow, EffectRows
from actors.mesh._privacy import Privacy
from actors.mesh._telemetry import SpanKind, Telemetry, parse_traceparent
from schemas.envelope import CORRELATION_ID, PERSON, TRACEPARENT, Envelope, derived_id
from schemas.message import Command, wire_name

LEASE_MS = 10_000
"""How long the scan leaves an effect alone that somebody works on: longer than a call and its questions take."""
ASK_AGAIN_SECONDS = (0.1, 0.3, 1.0)
"""After an unknown outcome the outside is asked what happened this soon; then the scan goes on with it."""
SCAN_EVERY_SECONDS = 1.0
SCAN_AT_ONCE_MAX = 100
AT_ONCE_MAX = 64
"""Calls to the outside at a time in one process."""

log = get_logger()


class Performer:
    """Does one domain's work outside."""

    def __init__(
        self,
        blueprint: Blueprint,
        rows: EffectRows,
        ports: Mapping[type[Any], Any],
        client: Client,
        privacy: Privacy,
        clock: Clock,
        telemetry: Telemetry,
        chaos: Chaos,
    ) -> None:
        self._performances = {performer(each): each for each in blueprint.actor.performances}
        self._rows, self._ports, self._client, self._privacy = rows, ports, client, privacy
        self._clock, self._telemetry, self._chaos = clock, telemetry, chaos
        self._crew = Crew(AT_ONCE_MAX)

    async def handle(self, inbound: Inbound) -> None:
        """Begin the work an event asks for; an event seen before is left to whoever began it."""
        for name, performance in self._performances.items():
            if wire_name(performance.event) == inbound.event.name:
                packed = msgspec.json.encode({"body": inbound.event.body.decode(), "headers": dict(inbound.headers)})
                row = EffectRow(inbound.event_id, name, 0, self._clock.now_ms() + LEASE_MS, packed)
                if await self._rows.begin(row):
                    self._chaos.point(f"effect.begun.{name}")
                    await self._spawn(performance, row)

    async def _spawn(self, performance: Performance, row: EffectRow) -> None:
        await self._crew.start(f"effect {row.event_id}", self._perform(performance, row))

    async def _perform(self, performance: Performance, row: EffectRow) -> None:
        packed = msgspec.json.decode(row.event, type=dict[str, Any])
        headers: dict[str, str] = packed["headers"]
        parent = parse_traceparent(headers.get(TRACEPARENT))
        name = performer(performance)
        event = await self._privacy.open(performance.event, packed["body"].encode())
        with self._telemetry.span(
            f"perform {name}", SpanKind.CLIENT, parent=parent, attributes={"attempt": row.attempts}
        ):
            try:
                command = await self._outcome(performance, event, row)
                self._chaos.point(f"effect.done.{name}")
                await self._tell(row, command, headers)
            except Refused as refusal:
                log.info("outcome no longer wanted", effect=row.event_id, performer=name, code=refusal.code)
            except Fault as fault:
                log.warning(
                    "outcome unknown, will be asked again", effect=row.event_id, performer=name, error=str(fault)
                )
                return
            self._chaos.point(f"effect.told.{name}")
        await self._rows.finish(row.event_id, name)

    async def _outcome(self, performance: Performance, event: Any, row: EffectRow) -> Command[Any]:
        """Do it, unless it may have been done: then ask first, and do it only where the outside knows nothing of it."""
        port = self._ports[performance.port]
        if row.attempts and (known := await performance.ask(port, event, row.event_id)) is not None:
            return known
        try:
            return await performance.do(port, event, row.event_id)
        except Fault as fault:
            if not fault.executed:
                raise
            for seconds in ASK_AGAIN_SECONDS:
                await self._clock.sleep(seconds)
                if (known := await performance.ask(port, event, row.event_id)) is not None:
                    return known
            raise

    async def _tell(self, row: EffectRow, command: Command[Any], headers: Mapping[str, str]) -> None:
        envelope = Envelope(
            command_id=derived_id(row.event_id, row.performer),
            cause_id=row.event_id,
            correlation_id=headers.get(CORRELATION_ID, ""),
        )
        filled = self._client.envelope(envelope, on_behalf_of=headers.get(PERSON, ""))
        await self._client.carry(command, filled)

    async def scan(self) -> None:
        """Take up, for ever, what was begun and not finished."""
        while True:
            await self._clock.sleep(SCAN_EVERY_SECONDS)
            try:
                for name, performance in self._performances.items():
                    now_ms = self._clock.now_ms()
                    for row in await self._rows.lease(name, now_ms, now_ms + LEASE_MS, SCAN_AT_ONCE_MAX):
                        await self._spawn(performance, row)
            except Fault as fault:
                log.warning("the scan of effects failed", error=str(fault))

    async def stop(self) -> None:
        """Leave what is on its way to the next process; it is written down that it was begun."""
        await self._crew.stop()


def performer(performance: Performance) -> str:
    """Return the name a performance keeps its rows under."""
    return performance.do.__name__
