"""The messages of the contract by any name a person may give: `GetOrder`, `get_order`, `orders.query.get_order`."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache

import schemas
from cli.reaching import Misused
from schemas.message import Command, Event, Message, Query, domain_of, subject_of, wire_name

KINDS = (Message, Command, Query, Event)
NEAR_MAX = 3


@cache
def messages() -> Mapping[str, type[Message]]:
    """Return every message by its subject without key."""
    modules = [importlib.import_module(f"schemas.{found.name}") for found in pkgutil.iter_modules(schemas.__path__)]
    return {
        subject_of(value): value
        for module in modules
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Message) and value.__module__ == module.__name__
        if value not in KINDS
    }


def domains() -> tuple[str, ...]:
    """Return every domain that takes messages, in order."""
    return tuple(sorted({domain_of(kind) for kind in messages().values() if not issubclass(kind, Event)}))


def asked() -> tuple[type[Message], ...]:
    """Return what can be asked: commands and queries."""
    return tuple(kind for kind in messages().values() if not issubclass(kind, Event))


def names_of(kind: type[Message]) -> tuple[str, ...]:
    """Return every name of a message, the usual one first."""
    domain, wire = domain_of(kind), wire_name(kind)
    return (kind.__name__, subject_of(kind), f"{domain}.{wire}", wire)


def message_named(name: str) -> type[Message]:
    """Return the command or query of a name; raise `Misused` with those that look like it."""
    by_name = {each.lower(): kind for kind in asked() for each in names_of(kind)}
    found = by_name.get(name.lower())
    if found is not None:
        return found
    near = dict.fromkeys(by_name[each].__name__ for each in get_close_matches(name.lower(), by_name, 8, 0.6))
    hint = f"did you mean {' or '.join([*near][:NEAR_MAX])}?" if near else "`mesh call --list` shows all"
    raise Misused(f"There is no command or query {name!r}: {hint}")


def domain_named(name: str) -> str:
    """Return the domain of a name; raise `Misused` naming all."""
    if name in domains():
        return name
    near = get_close_matches(name, domains(), 1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(domains())}"
    raise Misused(f"There is no domain {name!r}: {hint}")


def complete_message(incomplete: str) -> list[tuple[str, str]]:
    """Return what a shell may complete to a message."""
    given = incomplete.lower()
    found = [(name, kind) for kind in asked() for name in names_of(kind)[:2] if name.lower().startswith(given)]
    return [(name, first_sentence(kind)) for name, kind in found]


def complete_domain(incomplete: str) -> list[str]:
    """Return what a shell may complete to a domain."""
    return [domain for domain in domains() if domain.startswith(incomplete)]


def first_sentence(kind: type[Message]) -> str:
    return (kind.__doc__ or "").partition("\n")[0]
