"""A saga as it is declared: what cannot be run stops the start, by name."""

from __future__ import annotations

from typing import Any

import pytest

from actors.mesh import Outcomes, Refused, Saga, Step
from actors.mesh._saga_state import (
    ALARM_AFTER_ATTEMPTS,
    Origin,
    Recorded,
    SagaState,
    Send,
    absorb_refusal,
    advance,
    event_name,
    needs_alarm,
    note_sent,
    record,
)
from schemas.message import Command, Event, Id, Refusal

ORIGIN = Origin(person="", correlation_id="", traceparent="")


class Begun(Event, frozen=True, kw_only=True):
    thing_id: Id


class Failed(Event, frozen=True, kw_only=True):
    thing_id: Id


class Elsewhere(Event, frozen=True, kw_only=True):
    other_id: Id


class Do(Command, frozen=True, kw_only=True):
    thing_id: Id


def do(begun: Begun, outcomes: Outcomes) -> Do:
    return Do(thing_id=begun.thing_id)


def close(begun: Begun, outcomes: Outcomes, refused: Refused) -> Do:
    return Do(thing_id=begun.thing_id)


def saga(*steps: Step[Begun], **more: Any) -> Saga[Begun]:
    return Saga("some", key="thing_id", starts_on=Begun, steps=steps, **more)


@pytest.mark.parametrize("step", [Step(do, until=Elsewhere), Step(do, refused_by=(Elsewhere,))])
def test_every_event_a_step_names_carries_the_key(step: Step[Begun]) -> None:
    with pytest.raises(TypeError, match="saga some: Elsewhere has no field 'thing_id'"):
        saga(step, on_refusal=close)


@pytest.mark.parametrize("kind", ["stops_on", "alarms_on"])
def test_every_event_it_names_itself_carries_the_key(kind: str) -> None:
    with pytest.raises(TypeError, match="saga some: Elsewhere has no field 'thing_id'"):
        saga(Step(do), on_refusal=close, **{kind: (Elsewhere,)})


def test_it_has_one_pivot_at_most() -> None:
    with pytest.raises(TypeError, match="more than one pivot"):
        saga(Step(do, pivot=True), Step(do, pivot=True), on_refusal=close)


@pytest.mark.parametrize("step", [Step(do, undo=do), Step(do, refused_by=(Failed,)), Step(do, pivot=True)])
def test_without_an_end_after_a_refusal_nothing_may_turn_it_round(step: Step[Begun]) -> None:
    with pytest.raises(TypeError, match="needs on_refusal"):
        saga(step)
    with pytest.raises(TypeError, match="needs on_refusal"):
        saga(Step(do), stops_on=(Failed,))


def test_without_a_way_back_its_first_step_is_asked_again_however_often_it_is_refused_and_however_long() -> None:
    forward, state, now_ms = saga(Step(do, deadline_seconds=1)), SagaState(), 1_000_000
    record(forward, state, event_name(Begun), Recorded(event_id="thing/t1@1", body='{"thing_id":"t1"}'), ORIGIN)
    for _ in range(ALARM_AFTER_ATTEMPTS):
        assert advance(forward, state, now_ms) == Send(0, "do")
        note_sent(state, Send(0, "do"), now_ms, now_ms + 5_000)
        absorb_refusal(forward, state, Send(0, "do"), Refusal(code="thing_broken"), now_ms)
        now_ms += 3_600_000
    assert needs_alarm(state)
    assert advance(forward, state, now_ms) == Send(0, "do")
    assert state.refusal is None


def test_what_it_alarms_on_changes_nothing() -> None:
    forward, state = saga(Step(do), alarms_on=(Failed,)), SagaState()
    record(forward, state, event_name(Begun), Recorded(event_id="thing/t1@1", body='{"thing_id":"t1"}'), ORIGIN)
    before = advance(forward, state, 1_000_000)
    assert record(forward, state, event_name(Failed), Recorded(event_id="thing/t1@2", body="{}"), ORIGIN)
    assert advance(forward, state, 1_000_000) == before
