"""An actor that contradicts itself does not start, and is told what to change."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Any

import pytest
from msgspec import Struct

from actors import inventory, orders, payments, users
from actors.mesh import Actor, Aggregate, Happened, Read, after, answers, claims, decides, projects, reacts
from actors.mesh._blueprint import Misdeclared, consumers, draw
from actors.mesh.testing.toys import counters, limits
from actors.mesh.testing.toys.counters import Close, Count, Counted, Counter, CounterEvent, CounterView, GetCounter
from actors.mesh.testing.toys.limits import LimitSet, LimitView, SetLimit
from schemas.message import Command, Id, Personal


def unannotated(counter: Counter | None, event) -> Counter:  # type: ignore[no-untyped-def]
    return Counter()


def of_a_stranger(counter: Counter | None, event: LimitSet) -> Counter:
    return Counter()


def nothing(state: Any, command: Any, *needs: Any) -> Iterator[Any]:
    yield from ()


def view_of_a_stranger(view: CounterView | None, event: LimitSet, happened: Happened) -> CounterView:
    return CounterView(counter_id=event.limit_id)


async def wrong_reply(query: GetCounter, read: Read) -> int:
    return 1


def stop(event: Any) -> Close:
    return Close(counter_id="a")


def react(event: Any, happened: Any) -> None:
    return None


def peeked(counter: Counter, command: Any, consulted: Any) -> LimitView:
    raise NotImplementedError


class Secretive(Struct, frozen=True, kw_only=True):
    counter_id: Id
    name: Annotated[str, Personal("counter_id")]


class Tell(Command[Secretive], frozen=True, kw_only=True):
    counter_id: Id


def told(counter: Counter, command: Any, consulted: Any) -> Secretive:
    raise NotImplementedError


def aggregate(*decisions: Any, evolve: Any = counters.evolve, key: str = "counter_id") -> Aggregate[Any]:
    return Aggregate(state=Counter, key=key, evolve=evolve, decisions=decisions)


class Peek(Command[CounterView], frozen=True, kw_only=True):
    counter_id: Id


Tell.__module__ = counters.__name__
Peek.__module__ = counters.__name__  # a message belongs to the domain that its module is named after
NEEDY: Any = decides(Count, nothing, needs=(counters.limit_of,) * 4)  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("actor", "why"),
    [
        (Actor(name="counters", aggregates=(aggregate(evolve=unannotated),)), "annotate 'event'"),
        (Actor(name="counters", aggregates=(aggregate(evolve=of_a_stranger),)), "is an event of limits"),
        (Actor(name="counters", aggregates=(aggregate(key="total"),)), "must be the id 'total'"),
        (Actor(name="counters", aggregates=(aggregate(), aggregate())), "belongs to two aggregates"),
        (Actor(name="counters", aggregates=(aggregate(decides(SetLimit, nothing)),)), "is a command of limits"),
        (Actor(name="counters", aggregates=(aggregate(decides(Count, nothing), decides(Count, nothing)),)), "twice"),
        (Actor(name="counters", aggregates=(aggregate(NEEDY),)), "more than 3"),
        (Actor(name="counters", aggregates=(aggregate(decides(Peek, nothing)),)), "say replies="),
        (Actor(name="counters", aggregates=(aggregate(decides(Peek, nothing, replies=peeked)),)), "return CounterView"),
        (Actor(name="counters", aggregates=(aggregate(decides(Tell, nothing, replies=told)),)), "say remember=False"),
        (Actor(name="counters", aggregates=(replace(aggregate(), owner="nobody"),)), "no field 'nobody'"),
        (Actor(name="counters", claims=(claims(Counted, "number"),)), "not folded by any aggregate"),
        (Actor(name="counters", answers=(answers(GetCounter, wrong_reply),)), "return CounterView"),  # type: ignore[arg-type]
        (Actor(name="counters", projections=(projects(CounterView, view_of_a_stranger),)), "events of one aggregate"),
        (Actor(name="counters", timers=(after(Counted, 1, stop),)), "not folded by any aggregate"),
        (Actor(name="counters", private=(Counted,)), "not folded by any aggregate"),
        (Actor(name="counters", aggregates=(aggregate(),), reactions=(reacts(Counted, react),)), "is its own"),
    ],
)
def test_what_contradicts_itself_does_not_start(actor: Actor, why: str) -> None:
    with pytest.raises(Misdeclared, match=why):
        draw(actor)


@pytest.mark.parametrize(
    "actor", [users.actor, orders.actor, inventory.actor, payments.actor], ids=lambda each: each.name
)
def test_every_domain_starts(actor: Actor) -> None:
    blueprint = draw(actor)
    assert len(blueprint.commands) == sum(len(each.decisions) for each in actor.aggregates)
    assert set(blueprint.queries) == {name for name in blueprint.queries if name.startswith(("get_", "list_"))}


def test_a_domain_reads_its_own_events_for_views_and_those_of_others_for_reactions() -> None:
    found = {(spec.stream, spec.name): spec.filter_subjects for spec in consumers(draw(counters.actor))}
    assert found == {
        ("COUNTERS_TELLS", "counters_tells"): ("counters.tell.>",),
        ("COUNTERS", "counters_views"): ("counters.event.>",),
        ("COUNTERS", "counters_effects"): ("counters.event.counter_closed.*",),
        ("LIMITS", "counters_reactions"): ("limits.event.limit_set.*",),
    }
    assert [spec.stream for spec in consumers(draw(limits.actor))] == ["LIMITS_TELLS", "LIMITS"]


def test_the_events_of_an_aggregate_are_those_its_fold_is_annotated_with() -> None:
    events = {event.__name__ for event in draw(counters.actor).aggregate_of}
    assert events == {event.__name__ for event in CounterEvent.__args__}  # type: ignore[attr-defined]
