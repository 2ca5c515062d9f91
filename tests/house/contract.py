"""The contract and the actors as the tests find them: by looking, so that nothing has to be registered twice."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from types import ModuleType
from typing import Any

import actors
import schemas
from actors.mesh import Actor
from schemas.message import Command, Event, Message, Query

KINDS = (Message, Command, Query, Event)


def schema_modules() -> tuple[ModuleType, ...]:
    """Return every module of the contract."""
    return tuple(importlib.import_module(f"schemas.{found.name}") for found in pkgutil.iter_modules(schemas.__path__))


@cache
def messages() -> tuple[type[Message], ...]:
    """Return every message of the contract, by domain, then as they stand in the file."""
    return tuple(
        value
        for module in schema_modules()
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, Message)
        and value not in KINDS
        and value.__module__ == module.__name__
    )


def of_kind(kind: type[Message]) -> tuple[type[Message], ...]:
    """Return the messages of one kind."""
    return tuple(message for message in messages() if issubclass(message, kind))


@cache
def found_actors() -> tuple[Actor, ...]:
    """Return the actor of every package of services."""
    packages = [found.name for found in pkgutil.iter_modules(actors.__path__) if found.ispkg and found.name != "mesh"]
    found: list[Any] = [importlib.import_module(f"actors.{name}").actor for name in packages]
    assert all(isinstance(actor, Actor) for actor in found), packages
    return tuple(found)
