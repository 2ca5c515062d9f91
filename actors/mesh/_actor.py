"""An actor, as data: which messages it takes and which functions answer them. Declarations only."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Literal, NamedTuple, Protocol, cast, overload

from msgspec import Struct
from typing_extensions import TypeVar

from actors.mesh._saga import Saga
from schemas.message import Command, Event, Query, snake_case
from schemas.principal import Principal

S = TypeVar("S")
C = TypeVar("C", bound=Command[Any])
E = TypeVar("E", bound=Event)
V = TypeVar("V", bound=Struct)
P = TypeVar("P")
R = TypeVar("R")
R1 = TypeVar("R1")
R2 = TypeVar("R2")
R3 = TypeVar("R3")

Store = Literal["default", "redis"]
"""Where a view lives: the domain's read-model store, or Redis for what must be answered hot."""


class Key(NamedTuple):
    """One aggregate: the type of its state and its id. In the journal: `order/0192...`."""

    state: type[Any]
    id: str

    def __str__(self) -> str:
        return f"{snake_case(self.state.__name__)}/{self.id}"


class States(Mapping[Key, Any]):
    """The states a decision over several aggregates sees; `None` where there is no history."""

    def __init__(self, states: Mapping[Key, Any]) -> None:
        self._states = states

    def of(self, state: type[S], entity_id: str) -> S | None:
        """Return the state of one aggregate."""
        return cast("S | None", self._states[Key(state, entity_id)])

    def __getitem__(self, key: Key) -> Any:
        return self._states[key]

    def __iter__(self) -> Iterator[Key]:
        return iter(self._states)

    def __len__(self) -> int:
        return len(self._states)


class Happened(NamedTuple):
    """When and where an event was written. `at_ms` is Unix milliseconds."""

    key: str
    version: int
    at_ms: int


class Page(NamedTuple, Generic[V]):
    """Rows in order; `next_cursor` is empty at the end."""

    rows: tuple[V, ...]
    next_cursor: str


class Read(Protocol):
    """How a query reaches its read models."""

    @property
    def principal(self) -> Principal:
        """Who is asking."""
        ...

    async def one(self, view: type[V], key: str, *, at_least_version: int = 0) -> V:
        """Return the row, or refuse with `<view>_unknown`; waits, bounded, until it shows that version."""
        ...

    async def many(self, view: type[V], keys: Iterable[str]) -> dict[str, V]:
        """Return the rows that exist."""
        ...

    async def page(
        self, view: type[V], where: Mapping[str, str | None], *, cursor: str, limit: int, newest_first: bool = False
    ) -> Page[V]:
        """Return rows equal in all fields that are given (not None)."""
        ...

    async def inline(self, table: str, where: Mapping[str, object], *, limit: int) -> tuple[Mapping[str, object], ...]:
        """Return rows of an inline table of this domain."""
        ...


@dataclass(frozen=True, slots=True)
class Decision(Generic[S]):
    """A command and the pure function that decides it."""

    command: type[Command[Any]]
    decide: Callable[..., Iterable[Event]]
    needs: tuple[Callable[[Any], Query[Any]], ...] = ()
    keys: Callable[[Any], Iterable[Key]] | None = None
    more_keys: Callable[[Any, Any], Iterable[Key]] | None = None
    _state: Callable[[S], S] | None = None


@dataclass(frozen=True, slots=True)
class Aggregate(Generic[S]):
    """An entity with a history: its state, the field that names it, its fold, and what can be asked of it.

    Which events it has is read off the annotation of `evolve`'s second parameter.
    """

    state: type[S]
    key: str
    evolve: Callable[[S | None, Any], S]
    decisions: tuple[Decision[S], ...] = ()


