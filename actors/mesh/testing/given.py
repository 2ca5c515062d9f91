"""Given a past, when a command comes, then these events follow: how the rules of a domain are tested.

given(evolve, placed).when(mark_reserved, MarkOrderReserved(order_id="o1")).then(OrderReserved(order_id="o1"))
given(evolve, placed).when(confirm, ConfirmOrder(order_id="o1")).refused("order_unreserved")
given_actor(inventory.actor, added, received).when(ReserveStock(...)).then(StockHeld(...), StockReserved(...))
given_actor(orders.actor, placed).asked(GetOrder(order_id="o1")).answered(OrderView(...))
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any, Generic, cast, overload

from msgspec import Struct
from typing_extensions import TypeVar

from actors.mesh._actor import Actor, Aggregate, Happened, Key, Page, States
from actors.mesh._blueprint import draw, second_parameter
from actors.mesh._errors import Refused
from schemas.message import Command, Event, Query, RefusalKind, snake_case
from schemas.principal import Principal

S = TypeVar("S")
C = TypeVar("C", bound=Command[Any])
R1 = TypeVar("R1")
R2 = TypeVar("R2")
R3 = TypeVar("R3")
V = TypeVar("V", bound=Struct)

FIRST_MS = 1_767_225_600_000
"""2026-01-01T00:00:00Z: when the first event of a past was written; each later one comes a second after."""


class Refusable:
    """What may have been refused."""

    refusal: Refused | None = None

    def refused(
        self, code: str, *, kind: RefusalKind | None = None, pointer: str | None = None, naming: str = ""
    ) -> None:
        """A rule says no, with this code; `naming` is something that the detail must name."""
        assert self.refusal is not None, f"not refused: {vars(self)}"
        assert self.refusal.code == code, f"refused otherwise: {self.refusal}"
        assert kind in (None, self.refusal.kind), f"of another kind: {self.refusal.kind}"
        assert pointer in (None, self.refusal.pointer), f"points elsewhere: {self.refusal.pointer!r}"
        assert naming in self.refusal.detail, f"does not name {naming!r}: {self.refusal.detail}"


class Answer(Refusable):
    """What a question came to: a reply, or a refusal."""

    def __init__(self, reply: object, refusal: Refused | None) -> None:
        self.reply = reply
        self.refusal = refusal

    def answered(self, reply: object) -> None:
        """Exactly this is the reply."""
        assert self.refusal is None, f"refused: {self.refusal}"
        assert self.reply == reply, f"the reply:\n  {self.reply}\nwhat it should have been:\n  {reply}"


class Outcome(Refusable):
    """What a decision came to: events, or a refusal."""

    def __init__(self, events: Sequence[Event], refusal: Refused | None) -> None:
        self.events = tuple(events)
        self.refusal = refusal

    def then(self, *events: Event) -> None:
        """Exactly these events follow, in this order."""
        assert self.refusal is None, f"refused: {self.refusal}"
        assert self.events == events, f"what followed:\n  {self.events}\nwhat should have:\n  {events}"

    def nothing(self) -> None:
        """It is so already: no event follows, and nothing is refused."""
        self.then()


def outcome_of(decide: Callable[[], Iterable[Event]], fold: Callable[[Event], object]) -> Outcome:
    """Run a decision, and fold what it yields: an event that cannot be folded is found here, not in production."""
    try:
        events = list(decide())
    except Refused as refusal:
        return Outcome((), refusal)
    for event in events:
        fold(event)
    return Outcome(events, None)


class Given(Generic[S]):
    """One aggregate with a past."""

    def __init__(self, evolve: Callable[[S | None, Any], S], past: Iterable[Event]) -> None:
        self._evolve = evolve
        self._known = second_parameter(evolve)
        self.state: S | None = None
        for event in past:
            self._fold(event)

    @overload
    def when(self, decide: Callable[[S | None, C], Iterable[Event]], command: C) -> Outcome: ...
    @overload
    def when(self, decide: Callable[[S | None, C, R1], Iterable[Event]], command: C, need: R1, /) -> Outcome: ...
    @overload
    def when(
        self, decide: Callable[[S | None, C, R1, R2], Iterable[Event]], command: C, need: R1, second: R2, /
    ) -> Outcome: ...
    @overload
    def when(
        self,
        decide: Callable[[S | None, C, R1, R2, R3], Iterable[Event]],
        command: C,
        need: R1,
        second: R2,
        third: R3,
        /,
    ) -> Outcome: ...
    def when(self, decide: Callable[..., Iterable[Event]], command: Command[Any], *needs: Any) -> Outcome:
        """Decide a command, with the answers it needs of other domains."""
        state = self.state
        return outcome_of(lambda: decide(state, command, *needs), self._fold)

    def _fold(self, event: Event) -> None:
        assert isinstance(event, self._known), f"{self._evolve.__module__} folds no {type(event).__name__}"
        self.state = self._evolve(self.state, event)


class GivenActor:
    """All aggregates of an actor with a past: for decisions over several of them."""

    def __init__(self, actor: Actor, past: Iterable[Event]) -> None:
        self._blueprint = draw(actor)
        self._decisions = {each.command: each for aggregate in actor.aggregates for each in aggregate.decisions}
        self._homes: Mapping[Any, Aggregate[Any]] = {
            each.command: aggregate for aggregate in actor.aggregates for each in aggregate.decisions
        }
        self._states: dict[Key, Any] = {}
        self._rows = Rows(actor)
        for event in past:
            self._fold(event)

    def asked(self, query: Query[Any]) -> Answer:
        """Ask a question of the views that the past makes."""
        for binding in self._blueprint.actor.answers:
            if binding.query is type(query):
                return answer_of(cast("Coroutine[Any, Any, object]", binding.answer(query, self._rows)))
        raise LookupError(f"{self._blueprint.name} does not answer {type(query).__name__}")

    def when(self, command: Command[Any], *consulted: Any) -> Outcome:
        """Decide a command on exactly those states whose keys it names, with what its port said where it asks one."""
        decision, aggregate = self._decisions[type(command)], self._homes[type(command)]
        if decision.keys is None:
            state = self._states.get(Key(aggregate.state, getattr(command, aggregate.key)))
            return outcome_of(lambda: decision.decide(state, command, *consulted), self._fold)
        keys = tuple(decision.keys(command))
        if decision.more_keys is not None:
            keys += tuple(decision.more_keys(self._seen(keys), command))
        return outcome_of(lambda: decision.decide(self._seen(keys), command, *consulted), self._fold)

    def state(self, state: type[S], entity_id: str) -> S | None:
        """Return what the past of one aggregate adds up to."""
        found: S | None = self._states.get(Key(state, entity_id))
        return found

    def _seen(self, keys: Iterable[Key]) -> States:
        return States({key: self._states.get(key) for key in keys})

    def _fold(self, event: Event) -> None:
        key = self._blueprint.key_of(event)
        self._states[key] = self._blueprint.aggregate_of[type(event)].evolve(self._states.get(key), event)
        self._rows.fold(event, key)


class Rows:
    """Implements `Read` over the views and inline rows of a past; never waits."""

    principal = Principal(subject="tester", roles=("service",))

    def __init__(self, actor: Actor) -> None:
        self._actor = actor
        self._followed = [(each, second_parameter(each.fold)) for each in actor.projections]
        self._rows: dict[type[Struct], dict[str, Any]] = {each.view: {} for each in actor.projections}
        self._inline: dict[str, list[Mapping[str, object]]] = {each.table: [] for each in actor.postings}
        self._versions: dict[Key, int] = {}
        self._at_ms = FIRST_MS

    def fold(self, event: Event, key: Key) -> None:
        self._versions[key] = self._versions.get(key, 0) + 1
        happened = Happened(str(key), self._versions[key], self._at_ms)
        self._at_ms += 1_000
        for projection, events in self._followed:
            if isinstance(event, events):
                rows = self._rows[projection.view]
                rows[key.id] = projection.fold(rows.get(key.id), event, happened)
        for posting in self._actor.postings:
            if type(event) is posting.event:
                self._inline[posting.table].extend(posting.rows(event))

    async def one(self, view: type[V], key: str, *, at_least_version: int = 0, current: bool = False) -> V:
        if key not in self._rows[view]:
            raise Refused(f"{snake_case(view.__name__).removesuffix('_view')}_unknown", kind="not_found")
        return cast("V", self._rows[view][key])

    async def many(self, view: type[V], keys: Iterable[str]) -> dict[str, V]:
        return {key: self._rows[view][key] for key in keys if key in self._rows[view]}

    async def page(
        self, view: type[V], where: Mapping[str, str | None], *, cursor: str, limit: int, newest_first: bool = False
    ) -> Page[V]:
        projection = next(each for each in self._actor.projections if each.view is view)
        assert set(where) <= set(projection.fields), f"{view.__name__} cannot be asked by {set(where)}"
        rows = [row for _, row in sorted(self._rows[view].items())]
        rows.sort(key=lambda row: getattr(row, projection.sort) if projection.sort else "", reverse=newest_first)
        found = [row for row in rows if all(value in (None, getattr(row, name)) for name, value in where.items())]
        start = int(cursor or 0)
        return Page(tuple(found[start : start + limit]), str(start + limit) if start + limit < len(found) else "")

    async def inline(self, table: str, where: Mapping[str, object], *, limit: int) -> tuple[Mapping[str, object], ...]:
        found = [row for row in self._inline[table] if all(row[name] == value for name, value in where.items())]
        return tuple(found[:limit])


def answer_of(answering: Coroutine[Any, Any, object]) -> Answer:
    """Run an answer that never waits to its end, without an event loop."""
    try:
        answering.send(None)
    except StopIteration as end:
        return Answer(end.value, None)
    except Refused as refusal:
        return Answer(None, refusal)
    raise AssertionError("an answer may wait for its reads only, and these never wait")


def given(evolve: Callable[[S | None, Any], S], *past: Event) -> Given[S]:
    """Fold the past of one aggregate; an event that is not of it is an error."""
    return Given(evolve, past)


def given_actor(actor: Actor, *past: Event) -> GivenActor:
    """Fold the past of all aggregates of an actor."""
    return GivenActor(actor, past)
