"""Sagas under way: each step written down before it is sent, resumed after a crash, undone when refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from actors.mesh._blueprint import Blueprint
from actors.mesh._chaos import Chaos
from actors.mesh._client import Client
from actors.mesh._crew import Crew
from actors.mesh._errors import Fault, MeshError, Overloaded, Refused, refused
from actors.mesh._follow import Inbound
from actors.mesh._lifting import lift, lift_stored
from actors.mesh._log import get_logger
from actors.mesh._mailbox import Mailboxes
from actors.mesh._ports import Clock, SagaRow, SagaRows, SagaStatus
from actors.mesh._privacy import Privacy
from actors.mesh._saga import Outcomes, Saga
from actors.mesh._saga_state import (
    Action,
    End,
    Origin,
    Recorded,
    SagaState,
    Send,
    Wait,
    absorb_fault,
    absorb_refusal,
    absorb_reply,
    advance,
    ask_ms,
    event_name,
    is_current,
    needs_alarm,
    note_sent,
    record,
    seen_events,
)
from actors.mesh._telemetry import Telemetry, parse_traceparent
from schemas.envelope import CORRELATION_ID, PERSON, SCHEMA, TRACEPARENT, Envelope, derived_id
from schemas.message import Command, Event

LEASE_MS = 500
"""How much longer than its answer is waited for the scan leaves a saga alone whose command is on its way."""
SCAN_EVERY_SECONDS = 0.5
SCAN_AT_ONCE_MAX = 200
DRIVEN_AT_ONCE_MAX = 256
"""Sagas driven at a time in one process; events wait for a place, and with them the stream."""
LOST_SAVES_MAX = 20

log = get_logger()


class SagaRunner:
    """Runs one domain's sagas."""

    def __init__(
        self,
        blueprint: Blueprint,
        rows: SagaRows,
        client: Client,
        privacy: Privacy,
        clock: Clock,
        telemetry: Telemetry,
        chaos: Chaos,
    ) -> None:
        self._sagas = {saga.name: saga for saga in blueprint.actor.sagas}
        self._rows, self._client, self._privacy = rows, client, privacy
        self._clock, self._telemetry, self._chaos = clock, telemetry, chaos
        self._keys = Mailboxes()
        self._crew = Crew(DRIVEN_AT_ONCE_MAX)
        self._types = {event_name(event): event for saga in self._sagas.values() for event in saga.events}

    async def handle(self, inbound: Inbound) -> None:
        """Record an event on every saga that names it, and go on with those."""
        name = f"{inbound.domain}.event.{inbound.event.name}"
        for saga in self._sagas.values():
            if name in {event_name(event) for event in saga.events}:
                body = lift_stored(self._types[name], inbound.event).body
                key = str(msgspec.json.decode(body, type=dict[str, Any])[saga.key])
                if await self._record(saga, key, name, inbound):
                    if name in {event_name(event) for event in saga.alarms_on}:
                        log.error("saga waits for a person", saga=saga.name, entity_key=key, because=name)
                    await self._spawn(saga, key)

    async def _record(self, saga: Saga[Any], key: str, name: str, inbound: Inbound) -> bool:
        recorded = Recorded(
            event_id=inbound.event_id, body=inbound.event.body.decode(), schema=inbound.headers.get(SCHEMA, "")
        )
        origin = Origin(
            person=inbound.headers.get(PERSON, ""),
            correlation_id=inbound.headers.get(CORRELATION_ID, ""),
            traceparent=inbound.headers.get(TRACEPARENT, ""),
        )
        for _ in range(LOST_SAVES_MAX):
            row, state = await self._load(saga, key)
            if not record(saga, state, name, recorded, origin):
                return False
            next_at_ms, status = 0, row.status
            if state.started is not None:
                next_at_ms, status = self._clock.now_ms(), "running" if row.status == "heard" else row.status
            document = msgspec.json.encode(state)
            if await self._rows.save(row._replace(status=status, next_at_ms=next_at_ms, document=document)):
                return True
        raise Overloaded(f"saga {saga.name} of {key} is written by many")

    async def _load(self, saga: Saga[Any], key: str) -> tuple[SagaRow, SagaState]:
        row = await self._rows.load(saga.name, key)
        if row is None:
            return SagaRow(saga.name, key, 0, "heard", 0, b""), SagaState()
        return row, msgspec.json.decode(row.document, type=SagaState)

    async def _spawn(self, saga: Saga[Any], key: str) -> None:
        await self._crew.start(f"saga {saga.name} {key}", self._drive_alone(saga, key))

    async def _drive_alone(self, saga: Saga[Any], key: str) -> None:
        async with self._keys.hold([key]):
            await self._drive(saga, key)

    async def _drive(self, saga: Saga[Any], key: str) -> None:
        """Go on until there is nothing to do now. Another process that saves in between is met by reading again."""
        row, state = await self._load(saga, key)
        answered: tuple[Send, MeshError | None] | None = None
        for _ in range(LOST_SAVES_MAX * (len(saga.steps) + 1)):
            if state.started is None or row.status in ("done", "undone"):
                return
            now_ms = self._clock.now_ms()
            action = advance(saga, state, now_ms)
            deadline_ms = now_ms
            if isinstance(action, Send):
                deadline_ms += ask_ms(saga, action)
                note_sent(state, action, now_ms, deadline_ms)
            saved = saved_row(row, state, action, deadline_ms)
            if not await self._rows.save(saved):
                row, state = await self._load(saga, key)
                if answered is not None:
                    self._absorb(saga, state, key, *answered)
                continue
            row = saved._replace(revision=saved.revision + 1)
            if not isinstance(action, Send):
                return
            answered = action, await self._ask(saga, state, key, action, deadline_ms)
            current = await self._rows.load(saga.name, key)
            if current is None or current.revision != row.revision:  # an event came meanwhile: answer on top of it
                row, state = await self._load(saga, key)
            self._absorb(saga, state, key, *answered)

    async def _ask(self, saga: Saga[Any], state: SagaState, key: str, send: Send, deadline_ms: int) -> MeshError | None:
        """Send one command; return what went wrong, None where it was accepted."""
        assert state.origin is not None
        name = saga.steps[send.step].name if send.direction != "close" else "close"
        parent = parse_traceparent(state.origin.traceparent)
        label = f"saga {saga.name}.{name}" + (" undo" if send.direction == "undo" else "")
        envelope = Envelope(
            command_id=derived_id("saga", saga.name, key, name, send.direction),
            cause_id=state.started.event_id if state.started else "",
            correlation_id=state.origin.correlation_id,
            deadline_ms=deadline_ms,
        )
        with self._telemetry.span(label, parent=parent, attributes={"mesh.key": key}):
            try:
                command = await self._command(saga, state, send)
                self._chaos.point(f"saga.{send.direction}.before.{name}")
                filled = self._client.envelope(envelope, on_behalf_of=state.origin.person)
                await self._client.carry(command, filled)
                self._chaos.point(f"saga.{send.direction}.after.{name}")
            except (Refused, Fault) as error:
                return error
        return None

    async def _command(self, saga: Saga[Any], state: SagaState, send: Send) -> Command[Any]:
        """Call the pure function that makes the command."""
        names = seen_events(state, send)
        kept = [(self._types[name], state.events[name]) for name in names]
        lifted = [(kind, lift(kind, recorded.schema, recorded.body.encode())) for kind, recorded in kept]
        places = {text: ways for _, one in lifted for text, ways in one.places.items()}
        opened = await self._privacy.open_mixed([(kind, one.body) for kind, one in lifted], places)
        events: dict[type[Event], Event] = {type(event): event for event in opened if isinstance(event, Event)}
        start, outcomes = events[saga.starts_on], Outcomes(events)
        if send.direction == "close":
            assert state.refusal is not None
            assert saga.on_refusal is not None
            return saga.on_refusal(start, outcomes, refused(state.refusal))
        step = saga.steps[send.step]
        make = step.do if send.direction == "do" else step.undo
        assert make is not None
        return make(start, outcomes)

    def _absorb(self, saga: Saga[Any], state: SagaState, key: str, send: Send, outcome: MeshError | None) -> None:
        """Take in what a command came to; it is kept with the next save, and taken in again where that is lost."""
        if not is_current(state, send):
            return None
        now_ms = self._clock.now_ms()
        if outcome is None:
            return absorb_reply(state, send)
        if isinstance(outcome, Refused):
            absorb_refusal(saga, state, send, outcome.refusal(), now_ms)
        elif isinstance(outcome, Fault):
            absorb_fault(state, send, outcome, now_ms)
        if needs_alarm(state):
            way = f"{send.direction} {send.step}"
            log.error("saga stuck", saga=saga.name, entity_key=key, way=way, error=str(outcome))
        return None

    async def scan(self) -> None:
        """Take up, for ever, what is due: deadlines, retries, what a crash left. The guarantee behind the events."""
        while True:
            await self._clock.sleep(SCAN_EVERY_SECONDS)
            try:
                for saga in self._sagas.values():
                    await self._take_up(saga, await self._rows.due(saga.name, self._clock.now_ms(), SCAN_AT_ONCE_MAX))
            except Fault as fault:
                log.warning("the scan of sagas failed", error=str(fault))

    async def _take_up(self, saga: Saga[Any], rows: Sequence[SagaRow]) -> None:
        for row in rows:
            if not self._crew.runs(f"saga {saga.name} {row.key}"):
                await self._spawn(saga, row.key)

    async def stop(self) -> None:
        """Leave what is on its way to be taken up by the next process; it is all written down."""
        await self._crew.stop()


def saved_row(row: SagaRow, state: SagaState, action: Action, deadline_ms: int) -> SagaRow:
    """Return the row as it is to be kept before the action is taken."""
    status: SagaStatus = "running" if state.refusal is None else "undoing"
    match action:
        case End(status=status):
            next_at_ms = 0
        case Wait(until_ms=until_ms):
            next_at_ms = until_ms
        case Send():
            next_at_ms = deadline_ms + LEASE_MS
    return row._replace(status=status, next_at_ms=next_at_ms, document=msgspec.json.encode(state))
