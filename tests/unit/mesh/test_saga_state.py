"""Where a saga stands: any saga, any order of answers, events and time; it must end, and end clean."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.mesh import Outcomes, Refused, Saga, Step
from actors.mesh._errors import Fault, Overloaded, TimedOut
from actors.mesh._saga_state import (
    BACK_OFF_MAX_MS,
    SETTLE_MS,
    End,
    Origin,
    Recorded,
    SagaState,
    Send,
    StepState,
    Wait,
    absorb_fault,
    absorb_refusal,
    absorb_reply,
    advance,
    ask_ms,
    event_name,
    is_current,
    note_sent,
    record,
    seen_events,
)
from schemas.message import Command, Event, Id, Refusal

BEGAN_MS = 1_000_000
ORIGIN = Origin(person="", correlation_id="", traceparent="")


class Begun(Event, frozen=True, kw_only=True):
    thing_id: Id


class Stopped(Event, frozen=True, kw_only=True):
    thing_id: Id


class HappenedA(Event, frozen=True, kw_only=True):
    thing_id: Id


class HappenedB(Event, frozen=True, kw_only=True):
    thing_id: Id


class FailedA(Event, frozen=True, kw_only=True):
    thing_id: Id


class FailedB(Event, frozen=True, kw_only=True):
    thing_id: Id


class Do(Command, frozen=True, kw_only=True):
    thing_id: Id


def do(begun: Begun, outcomes: Outcomes) -> Do:
    return Do(thing_id=begun.thing_id)


def close(begun: Begun, outcomes: Outcomes, refused: Refused) -> Do:
    return Do(thing_id=begun.thing_id)


def fault_of(executed: bool) -> Fault:
    return TimedOut() if executed else Overloaded()


class Run:
    """A saga with a world around it that remembers what really happened."""

    def __init__(self, saga: Saga[Begun]) -> None:
        self.saga, self.state, self.now_ms = saga, SagaState(), BEGAN_MS
        self.ended: str | None = None
        self.happened: set[int] = set()
        self.undone: set[int] = set()
        self.crossed = False
        self.event(Begun)

    def event(self, event: type[Event]) -> None:
        name = event_name(event)
        record(self.saga, self.state, name, Recorded(event_id=name, body="{}"), ORIGIN)

    def next(self) -> Send | None:
        """Bring it up to a command to be sent, or to rest; look at what it decides on the way."""
        action = advance(self.saga, self.state, self.now_ms)
        self.state = msgspec.json.decode(msgspec.json.encode(self.state), type=SagaState)  # as it is kept
        if isinstance(action, End):
            self.ended = action.status
            self.at_the_end()
        elif isinstance(action, Wait):
            assert action.until_ms > self.now_ms, "it waits for what has passed already"
            assert action.until_ms <= self.now_ms + 61_000, "it sleeps for longer than it looks again"
        else:
            self.before(action)
            return action
        return None

    def before(self, send: Send) -> None:
        if send.direction == "undo":
            assert not self.crossed, "undone after the pivot had happened"
            assert self.saga.steps[send.step].undo is not None
            later = [index for index in self.happened - self.undone if index > send.step]
            assert not [index for index in later if self.saga.steps[index].undo], "undone in another order"
        if send.direction == "close":
            assert not self.crossed, "closed after the pivot had happened"
            assert self.owed() == set(), "closed while something still stands"
        deadline_ms = self.now_ms + ask_ms(self.saga, send)
        note_sent(self.state, send, self.now_ms, deadline_ms)

    def owed(self) -> set[int]:
        return {index for index in self.happened - self.undone if self.saga.steps[index].undo is not None}

    def at_the_end(self) -> None:
        if self.ended == "done":
            assert all(mine.status == "finished" for mine in self.state.steps)
            assert not self.undone
        else:
            assert not self.crossed
            assert self.owed() == set()

    def answer(self, send: Send, kind: str) -> None:
        """Let the world do it or not, and say something."""
        if kind in ("reply", "lost after"):
            self.took_place(send)
        if not is_current(self.state, send):
            return
        if kind == "reply":
            absorb_reply(self.state, send)
        elif kind == "refused":
            absorb_refusal(self.saga, self.state, send, Refusal(code="no"), self.now_ms)
        else:
            absorb_fault(self.state, send, fault_of(executed=kind != "overloaded"), self.now_ms)
        assert self.state.next_try_ms <= self.now_ms + BACK_OFF_MAX_MS + SETTLE_MS

    def took_place(self, send: Send) -> None:
        if send.direction == "undo":
            self.undone.add(send.step)
        elif send.direction == "do":
            self.happened.add(send.step)
            self.crossed |= self.saga.steps[send.step].pivot

    def may_refuse(self, send: Send) -> bool:
        """What was done is not refused afterwards: its id is remembered."""
        return send.direction != "do" or send.step not in self.happened


@st.composite
def sagas(draw: st.DrawFn) -> Saga[Begun]:
    count = draw(st.integers(1, 5))
    pivot = draw(st.sampled_from([count, count - 1, count // 2]))
    waiting = draw(
        st.permutations([(HappenedA, FailedA), (HappenedB, FailedB), (None, None), (None, None), (None, None)])
    )
    steps = []
    for index in range(count):
        until, failed = waiting[index]
        steps.append(
            Step(
                do,
                undo=do if draw(st.sampled_from([True, True, False])) and index < pivot else None,
                until=until if index != pivot else None,
                refused_by=(failed,) if failed and index < pivot else (),
                pivot=index == pivot,
                deadline_seconds=draw(st.sampled_from([1.0, 5.0, 60.0])),
                on_deadline=draw(st.sampled_from(["undo", "wait"])),
            )
        )
    return Saga("any", key="thing_id", starts_on=Begun, steps=tuple(steps), on_refusal=close, stops_on=(Stopped,))


MOVES = st.one_of(
    st.sampled_from(["reply", "reply", "reply", "A", "B"]),
    st.sampled_from(["reply", "refused", "lost before", "lost after", "overloaded", "crash", "Stopped", "A", "B"]),
    st.integers(1, 40_000),
)


def move(run: Run, what: str | int) -> None:
    if isinstance(what, int):
        run.now_ms += what
    elif what in ("A", "B"):
        happened, failed = (HappenedA, FailedA) if what == "A" else (HappenedB, FailedB)
        steps = [index for index, step in enumerate(run.saga.steps) if step.until is happened]
        if steps and steps[0] in run.happened and event_name(failed) not in run.state.events:
            run.event(happened)
    elif what == "Stopped":
        if not run.crossed:  # the domain takes no wish to stop once the pivot has happened
            run.event(Stopped)
    elif (send := run.next()) is not None:
        if what == "crash":
            run.now_ms += ask_ms(run.saga, send)
            return
        if what == "refused" and not run.may_refuse(send):
            what = "reply"
        if what == "reply" and send.direction == "do" and pivot_is_barred(run, send):
            what = "refused"
        if what == "lost after" and send.direction == "do" and pivot_is_barred(run, send):
            what = "lost before"
        run.answer(send, str(what))


def pivot_is_barred(run: Run, send: Send) -> bool:
    """Stopping and the pivot exclude each other, as cancelling and confirming an order do."""
    wished = event_name(Stopped) in run.state.events
    return run.saga.steps[send.step].pivot and wished and send.step not in run.happened


@settings(max_examples=150, deadline=None)
@given(saga=sagas(), moves=st.lists(MOVES, max_size=40))
def test_whatever_happens_it_ends_clean_once_the_world_answers(saga: Saga[Begun], moves: list[str | int]) -> None:
    run = Run(saga)
    for what in moves:
        if run.ended is None:
            move(run, what)
    for _ in range(200):  # from here on all is well
        if run.ended is not None:
            return
        move(run, "reply")
        move(run, "A")
        move(run, "B")
        run.now_ms += 6_000
    raise AssertionError(f"it never ends: {run.state}")


@settings(max_examples=50, deadline=None)
@given(saga=sagas(), moves=st.lists(MOVES, max_size=30))
def test_a_saga_of_which_nothing_is_heard_pauses_ever_longer_and_never_for_ever(
    saga: Saga[Begun], moves: list[str | int]
) -> None:
    run = Run(saga)
    for what in moves:
        if run.ended is None:
            move(run, what)
    sends, began_ms = 0, run.now_ms
    while run.ended is None and run.now_ms < began_ms + 600_000:
        send = run.next()
        if send is not None:
            sends += 1
            run.now_ms += ask_ms(saga, send)
            run.answer(send, "lost before")
        else:
            run.now_ms += 2_500
    assert sends <= 600_000 / (BACK_OFF_MAX_MS / 2) + 40 * (len(saga.steps) + 1)


def started(*steps: Step[Begun]) -> tuple[Saga[Begun], SagaState]:
    saga = Saga("some", key="thing_id", starts_on=Begun, steps=steps, on_refusal=close, stops_on=(Stopped,))
    state = SagaState()
    record(saga, state, event_name(Begun), Recorded(event_id="1", body="{}"), ORIGIN)
    return saga, state


def sent(saga: Saga[Begun], state: SagaState, now_ms: int) -> Send:
    send = advance(saga, state, now_ms)
    assert isinstance(send, Send), send
    note_sent(state, send, now_ms, now_ms + 5_000)
    return send


def test_a_pivot_refused_after_it_was_lost_once_turns_round_when_the_lost_one_is_too_late() -> None:
    saga, state = started(Step(do, undo=do), Step(do, pivot=True))
    absorb_reply(state, sent(saga, state, 0))
    absorb_fault(state, sent(saga, state, 0), TimedOut(), 5_000)
    again = sent(saga, state, 5_400)
    absorb_refusal(saga, state, again, Refusal(code="no"), 5_400)
    assert state.refusal is None
    assert advance(saga, state, 5_400) == Wait(5_000 + SETTLE_MS)
    last = sent(saga, state, 5_000 + SETTLE_MS)
    absorb_refusal(saga, state, last, Refusal(code="no"), 5_000 + SETTLE_MS)
    assert advance(saga, state, 6_000) == Send(0, "undo")


def test_a_pivot_refused_the_first_time_turns_round_at_once() -> None:
    saga, state = started(Step(do, pivot=True))
    absorb_refusal(saga, state, sent(saga, state, BEGAN_MS), Refusal(code="no"), BEGAN_MS)
    assert advance(saga, state, BEGAN_MS) == Send(-1, "close")


def test_what_was_done_is_undone_in_reverse() -> None:
    saga, state = started(Step(do, undo=do), Step(do, undo=do), Step(do), Step(do, undo=do), Step(do))
    for _ in range(4):
        absorb_reply(state, sent(saga, state, 0))
    absorb_refusal(saga, state, sent(saga, state, 0), Refusal(code="no"), 0)
    undone = []
    for _ in range(3):
        undone.append(sent(saga, state, 0))
        absorb_reply(state, undone[-1])
    assert undone == [Send(3, "undo"), Send(1, "undo"), Send(0, "undo")]
    assert advance(saga, state, 0) == Send(-1, "close")


def test_a_stop_leaves_a_pivot_that_was_sent_to_its_own_answer() -> None:
    saga, state = started(Step(do, undo=do), Step(do, pivot=True), Step(do))
    absorb_reply(state, sent(saga, state, 0))
    absorb_fault(state, sent(saga, state, 0), TimedOut(), 5_000)
    record(saga, state, event_name(Stopped), Recorded(event_id="2", body="{}"), ORIGIN)
    again = sent(saga, state, 60_000)
    assert again == Send(1, "do")
    absorb_reply(state, again)
    assert advance(saga, state, 60_000) == Send(2, "do")


def test_a_step_that_was_certainly_not_executed_is_not_undone() -> None:
    saga, state = started(Step(do, undo=do))
    absorb_fault(state, sent(saga, state, 0), Overloaded(), 0)
    record(saga, state, event_name(Stopped), Recorded(event_id="2", body="{}"), ORIGIN)
    assert advance(saga, state, 60_000) == Send(-1, "close")


def test_a_step_refused_after_an_earlier_copy_was_lost_is_undone_all_the_same() -> None:
    saga, state = started(Step(do, undo=do))
    absorb_fault(state, sent(saga, state, 0), TimedOut(), 5_000)
    absorb_refusal(saga, state, sent(saga, state, 6_000), Refusal(code="no"), 6_000)
    assert advance(saga, state, 6_000) == Send(0, "undo")


def test_a_stop_does_not_wait_out_the_pause_between_two_tries() -> None:
    saga, state = started(Step(do, undo=do, deadline_seconds=600))
    now_ms = 0
    for _ in range(8):
        now_ms = max(now_ms, state.next_try_ms)
        absorb_fault(state, sent(saga, state, now_ms), TimedOut(), now_ms + 5_000)
    now_ms += 5_000
    assert state.next_try_ms - now_ms == BACK_OFF_MAX_MS
    record(saga, state, event_name(Stopped), Recorded(event_id="2", body="{}"), ORIGIN)
    assert advance(saga, state, now_ms) == Send(0, "undo")


def test_a_command_sent_again_is_made_of_what_was_known_the_first_time() -> None:
    saga, state = started(Step(do, pivot=True))
    send = sent(saga, state, 0)
    absorb_fault(state, send, TimedOut(), 5_000)
    record(saga, state, event_name(HappenedA), Recorded(event_id="2", body="{}"), ORIGIN)
    assert seen_events(state, sent(saga, state, 60_000)) == [event_name(Begun)]


def test_a_step_within_a_short_deadline_is_asked_more_than_once() -> None:
    saga, state = started(Step(do, undo=do, deadline_seconds=5))
    assert ask_ms(saga, sent(saga, state, 0)) < 2_500


def test_an_event_counts_once() -> None:
    saga, state = started(Step(do))
    assert not record(saga, state, event_name(Begun), Recorded(event_id="other", body="{}"), ORIGIN)
    assert state.started == Recorded(event_id="1", body="{}")
    assert state.steps == [StepState()]


def test_an_event_may_come_before_the_saga_begins() -> None:
    saga = Saga("some", key="thing_id", starts_on=Begun, steps=(Step(do, until=HappenedA),), on_refusal=close)
    state: Any = SagaState()
    record(saga, state, event_name(HappenedA), Recorded(event_id="2", body="{}"), ORIGIN)
    record(saga, state, event_name(Begun), Recorded(event_id="1", body="{}"), ORIGIN)
    assert advance(saga, state, 0) == End("done")