@dataclass(frozen=True, slots=True)
class Answers:
    """A query and the function that answers it."""

    query: type[Query[Any]]
    answer: Callable[[Any, Read], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Projection:
    """A read model: the type of its rows, and how one event changes one row.

    Which events it follows is read off the annotation of the fold's second parameter; all belong to one aggregate.
    """

    view: type[Struct]
    fold: Callable[[Any, Any, Happened], Any]
    fields: tuple[str, ...] = ()
    sort: str = ""
    store: Store = "default"


@dataclass(frozen=True, slots=True)
class Performance:
    """Work in the outside world that an event asks for."""

    event: type[Event]
    port: type[Any]
    do: Callable[[Any, Any, str], Awaitable[Command[Any]]]
    ask: Callable[[Any, Any, str], Awaitable[Command[Any] | None]]


@dataclass(frozen=True, slots=True)
class Reaction:
    """An event of another domain that becomes a command of ours."""

    event: type[Event]
    react: Callable[[Any], Command[Any] | None]


@dataclass(frozen=True, slots=True)
class Posting:
    """Rows of an inline table, written in the event's own transaction. `<table>.sql` stands beside the domain."""

    event: type[Event]
    table: str
    rows: Callable[[Any], Iterable[Mapping[str, object]]]


@dataclass(frozen=True, slots=True)
class Timer:
    """A command that follows an event after a while."""

    event: type[Event]
    delay_seconds: float
    then: Callable[[Any], Command[Any]]


@dataclass(frozen=True, slots=True)
class Actor:
    """One domain's actor: everything it does, on one screen."""

    name: str
    aggregates: tuple[Aggregate[Any], ...] = ()
    answers: tuple[Answers, ...] = ()
    projections: tuple[Projection, ...] = ()
    performances: tuple[Performance, ...] = ()
    reactions: tuple[Reaction, ...] = ()
    postings: tuple[Posting, ...] = ()
    timers: tuple[Timer, ...] = ()
    sagas: tuple[Saga[Any], ...] = ()
    private: tuple[type[Event], ...] = ()


@overload
def decides(
    command: type[C],
    decide: Callable[[States, C], Iterable[Event]],
    *,
    keys: Callable[[C], Iterable[Key]],
    more_keys: Callable[[States, C], Iterable[Key]] | None = None,
) -> Decision[Any]: ...
@overload
def decides(command: type[C], decide: Callable[[S | None, C], Iterable[Event]]) -> Decision[S]: ...
@overload
def decides(
    command: type[C],
    decide: Callable[[S | None, C, R1], Iterable[Event]],
    *,
    needs: tuple[Callable[[C], Query[R1]]],
) -> Decision[S]: ...
@overload
def decides(
    command: type[C],
    decide: Callable[[S | None, C, R1, R2], Iterable[Event]],
    *,
    needs: tuple[Callable[[C], Query[R1]], Callable[[C], Query[R2]]],
) -> Decision[S]: ...
@overload
def decides(
    command: type[C],
    decide: Callable[[S | None, C, R1, R2, R3], Iterable[Event]],
    *,
    needs: tuple[Callable[[C], Query[R1]], Callable[[C], Query[R2]], Callable[[C], Query[R3]]],
) -> Decision[S]: ...
def decides(command: Any, decide: Any, *, needs: Any = (), keys: Any = None, more_keys: Any = None) -> Any:
    """Bind a command to the pure function that decides it.

    `needs`: at most three functions from the command to a query of another domain, whose replies are handed on.
    `keys`, `more_keys`: the aggregates a command over several touches, and those that only their states name.
    """
    return Decision(command, decide, tuple(needs), keys, more_keys)


def answers(query: type[Query[R]], answer: Callable[[Any, Read], Awaitable[R]]) -> Answers:
    """Bind a query to the function that answers it.

    A wrong reply is a type error; that the function takes this query is checked when the process starts, because no
    type of Python relates a class to both its base's parameter and a function's argument.
    """
    return Answers(query, answer)


def projects(
    view: type[V],
    fold: Callable[[V | None, E, Happened], V],
    *,
    fields: tuple[str, ...] = (),
    sort: str = "",
    store: Store = "default",
) -> Projection:
    """Bind a read model to its fold; `fields` are what pages can be asked by, `sort` orders them."""
    return Projection(view, fold, fields, sort, store)


def performs(
    event: type[E],
    *,
    port: type[P],
    do: Callable[[P, E, str], Awaitable[Command[Any]]],
    ask: Callable[[P, E, str], Awaitable[Command[Any] | None]],
) -> Performance:
    """Bind an event to work outside.

    `do(port, event, effect_id)` does it once and says what came of it; `ask` finds out what came of an earlier try,
    `None` where the outside knows nothing of it. `effect_id` is the idempotency key to hand over.
    """
    return Performance(event, port, do, ask)


def reacts(event: type[E], react: Callable[[E], Command[Any] | None]) -> Reaction:
    """Bind an event of another domain to a command of ours."""
    return Reaction(event, react)


def posts(event: type[E], table: str, rows: Callable[[E], Iterable[Mapping[str, object]]]) -> Posting:
    """Bind an event to rows written in its own transaction."""
    return Posting(event, table, rows)


def after(event: type[E], delay_seconds: float, then: Callable[[E], Command[Any]]) -> Timer:
    """Bind an event to a command that follows later."""
    return Timer(event, delay_seconds, then)
