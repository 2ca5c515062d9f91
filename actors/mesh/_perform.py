"""Work in the outside world: begun as a row, asked about before it is done again, its outcome a command of ours.

Each queue has a consumer, a crew and a scan of its own, so that what is slow holds up only its like.
"""

from __future__ import annotations

from collections.abc import Coroutine, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import msgspec

from actors.mesh._actor import Performance, Retries
from actors.mesh._chaos import Chaos
from actors.mesh._client import Client
from actors.mesh._crew import Crew
from actors.mesh._dead_letters import DeadLetters
from actors.mesh._errors import Fault, Refused, TimedOut
from actors.mesh._follow import Inbound
from actors.mesh._lifting import lift
from actors.mesh._log import get_logger
from actors.mesh._ports import Clock, EffectRow, EffectRows, Ids, Journal
from actors.mesh._privacy import Privacy
from actors.mesh._telemetry import SpanKind, Telemetry, parse_traceparent
from schemas.envelope import CORRELATION_ID, PERSON, SCHEMA, TRACEPARENT, Envelope, derived_id
from schemas.message import Command, subject_of, wire_name

LEASE_MS = 10_000
"""How long the scan leaves an effect alone that somebody works on: longer than a call and its questions take."""
ASK_AGAIN_SECONDS = (0.1, 0.3, 1.0)
"""After an unknown outcome the outside is asked what happened this soon; then the scan goes on with it."""
SCAN_EVERY_SECONDS = 1.0
SCAN_AT_ONCE_MAX = 100
AT_ONCE_MAX = 64
"""Calls to the outside at a time in one process, for each queue."""
DOUBLINGS_MAX = 20
REASON_CHARACTERS_MAX = 200
UNTOLD_MAX = 1000
"""Outcomes kept in mind until they are told: while our own store is away, what is done is not done again."""

log = get_logger()


class Performing(NamedTuple):
    """What work outside needs of its pool."""

    domain: str
    journal: Journal
    rows: EffectRows
    letters: DeadLetters
    ports: Mapping[type[Any], Any]
    client: Client
    privacy: Privacy
    clock: Clock
    ids: Ids
    telemetry: Telemetry
    chaos: Chaos


class Work(NamedTuple):
    """One attempt: its row, and the event that asks for it, sealed and opened."""

    performance: Performance
    row: EffectRow
    headers: Mapping[str, str]
    body: bytes
    event: Any

    @property
    def at(self) -> tuple[str, str]:
        return self.row.event_id, self.row.performer

    @property
    def outcome_id(self) -> str:
        return derived_id(*self.at)

    @property
    def given_up_id(self) -> str:
        return derived_id(*self.at, "given up")


