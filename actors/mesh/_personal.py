"""Where a message holds personal data: the fields the contract has marked, and a way to change or hide each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from types import UnionType
from typing import Annotated, Any, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from schemas.message import Message as MeshMessage
from schemas.message import Personal, sensitive_fields

MASK = "•••"

Message = TypeVar("Message", bound=msgspec.Struct)
Change = Callable[[str, str], str]
"""From a text and where it stands (`lines[2].note`) to the text to put there."""


class Inside(NamedTuple):
    """Go into one field of a struct. A struct of another type at that place (a union) is passed over."""

    struct: type[msgspec.Struct]
    field: str
    encoded: str


class Each(NamedTuple):
    """Go into every element of a list or tuple, or every value of a mapping."""


Step = Inside | Each


class PersonalPath(NamedTuple):
    """The way from the outermost struct to one marked field, and the outermost field that says whose it is."""

    steps: tuple[Step, ...]
    person_field: str

    @property
    def name(self) -> str:
        """`lines[].note`."""
        return "".join("[]" if isinstance(step, Each) else f".{step.field}" for step in self.steps).lstrip(".")


@cache
def personal_fields(struct: type[msgspec.Struct]) -> tuple[PersonalPath, ...]:
    """Return every field marked `Personal`, however deep, in the order of the fields.

    Raises `TypeError` where a mark stands somewhere this module cannot follow: it would go unencrypted, unseen.
    """
    return tuple(_in_struct(struct, ()))


@cache
def check_personal(struct: type[msgspec.Struct]) -> None:
    """Raise `TypeError` unless every marked field names an existing text field of this, the outermost, struct."""
    for path in personal_fields(struct):
        if path.person_field not in struct.__struct_fields__:
            raise TypeError(
                f"{struct.__name__}.{path.name} is marked Personal({path.person_field!r}), "
                f"but {struct.__name__} has no field of that name: add it, or name the field that holds the person's id"
            )


def changed(message: Message, path: PersonalPath, change: Change) -> Message:
    """Return the message with the texts at a path changed; empty and absent ones stay as they are."""
    result: Message = _changed(message, path.steps, change, "")
    return result


def mask(struct: type[msgspec.Struct], data: Any) -> Any:
    """Return a message's decoded JSON for logs and tools: what is personal is hidden, whatever shape it has."""
    for path in personal_fields(struct):
        data = _masked(data, path.steps)
    if issubclass(struct, MeshMessage) and isinstance(data, Mapping):
        data = {**data, **{name: MASK for name in sensitive_fields(struct) if data.get(name)}}
    return data


def _in_struct(struct: type[msgspec.Struct], steps: tuple[Step, ...]) -> Iterator[PersonalPath]:
    if any(isinstance(step, Inside) and step.struct is struct for step in steps):
        if _mentions(struct):
            raise TypeError(f"{struct.__name__} contains itself and holds personal data: there is no end to look for")
        return
    hints = get_type_hints(struct, include_extras=True)
    for field in msgspec.structs.fields(struct):
        yield from _in_hint(hints[field.name], (*steps, Inside(struct, field.name, field.encode_name)))


def _in_hint(hint: Any, steps: tuple[Step, ...]) -> Iterator[PersonalPath]:
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Annotated:
        mark = next((mark for mark in parts[1:] if isinstance(mark, Personal)), None)
        yield from _in_hint(parts[0], steps) if mark is None else (_leaf(parts[0], mark, steps),)
    elif origin in (Union, UnionType):
        for part in parts:
            yield from _in_hint(part, steps)
    elif isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        yield from _in_struct(hint, steps)
    elif origin in (list, tuple, Sequence):
        for part in parts:
            yield from _in_hint(part, (*steps, Each()))
    elif origin in (dict, Mapping) and not _mentions(parts[0]):
        yield from _in_hint(parts[1], (*steps, Each()))
    elif _mentions(hint):
        raise TypeError(
            f"{hint} holds personal data where it has no fixed place: "
            "use a plain struct, a list, a tuple or the values of a mapping"
        )


def _mentions(hint: Any, seen: frozenset[Any] = frozenset()) -> bool:
    """Return whether a mark stands anywhere in or below a type."""
    if isinstance(hint, Personal):
        return True
    struct = get_origin(hint) or hint
    inner: tuple[Any, ...] = get_args(hint)
    if isinstance(struct, type) and issubclass(struct, msgspec.Struct) and struct not in seen:
        seen |= {struct}
        inner += tuple(get_type_hints(struct, include_extras=True).values())
    return any(_mentions(part, seen) for part in inner)


def _leaf(inner: Any, mark: Personal, steps: tuple[Step, ...]) -> PersonalPath:
    path = PersonalPath(steps, mark.person_field)
    if not _is_text(inner):
        raise TypeError(f"{path.name} is marked Personal but is {inner}: only text can be encrypted in its place")
    return path


def _is_text(hint: Any) -> bool:
    if get_origin(hint) is Annotated:
        return _is_text(get_args(hint)[0])
    if get_origin(hint) in (Union, UnionType):
        return all(_is_text(part) for part in get_args(hint) if part is not type(None))
    return hint is str


def _changed(value: Any, steps: tuple[Step, ...], change: Change, where: str) -> Any:
    if not steps:
        return change(value, where) if isinstance(value, str) and value else value
    step, rest = steps[0], steps[1:]
    if isinstance(step, Inside):
        if not isinstance(value, step.struct):
            return value
        place = f"{where}.{step.field}" if where else step.field
        old = getattr(value, step.field)
        new = _changed(old, rest, change, place)
        return value if new is old else msgspec.structs.replace(value, **{step.field: new})
    if isinstance(value, Mapping):
        return {key: _changed(inner, rest, change, f"{where}[{key}]") for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_changed(inner, rest, change, f"{where}[{index}]") for index, inner in enumerate(value))
    return value


def _masked(value: Any, steps: tuple[Step, ...]) -> Any:
    if not steps:
        # Also what should have been a text and is not: nobody has looked at it yet.
        return value if value is None or value == "" else MASK
    step, rest = steps[0], steps[1:]
    if isinstance(step, Inside):
        if not isinstance(value, Mapping) or step.encoded not in value:
            return value
        return {**value, step.encoded: _masked(value[step.encoded], rest)}
    if isinstance(value, Mapping):
        return {key: _masked(inner, rest) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_masked(inner, rest) for inner in value]
    return value
