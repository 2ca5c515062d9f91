"""How a domain fills its tables: typed functions, so that what does not fit together is a type error."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, overload

from msgspec import Struct
from typing_extensions import TypeVar

from actors.mesh._actor import (
    Answers,
    Claim,
    Consult,
    Consulting,
    Decision,
    Happened,
    Key,
    Performance,
    Posting,
    Projection,
    Reaction,
    Read,
    Retries,
    States,
    Store,
    Timer,
)
from schemas.message import Command, Event, Query

S = TypeVar("S")
C = TypeVar("C", bound=Command[Any])
E = TypeVar("E", bound=Event)
V = TypeVar("V", bound=Struct)
P = TypeVar("P")
R = TypeVar("R")
R1 = TypeVar("R1")
R2 = TypeVar("R2")
R3 = TypeVar("R3")
X = TypeVar("X")

Replies = Callable[[Any, Any, Any], Any] | None
"""From the state (or states) after the command, the command and what was consulted to the reply.

That its result is the command's reply is checked when the process starts, for no type of Python says it.
"""


@overload
def decides(
    command: type[C],
    decide: Callable[[States, C], Iterable[Event]],
    *,
    keys: Callable[[C], Iterable[Key]],
    more_keys: Callable[[States, C], Iterable[Key]] | None = None,
    replies: Replies = None,
) -> Decision[Any]: ...
@overload
def decides(
    command: type[C],
    decide: Callable[[States, C, X], Iterable[Event]],
    *,
    keys: Callable[[C], Iterable[Key]],
    more_keys: Callable[[States, C], Iterable[Key]] | None = None,
    consults: Consult[C, X],
    replies: Replies = None,
    remember: bool = True,
) -> Decision[Any]: ...
@overload
def decides(
    command: type[C],
    decide: Callable[[States, C, R1], Iterable[Event]],
    *,
    keys: Callable[[C], Iterable[Key]],
    needs: tuple[Callable[[C], Query[R1]]],
    replies: Replies = None,
) -> Decision[Any]: ...
@overload
def decides(
    command: type[C],
    decide: Callable[[States, C, R1, X], Iterable[Event]],
    *,
    keys: Callable[[C], Iterable[Key]],
    needs: tuple[Callable[[C], Query[R1]]],
    consults: Consult[C, X],
    replies: Replies = None,
    remember: bool = True,
) -> Decision[Any]: ...
@overload
def decides(
    command: type[C], decide: Callable[[S | None, C], Iterable[Event]], *, replies: Replies = None
) -> Decision[S]: ...
@overload
def decides(
    command: type[C],
    decide: Callable[[S | None, C, X], Iterable[Event]],
    *,
    consults: Consult[C, X],
    replies: Replies = None,
    remember: bool = True,
) -> Decision[S]: ...
@overload
def decides(
    command: type[C],
    decide: Callable[[S | None, C, R1], Iterable[Event]],
    *,
    needs: tuple[Callable[[C], Query[R1]]],
    replies: Replies = None,
) -> Decision[S]: ...
@overload
def decides(
    command: type[C],
    decide: Callable[[S | None, C, R1, X], Iterable[Event]],
    *,
    needs: tuple[Callable[[C], Query[R1]]],
    consults: Consult[C, X],
    replies: Replies = None,
    remember: bool = True,
) -> Decision[S]: ...
@overload
def decides(
    command: type[C],
    decide: Callable[[S | None, C, R1, R2], Iterable[Event]],
    *,
    needs: tuple[Callable[[C], Query[R1]], Callable[[C], Query[R2]]],
    replies: Replies = None,
) -> Decision[S]: ...
@overload
def decides(
    command: type[C],
    decide: Callable[[S | None, C, R1, R2, R3], Iterable[Event]],
    *,
    needs: tuple[Callable[[C], Query[R1]], Callable[[C], Query[R2]], Callable[[C], Query[R3]]],
    replies: Replies = None,
) -> Decision[S]: ...
def decides(
    command: Any,
    decide: Any,
    *,
    needs: Any = (),
    keys: Any = None,
    more_keys: Any = None,
    consults: Any = None,
    replies: Any = None,
    remember: bool = True,
) -> Any:
    """Bind a command to the pure function that decides it.

    `needs`: at most three functions from the command to a query of another domain, whose replies are handed on.
    `keys`, `more_keys`: the aggregates a command over several touches, and those that only their states name.
    `consults`: what a port is asked beforehand; its answer comes last. `replies`: makes the reply of a command that
    names one. `remember=False`: the reply holds a secret, so a repeat is refused (`command_done`), not replayed; such
    a reply may also be a `Refused` raised, which is told after the events are written.
    """
    return Decision(command, decide, tuple(needs), keys, more_keys, consults, replies, remember)


@overload
def consults(port: type[P], ask: Callable[[P, C, States, Consulting], Awaitable[X]]) -> Consult[C, X]: ...
@overload
def consults(port: type[P], ask: Callable[[P, C, S | None, Consulting], Awaitable[X]]) -> Consult[C, X]: ...
def consults(port: Any, ask: Any) -> Any:
    """Bind what a decision must know of the world to the port that knows it.

    `ask(port, command, state, look)` gets the aggregate as it is (`States` where the command is over several) and may
    refuse. It changes nothing: the decision may be tried again, or never be written.
    """
    return Consult(port, ask)


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
    queue: str = "effects",
    retries: Retries | None = None,
    gives_up: Callable[[E, str], Command[Any]] | None = None,
) -> Performance:
    """Bind an event to work outside.

    `do(port, event, effect_id)` does it once and says what came of it; `ask` finds out what came of an earlier try,
    `None` where the outside knows nothing of it. `effect_id` is the idempotency key to hand over.
    `gives_up(event, reason)` makes the command that tells the domain after the last of `retries`; its id is another
    than an outcome's, so that the domain hears of an outcome that comes later still.
    """
    return Performance(event, port, do, ask, queue, retries, gives_up)


def reacts(event: type[E], react: Callable[[E, Happened], Command[Any] | None]) -> Reaction:
    """Bind an event of another domain to a command of ours; what happened gives a new entity an id that repeats."""
    return Reaction(event, react)


def posts(event: type[E], table: str, rows: Callable[[E], Iterable[Mapping[str, object]]]) -> Posting:
    """Bind an event to rows written in its own transaction."""
    return Posting(event, table, rows)


def claims(
    event: type[E],
    scope: str,
    *,
    takes: Callable[[E], str | None] | None = None,
    frees: Callable[[E], str | None] | None = None,
) -> Claim:
    """Bind an event to a unique value that its entity takes or gives back; the functions normalise it, None is none."""
    return Claim(event, scope, takes, frees)


def after(event: type[E], delay_seconds: float, then: Callable[[E], Command[Any]]) -> Timer:
    """Bind an event to a command that follows later."""
    return Timer(event, delay_seconds, then)
