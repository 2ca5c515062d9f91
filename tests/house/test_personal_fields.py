"""Personal fields of what is stored can hold ciphertext, and every mark names a person."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec
import pytest

import schemas
from actors.mesh._personal import Inside, check_personal, personal_fields
from schemas.message import Event, Message


def structs() -> list[type[msgspec.Struct]]:
    """Every struct of the contract."""
    modules = [importlib.import_module(f"schemas.{found.name}") for found in pkgutil.iter_modules(schemas.__path__)]
    found = {
        value
        for module in modules
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, msgspec.Struct) and value.__module__ == module.__name__
    }
    return sorted(found, key=lambda struct: (struct.__module__, struct.__name__))


def is_stored(struct: type[msgspec.Struct]) -> bool:
    return issubclass(struct, Event) or struct.__name__.endswith("View")


def limits(hint: Any) -> list[msgspec.Meta]:
    """What constrains a type, wherever in it."""
    marks = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    return [mark for mark in marks if isinstance(mark, msgspec.Meta)] + [
        limit for part in get_args(hint) for limit in limits(part)
    ]


NAMED = [struct for struct in structs() if issubclass(struct, Message) or is_stored(struct)]


@pytest.mark.parametrize("struct", NAMED, ids=lambda struct: struct.__name__)
def test_every_mark_names_a_field_of_the_outermost_struct(struct: type[msgspec.Struct]) -> None:
    check_personal(struct)


@pytest.mark.parametrize("struct", structs(), ids=lambda struct: struct.__name__)
def test_every_mark_stands_where_it_can_be_followed(struct: type[msgspec.Struct]) -> None:
    personal_fields(struct)


@pytest.mark.parametrize("struct", [each for each in NAMED if is_stored(each)], ids=lambda struct: struct.__name__)
def test_nothing_limits_a_stored_personal_text(struct: type[msgspec.Struct]) -> None:
    for path in personal_fields(struct):
        place = next(step for step in reversed(path.steps) if isinstance(step, Inside))
        found = limits(get_type_hints(place.struct, include_extras=True)[place.field])
        assert not found, f"{struct.__name__}.{path.name}: {found} would refuse ciphertext and [erased]; keep it off"


def test_the_contract_was_looked_at() -> None:
    assert any(personal_fields(struct) for struct in NAMED)
