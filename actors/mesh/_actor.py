"""An actor, as data: which messages it takes and which functions answer them. Declarations only."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Literal, NamedTuple, Protocol, cast

from msgspec import Struct
from typing_extensions import TypeVar

from actors.mesh._saga import Saga
from schemas.message import Command, Event, Query, snake_case
from schemas.principal import Principal

S = TypeVar("S")
C = TypeVar("C", bound=Command[Any], contravariant=True)
V = TypeVar("V", bound=Struct)
X = TypeVar("X", covariant=True)

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

    async def one(self, view: type[V], key: str, *, at_least_version: int = 0, current: bool = False) -> V:
        """Return the row, or refuse with `<view>_unknown`; waits, bounded, until it shows that version.

        `current`: as of now, at the price of one look into the journal: for what others decide by.
        """
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


class Consulting(Protocol):
    """What a consultation may look at besides its port and the state of the command's own aggregate."""

    @property
    def now_ms(self) -> int:
        """Unix time in milliseconds."""
        ...

    @property
    def principal(self) -> Principal:
        """Who sent the command."""
        ...

    async def state(self, state: type[S], entity_id: str) -> S | None:
        """Return another aggregate of this domain as it is now; nothing keeps it so."""
        ...

    async def held(self, state: type[S], entity_id: str) -> S | None:
        """Return another aggregate that stays so until the command is written, and may get events of it.

        The first time it is asked for, the consultation ends there and begins anew with that key held.
        """
        ...

    async def claimed(self, scope: str, value: str) -> str | None:
        """Return the id of the entity that holds a unique value."""
        ...


@dataclass(frozen=True, slots=True)
class Consult(Generic[C, X]):
    """What a port is asked before a decision: the clock, fresh tokens, whether a password fits.

    It is asked while the command holds its keys, anew at each attempt, and what it says is not kept.
    """

    port: type[Any]
    ask: Callable[[Any, C, Any, Consulting], Awaitable[X]]


@dataclass(frozen=True, slots=True)
class Decision(Generic[S]):
    """A command and the pure function that decides it."""

    command: type[Command[Any]]
    decide: Callable[..., Iterable[Event]]
    needs: tuple[Callable[[Any], Query[Any]], ...] = ()
    keys: Callable[[Any], Iterable[Key]] | None = None
    more_keys: Callable[[Any, Any], Iterable[Key]] | None = None
    consults: Consult[Any, Any] | None = None
    replies: Callable[[Any, Any, Any], Any] | None = None
    remember: bool = True
    _state: Callable[[S], S] | None = None


@dataclass(frozen=True, slots=True)
class Aggregate(Generic[S]):
    """An entity with a history: its state, the field that names it, its fold, and what can be asked of it.

    Which events it has is read off the annotation of `evolve`'s second parameter. `owner` is the field of the state
    that names the person whose entity it is; every event carries that person in a header.
    """

    state: type[S]
    key: str
    evolve: Callable[[S | None, Any], S]
    decisions: tuple[Decision[S], ...] = ()
    owner: str = ""


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


class Retries(NamedTuple):
    """How often and how far apart work outside is tried: full jitter under a doubling bound, then given up."""

    attempts_max: int
    first_seconds: float
    longest_seconds: float


@dataclass(frozen=True, slots=True)
class Performance:
    """Work in the outside world that an event asks for.

    `queue` names the work queue it waits in, one consumer for all that share the name. With `retries` it is given up
    after so many attempts: its event becomes a dead letter, and `gives_up` says what that means to the domain.
    """

    event: type[Event]
    port: type[Any]
    do: Callable[[Any, Any, str], Awaitable[Command[Any]]]
    ask: Callable[[Any, Any, str], Awaitable[Command[Any] | None]]
    queue: str = "effects"
    retries: Retries | None = None
    gives_up: Callable[[Any, str], Command[Any]] | None = None


@dataclass(frozen=True, slots=True)
class Reaction:
    """An event of another domain that becomes a command of ours."""

    event: type[Event]
    react: Callable[[Any, Happened], Command[Any] | None]


@dataclass(frozen=True, slots=True)
class Posting:
    """Rows of an inline table, written in the event's own transaction. `<table>.sql` stands beside the domain."""

    event: type[Event]
    table: str
    rows: Callable[[Any], Iterable[Mapping[str, object]]]


@dataclass(frozen=True, slots=True)
class Claim:
    """A value that one entity alone may hold ("this e-mail has one user"), kept as a blind index with the event.

    An event that takes what another entity holds refuses its command: `<scope>_taken`.
    """

    event: type[Event]
    scope: str
    takes: Callable[[Any], str | None] | None = None
    frees: Callable[[Any], str | None] | None = None


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
    claims: tuple[Claim, ...] = ()
    timers: tuple[Timer, ...] = ()
    sagas: tuple[Saga[Any], ...] = ()
    private: tuple[type[Event], ...] = ()
