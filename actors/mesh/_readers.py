"""Who reads an event and who sends a command or a query, as the actors' tables declare it; nobody lists it by hand."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from types import ModuleType
from typing import Any, Literal, NamedTuple, get_args, get_type_hints

from actors.mesh._actor import Actor, Performance
from actors.mesh._blueprint import second_parameter, view_name
from actors.mesh._saga import Saga
from schemas.message import Command, Message, Query, snake_case, wire_name

Part = Literal[
    "state", "view", "saga", "reaction", "performer", "rows", "claim", "timer", "need", "route", "topic"
]  # fmt: skip
"""Which part of a table it is. Routes and topics are the gateway's."""

Function = Callable[..., Any]


class Reader(NamedTuple):
    """One part of a domain that reads a message, or makes it and sends it, and the functions that do."""

    domain: str
    part: Part
    name: str  # 'order_view', 'order_fulfilment', 'capture'
    message: type[Message]
    functions: tuple[Function, ...] = ()
    also: frozenset[str] = frozenset()  # fields it reads besides what its functions mention


def readers(actor: Actor) -> Iterator[Reader]:
    """Yield everything that reads an event in one domain, its own events and those of others."""
    name = actor.name
    for aggregate in actor.aggregates:
        for event in second_parameter(aggregate.evolve):
            state = snake_case(aggregate.state.__name__)
            yield Reader(name, "state", state, event, (aggregate.evolve,), frozenset({aggregate.key}))
    for projection in actor.projections:
        for event in second_parameter(projection.fold):
            yield Reader(name, "view", view_name(projection), event, (projection.fold,))
    for work in actor.performances:
        yield Reader(name, "performer", work.do.__name__, work.event, functions_of(work))
    for reaction in actor.reactions:
        yield Reader(name, "reaction", reaction.react.__name__, reaction.event, (reaction.react,))
    for posting in actor.postings:
        yield Reader(name, "rows", posting.table, posting.event, (posting.rows,))
    for claim in actor.claims:
        chosen = tuple(choose for choose in (claim.takes, claim.frees) if choose is not None)
        yield Reader(name, "claim", claim.scope, claim.event, chosen)
    for timer in actor.timers:
        yield Reader(name, "timer", timer.then.__name__, timer.event, (timer.then,))
    for saga in actor.sagas:
        for event in saga.events:
            yield Reader(name, "saga", saga.name, event, steps_of(saga), frozenset({saga.key}))


def senders(actor: Actor) -> Iterator[Reader]:
    """Yield everything in one domain that makes a command or a query, by what its function says to return."""
    made: list[tuple[Part, str, Function]] = []
    for aggregate in actor.aggregates:
        for decision in aggregate.decisions:
            made += [("need", wire_name(decision.command), need) for need in decision.needs]
    for work in actor.performances:
        made += [("performer", work.do.__name__, function) for function in functions_of(work)]
    made += [("reaction", reaction.react.__name__, reaction.react) for reaction in actor.reactions]
    made += [("timer", timer.then.__name__, timer.then) for timer in actor.timers]
    for saga in actor.sagas:
        made += [("saga", saga.name, function) for function in steps_of(saga)]
    seen: set[tuple[Part, str, type[Message]]] = set()
    for part, name, function in made:
        for message in returned(function):
            if (part, name, message) not in seen:
                seen.add((part, name, message))
                yield Reader(actor.name, part, name, message, (function,))


def functions_of(work: Performance) -> tuple[Function, ...]:
    return tuple(function for function in (work.do, work.ask, work.gives_up) if function is not None)


def steps_of(saga: Saga[Any]) -> tuple[Function, ...]:
    """Return every function of a saga that makes a command."""
    named = [function for step in saga.steps for function in (step.do, step.undo)]
    return tuple(function for function in (*named, saga.on_refusal) if function is not None)


def returned(function: Function) -> tuple[type[Message], ...]:
    """Return the commands and queries that a function's annotation says it makes."""
    hint = get_type_hints(function).get("return")
    return tuple(
        part
        for part in (hint, *get_args(hint))
        if isinstance(part, type) and issubclass(part, (Command, Query)) and part not in (Command, Query)
    )


def fields_read(reader: Reader) -> tuple[str, ...]:
    """Return the fields of a message that a reader's code names, in their order: what it would miss if it were gone.

    The code is read, not run: a field that is got at by a computed name is not seen.
    """
    named = set(reader.also)
    for function in reader.functions:
        named |= names_in(function)
    return tuple(field for field in reader.message.__struct_fields__ if field in named)


@cache
def names_in(function: Function) -> frozenset[str]:
    """Return every attribute and keyword that a function names, and those it calls in services of ours."""
    found: set[str] = set()
    waiting, seen = [function], set[Any]()
    while waiting:
        one = inspect.unwrap(waiting.pop())
        if one in seen:
            continue
        seen.add(one)
        tree = parsed(one)
        for node in ast.walk(tree) if tree is not None else ():
            match node:
                case ast.Attribute(attr=name):
                    found.add(name)
                case ast.keyword(arg=str(name)):
                    found.add(name)
                case ast.MatchClass(kwd_attrs=names):
                    found |= set(names)
                case ast.Constant(value=str(name)):
                    found.add(name)
        waiting += called(one, tree)
    return frozenset(found)


def parsed(function: Function) -> ast.AST | None:
    try:
        return ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):
        return None


def called(function: Function, tree: ast.AST | None) -> Iterator[Function]:
    """Yield the functions of services that a function names, directly, in a module or in a table."""
    scope: Mapping[str, Any] = getattr(function, "__globals__", {})
    for node in ast.walk(tree) if tree is not None else ():
        value: Any = None
        if isinstance(node, ast.Name):
            value = scope.get(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            module = scope.get(node.value.id)
            value = getattr(module, node.attr, None) if isinstance(module, ModuleType) else None
        yield from ours(value)


def ours(value: Any) -> Iterator[Function]:
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from ours(inner)
    elif isinstance(value, tuple):
        for inner in value:
            yield from ours(inner)
    elif inspect.isfunction(value):
        module = value.__module__
        if module.startswith("actors.") and not module.startswith("actors.mesh."):
            yield value
