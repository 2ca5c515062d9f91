"""One grammar for all names: commands ask, events tell what was done, queries look, refusals name a state."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from schemas.message import Command, Event, Message, Query, snake_case
from tests.house.contract import found_actors, messages, of_kind
from tests.house.source import Module, dotted, modules

VERBS = frozenset({
    "add", "archive", "authorise", "cancel", "capture", "change", "commit", "confirm", "deactivate", "expire",
    "log", "mark", "place", "receive", "record", "refresh", "refund", "register", "release", "remove", "request",
    "resend", "reserve", "return", "revoke", "set", "update", "verify", "void",
})  # fmt: skip
"""The verbs in use: before a new one, see whether one of these says it."""

IRREGULAR = frozenset(
    {"done", "held", "taken", "sent", "begun", "put", "lost", "found", "paid", "sold", "built", "set", "won", "read"}
)
"""Participles that do not end in -ed."""

STATES = frozenset({
    "empty", "exists", "full", "insufficient", "invalid", "large", "long", "many", "mismatch", "missing", "sensitive",
    "unavailable", "unknown", "unreadable",
})  # fmt: skip
"""What a refusal may end in besides a participle."""

VIEWS_NAMED_OTHERWISE = frozenset({"Availability", "Standing"})  # numbers rather than entities; nothing personal
CODE = re.compile(r"[a-z]+(_[a-z]+)+")


def words(message: type[Message]) -> list[str]:
    return snake_case(message.__name__).split("_")


def is_participle(word: str) -> bool:
    return word.endswith("ed") or word in IRREGULAR


@pytest.mark.parametrize("command", of_kind(Command), ids=lambda message: message.__name__)
def test_a_command_is_a_verb_and_a_noun(command: type[Message]) -> None:
    verb, *noun = words(command)
    assert verb in VERBS, f"{command.__name__} begins with no verb we know: use one of {sorted(VERBS)}, or add it there"
    assert noun, f"{command.__name__}: say what is to be changed, as in PlaceOrder"


@pytest.mark.parametrize("event", of_kind(Event), ids=lambda message: message.__name__)
def test_an_event_is_a_noun_and_a_participle(event: type[Message]) -> None:
    *noun, participle = words(event)
    assert is_participle(participle), f"{event.__name__}: end in what was done (OrderPlaced), or extend IRREGULAR"
    assert noun, f"{event.__name__}: say what it happened to, as in OrderPlaced"


@pytest.mark.parametrize("query", of_kind(Query), ids=lambda message: message.__name__)
def test_a_query_gets_one_or_lists_many(query: type[Message]) -> None:
    verb, *noun = words(query)
    assert verb in ("get", "list"), f"{query.__name__}: begin with Get (one) or List (pages)"
    assert noun, f"{query.__name__}: say what is asked for, as in GetOrder"


def test_no_two_messages_share_a_name() -> None:
    names = [message.__name__ for message in messages()]
    assert sorted(names) == sorted(set(names)), "a name is a map through all layers: one grep must show one feature"


def test_a_view_is_called_view() -> None:
    views = {projection.view.__name__ for actor in found_actors() for projection in actor.projections}
    wrong = {name for name in views if not name.endswith("View")} - VIEWS_NAMED_OTHERWISE
    assert not wrong, f"{wrong}: end in View; the check of personal fields goes by it"


def refusal_codes(module: Module) -> Iterator[tuple[str, int]]:
    """Return the codes a module refuses with: where they are given, and as the constants its tables are made of."""
    for node in ast.walk(module.tree):
        match node:
            case ast.Call(func=function, args=[ast.Constant(value=str(code)), *_]) if dotted(function) == "Refused":
                yield code, node.lineno
            case ast.Call(func=function, args=[_, ast.Constant(value=str(code)), *_]) if (
                dotted(function) == "HttpProblem"
            ):
                yield code, node.lineno
            case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Tuple(elts=values)):
                yield from (code for name, value in zip(names, values, strict=False) for code in constant(name, value))
            case ast.Assign(targets=[ast.Name() as name], value=value):
                yield from constant(name, value)


def constant(name: ast.expr, value: ast.expr) -> Iterator[tuple[str, int]]:
    match value:
        case ast.Constant(value=str(text)) if dotted(name).isupper() and CODE.fullmatch(text):
            yield text, value.lineno


def test_a_refusal_is_a_noun_and_its_state() -> None:
    found = [(code, f"{module.path}:{line}") for module in modules("actors") for code, line in refusal_codes(module)]
    assert any(code == "order_unknown" for code, _ in found), "the codes were not found any more: mend refusal_codes()"
    wrong = [
        f"{place} {code}"
        for code, place in found
        if not CODE.fullmatch(code) or not (is_participle(last := code.rpartition("_")[2]) or last in STATES)
    ]
    assert not wrong, "write noun_state, as in order_unknown, or extend STATES:\n" + "\n".join(wrong)