class Performer:
    """Does the work of one queue."""

    def __init__(self, here: Performing, queue: str, performances: Sequence[Performance]) -> None:
        self._here, self._queue = here, queue
        self._performances = {performer(each): each for each in performances}
        self._crew = Crew(AT_ONCE_MAX)
        self._untold: dict[tuple[str, str], Command[Any]] = {}

    async def handle(self, inbound: Inbound) -> None:
        """Begin the work an event asks for; an event seen before is left to whoever began it."""
        for name, performance in self._performances.items():
            if wire_name(performance.event) == inbound.event.name:
                await self._crew.start_what(partial(self._begin, name, inbound))

    async def _begin(self, name: str, inbound: Inbound) -> tuple[str, Coroutine[Any, Any, None]] | None:
        packed = msgspec.json.encode({"body": inbound.event.body.decode(), "headers": dict(inbound.headers)})
        row = EffectRow(inbound.event_id, name, 0, self._here.clock.now_ms() + LEASE_MS, packed)
        if not await self._here.rows.begin(row):
            return None
        self._here.chaos.point(f"effect.begun.{name}")
        return f"effect {row.event_id}", self._perform(row)

    async def scan(self) -> None:
        """Take up, for ever, what was begun and not finished."""
        while True:
            await self._here.clock.sleep(SCAN_EVERY_SECONDS)
            try:
                for name in self._performances:
                    for _ in range(SCAN_AT_ONCE_MAX):
                        if not await self._crew.start_what(partial(self._take_up, name)):
                            break
            except Fault as fault:
                log.warning("the scan of effects failed", queue=self._queue, error=str(fault))

    async def _take_up(self, name: str) -> tuple[str, Coroutine[Any, Any, None]] | None:
        now_ms = self._here.clock.now_ms()
        leased = await self._here.rows.lease(name, now_ms, now_ms + LEASE_MS, 1)
        return (f"effect {leased[0].event_id}", self._perform(leased[0])) if leased else None

    async def stop(self) -> None:
        """Leave what is on its way to the next process; it is written down that it was begun."""
        await self._crew.stop()

    async def _perform(self, row: EffectRow) -> None:
        performance = self._performances[row.performer]
        packed = msgspec.json.decode(row.event, type=dict[str, Any])
        headers, body = packed["headers"], packed["body"].encode()
        lifted = lift(performance.event, headers.get(SCHEMA, ""), body)
        event = await self._here.privacy.open(performance.event, lifted.body, lifted.places)
        work, name = Work(performance, row, headers, body, event), row.performer
        with self._here.telemetry.span(
            f"perform {name}",
            SpanKind.CLIENT,
            parent=parse_traceparent(headers.get(TRACEPARENT)),
            attributes={"attempt": row.attempts},
        ):
            try:
                if not await self._settle(work):
                    return
            except Refused as refusal:
                log.info("outcome no longer wanted", effect=row.event_id, performer=name, code=refusal.code)
            except Fault as fault:
                log.warning(
                    "outcome unknown, will be asked again", effect=row.event_id, performer=name, error=str(fault)
                )
                return
            self._here.chaos.point(f"effect.told.{name}")
        self._untold.pop(work.at, None)
        await self._here.rows.finish(row.event_id, name)

    async def _settle(self, work: Work) -> bool:
        """Do it and tell what came of it; return whether that was the end of it, or it was put off."""
        retries = work.performance.retries
        if work.row.attempts and await self._was_told(work):
            return True
        try:
            command = self._untold.get(work.at) or await self._outcome(work)
        except Refused:
            raise
        except Exception as failure:
            if retries is None:
                raise
            if work.row.attempts + 1 < retries.attempts_max:
                await self._put_off(work, retries, failure)
                return False
            await self._give_up(work, failure)
            return True
        if len(self._untold) >= UNTOLD_MAX:  # others have told the oldest long since
            del self._untold[next(iter(self._untold))]
        self._untold[work.at] = command
        self._here.chaos.point(f"effect.done.{work.row.performer}")
        await self._tell(work, command, work.outcome_id)
        return True

    async def _was_told(self, work: Work) -> bool:
        """Return whether an earlier attempt came as far as telling the domain, and died before it wrote so here."""
        for command_id in (work.outcome_id, work.given_up_id):
            if (await self._here.journal.confirm(command_id, ())).remembered is not None:
                return True
        return False

    async def _outcome(self, work: Work) -> Command[Any]:
        """Do it, unless it may have been done: then ask first, and do it only where the outside knows nothing of it."""
        performance, row = work.performance, work.row
        port = self._here.ports[performance.port]
        if row.attempts and (known := await performance.ask(port, work.event, row.event_id)) is not None:
            return known
        if performance.retries is not None and row.attempts >= performance.retries.attempts_max:
            raise TimedOut("nobody has said what became of the last attempt")
        try:
            return await performance.do(port, work.event, row.event_id)
        except Fault as fault:
            if not fault.executed:
                raise
            for seconds in ASK_AGAIN_SECONDS:
                await self._here.clock.sleep(seconds)
                if (known := await performance.ask(port, work.event, row.event_id)) is not None:
                    return known
            raise

    async def _put_off(self, work: Work, retries: Retries, failure: Exception) -> None:
        pause_seconds = self._here.ids.jitter() * longest_pause_seconds(retries, work.row.attempts)
        log.warning(
            "failed, will be tried again",
            effect=work.row.event_id,
            performer=work.row.performer,
            attempt=work.row.attempts,
            pause_seconds=round(pause_seconds, 3),
            # The words of a bug may quote what it stumbled over.
            error=str(failure) if isinstance(failure, Fault) else type(failure).__name__,
        )
        await self._here.rows.put_off(work.row, self._here.clock.now_ms() + round(pause_seconds * 1000))

    async def _give_up(self, work: Work, failure: Exception) -> None:
        """Keep the event for a person and tell the domain; both are the same letter and command when done again."""
        here, performance = self._here, work.performance
        reader, subject = f"{here.domain}_{self._queue}", subject_of(performance.event)
        attempts = work.row.attempts + 1
        await here.letters.park(subject, work.headers, work.body, reader=reader, error=failure, attempts=attempts)
        here.chaos.point(f"effect.parked.{work.row.performer}")
        if performance.gives_up is not None:
            command = performance.gives_up(work.event, " ".join(str(failure).split())[:REASON_CHARACTERS_MAX])
            await self._tell(work, command, work.given_up_id)

    async def _tell(self, work: Work, command: Command[Any], command_id: str) -> None:
        envelope = Envelope(
            command_id=command_id,
            cause_id=work.row.event_id,
            correlation_id=work.headers.get(CORRELATION_ID, ""),
        )
        filled = self._here.client.envelope(envelope, on_behalf_of=work.headers.get(PERSON, ""))
        await self._here.client.carry(command, filled)


def longest_pause_seconds(retries: Retries, attempts: int) -> float:
    """Return the bound under which the pause after so many earlier attempts is drawn."""
    return min(retries.longest_seconds, retries.first_seconds * 2.0 ** min(attempts, DOUBLINGS_MAX))


def performer(performance: Performance) -> str:
    """Return the name a performance keeps its rows under."""
    return performance.do.__name__
