"""Where a saga stands, and what it does next. Pure: time comes in, nothing goes out."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import msgspec

from actors.mesh._errors import Fault
from actors.mesh._saga import Saga, Step
from schemas.message import Event, Refusal, subject_of, wire_name

ASK_MS = 5_000
"""How long the answer to a command is waited for."""
TRIES_WITHIN_DEADLINE = 3
"""A step that must be done within its deadline is asked at least this often, so that one lost message is no refusal."""
BACK_OFF_FIRST_MS = 200
BACK_OFF_MAX_MS = 30_000
SETTLE_MS = 1_000
"""How long after a command's deadline it is certain that an earlier copy of it is no longer executed."""
LOOK_AGAIN_MS = 60_000
"""A step that waits for an event without a deadline is looked at this often, so that a lost wake-up is not for ever."""
ALARM_AFTER_ATTEMPTS = 5

Direction = Literal["do", "undo", "close"]


class Recorded(msgspec.Struct, kw_only=True):
    """An event as it came, personal fields still encrypted, at the version it was written at."""

    event_id: str
    body: str
    schema: str = ""


class Origin(msgspec.Struct, kw_only=True):
    """What the starting event carried for all that follows from it."""

    person: str
    correlation_id: str
    traceparent: str


class StepState(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One step: how often its command was sent, what came back, and whether an effect of it is possible."""

    status: Literal["waiting", "sent", "replied", "finished", "refused"] = "waiting"
    sends: int = 0
    first_sent_ms: int = 0
    last_deadline_ms: int = 0
    doubted_until_ms: int = 0
    doubt: bool = False
    undone: bool = False


class SagaState(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The whole of a running saga; `at` is the step it is at.

    `seen`: how many of the events, in the order they came, were there when a command was first sent. It is made of no
    others when it is sent again: under its id it must stay the same command.
    """

    started: Recorded | None = None
    origin: Origin | None = None
    events: dict[str, Recorded] = {}
    steps: list[StepState] = []
    at: int = 0
    refusal: Refusal | None = None
    closed: bool = False
    attempts: int = 0
    next_try_ms: int = 0
    seen: dict[str, int] = {}


class Send(NamedTuple):
    """Send the command of a step, its undoing, or the one that closes a refused saga."""

    step: int
    direction: Direction


class Wait(NamedTuple):
    until_ms: int


class End(NamedTuple):
    status: Literal["done", "undone"]


Action = Send | Wait | End


def event_name(event: type[Event]) -> str:
    """Return what an event is recorded under: names may be the same in two domains."""
    return subject_of(event)


def record(saga: Saga[Any], state: SagaState, name: str, recorded: Recorded, origin: Origin) -> bool:
    """Take in an event, whichever step the saga is at; return whether it was new."""
    if name in state.events:
        return False
    state.events[name] = recorded
    if name == event_name(saga.starts_on):
        state.started = recorded
        state.origin = origin
        state.steps = [StepState() for _ in saga.steps]
    return True


def advance(saga: Saga[Any], state: SagaState, now_ms: int) -> Action:
    """Move over all that has been settled and return what is to be done next."""
    while state.refusal is None and state.at < len(saga.steps):
        step, mine = saga.steps[state.at], state.steps[state.at]
        refusal = found_refusal(saga, state, step, mine)
        if refusal is not None:
            turn_round(state, mine, refusal)
        elif is_finished(state, step, mine):
            mine.status = "finished"
            state.at += 1
            state.attempts = state.next_try_ms = 0
        else:
            action = of_step(saga, state, step, mine, now_ms)
            if action is not None:
                return action
            turn_round(state, mine, Refusal(code="step_deadline_missed", detail=step.name))
    if state.refusal is None:
        return End("done")
    return undoing(saga, state, now_ms)


def turn_round(state: SagaState, mine: StepState, refusal: Refusal) -> None:
    """Go back from here: a command on its way is left its time, a pause between two tries is not waited out."""
    state.refusal = refusal
    state.attempts = 0
    state.next_try_ms = min(state.next_try_ms, mine.last_deadline_ms)


def found_refusal(saga: Saga[Any], state: SagaState, step: Step[Any], mine: StepState) -> Refusal | None:
    """Return why the saga must turn round, if an event says so. After the pivot nothing does."""
    if saga.past_pivot(state.at):
        return None
    for event in step.refused_by:
        if event_name(event) in state.events:
            mine.status, mine.doubt = "refused", False
            return Refusal(code=wire_name(event), detail=f"{step.name} was refused")
    if step.pivot and mine.sends:
        return None  # it may have happened already: only its own answer decides
    for event in saga.stops_on:
        if event_name(event) in state.events:
            return Refusal(code=wire_name(event), detail="stopped on the way")
    return None


def is_finished(state: SagaState, step: Step[Any], mine: StepState) -> bool:
    if step.until is not None:
        return event_name(step.until) in state.events
    return mine.status == "replied"


def of_step(saga: Saga[Any], state: SagaState, step: Step[Any], mine: StepState, now_ms: int) -> Action | None:
    """Return what the current step needs; None where its deadline has passed and it is to be undone."""
    if mine.status == "waiting":
        return Send(state.at, "do")
    bounded = not (saga.past_pivot(state.at) or step.pivot) and step.on_deadline == "undo"
    deadline_ms = mine.first_sent_ms + int(step.deadline_seconds * 1000)
    if bounded and now_ms >= deadline_ms:
        return None
    until_ms = now_ms + LOOK_AGAIN_MS
    if mine.status != "replied":
        if now_ms >= state.next_try_ms:
            return Send(state.at, "do")
        until_ms = state.next_try_ms
    return Wait(min(until_ms, deadline_ms) if bounded else until_ms)


def undoing(saga: Saga[Any], state: SagaState, now_ms: int) -> Action:
    """Undo in reverse what was done or may have been done, then close."""
    for index in reversed(range(len(saga.steps))):
        mine = state.steps[index]
        happened = mine.doubt or mine.status in ("replied", "finished")
        if saga.steps[index].undo is not None and happened and not mine.undone:
            return Send(index, "undo") if now_ms >= state.next_try_ms else Wait(state.next_try_ms)
    if state.closed:
        return End("undone")
    return Send(-1, "close") if now_ms >= state.next_try_ms else Wait(state.next_try_ms)


def ask_ms(saga: Saga[Any], send: Send) -> int:
    """Return how long to wait for the answer to a command."""
    if send.direction != "do" or saga.steps[send.step].on_deadline != "undo":
        return ASK_MS
    return min(ASK_MS, int(saga.steps[send.step].deadline_seconds * 1000) // TRIES_WITHIN_DEADLINE)


def note_sent(state: SagaState, send: Send, now_ms: int, deadline_ms: int) -> None:
    """Write down that a command is about to be sent: from here its outcome is unknown until something comes back."""
    state.seen.setdefault(sent_as(send), len(state.events))
    state.next_try_ms = deadline_ms  # whoever takes the saga up meanwhile leaves the command its time
    if send.direction != "do":
        return
    mine = state.steps[send.step]
    mine.status, mine.doubt = "sent", True
    mine.sends += 1
    mine.first_sent_ms = mine.first_sent_ms or now_ms
    mine.doubted_until_ms = mine.last_deadline_ms  # that of the latest copy of which nothing was heard
    mine.last_deadline_ms = deadline_ms


def sent_as(send: Send) -> str:
    """Return what a command of a saga is remembered under."""
    return f"{send.direction} {send.step}"


def seen_events(state: SagaState, send: Send) -> list[str]:
    """Return the names of the events that a command is made of."""
    return list(state.events)[: state.seen[sent_as(send)]]


def is_current(state: SagaState, send: Send) -> bool:
    """Return whether the saga still waits for the answer to this command."""
    if send.direction == "do":
        return state.refusal is None and state.at == send.step and state.steps[send.step].status == "sent"
    if send.direction == "undo":
        return not state.steps[send.step].undone
    return not state.closed


def absorb_reply(state: SagaState, send: Send) -> None:
    """The command was accepted."""
    state.attempts = state.next_try_ms = 0
    if send.direction == "do":
        state.steps[send.step].status = "replied"
    elif send.direction == "undo":
        state.steps[send.step].undone = True
    else:
        state.closed = True


def absorb_refusal(saga: Saga[Any], state: SagaState, send: Send, refusal: Refusal, now_ms: int) -> None:
    """The command was refused. What must happen is tried again for ever; what may fail turns the saga round."""
    if send.direction != "do" or saga.past_pivot(send.step):
        return try_later(state, now_ms)
    mine = state.steps[send.step]
    mine.last_deadline_ms = mine.doubted_until_ms  # this copy was answered; what is in doubt are the earlier ones
    settled_ms = mine.doubted_until_ms + SETTLE_MS
    if saga.steps[send.step].pivot and mine.doubted_until_ms and now_ms < settled_ms:
        state.next_try_ms = settled_ms  # an earlier copy may still be on its way: ask once more when it cannot be
        return None
    mine.doubt = mine.sends > 1
    mine.status = "refused"
    state.refusal = refusal
    state.attempts = state.next_try_ms = 0
    return None


def absorb_fault(state: SagaState, send: Send, fault: Fault, now_ms: int) -> None:
    """The world failed: tried again, never undone for that alone."""
    if send.direction == "do" and not fault.executed:
        mine = state.steps[send.step]
        mine.last_deadline_ms = mine.doubted_until_ms  # this copy did nothing; an earlier one may have
        mine.doubt = mine.doubt and mine.sends > 1
    try_later(state, now_ms)


def try_later(state: SagaState, now_ms: int) -> None:
    state.attempts += 1
    state.next_try_ms = now_ms + min(BACK_OFF_MAX_MS, BACK_OFF_FIRST_MS * 2 ** min(state.attempts, 10))


def needs_alarm(state: SagaState) -> bool:
    """Return whether it has been tried often enough that a person should know."""
    return state.attempts == ALARM_AFTER_ATTEMPTS
