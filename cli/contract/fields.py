"""The fields of a message, however deep, each under its path: what two releases of a contract are compared by."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType
from msgspec import inspect as shapes

from actors.mesh._personal import personal_fields
from cli.contract.facts import FieldFacts, Fields
from schemas.message import Message, owner_field, sensitive_fields

DEPTH_MAX = 8
"""A message nested deeper than this would be one that contains itself."""

NAMES: dict[type[shapes.Type], str] = {
    shapes.StrType: "string",
    shapes.IntType: "integer",
    shapes.FloatType: "number",
    shapes.BoolType: "boolean",
    shapes.NoneType: "null",
    shapes.AnyType: "any",
    shapes.DictType: "map",
    shapes.StructType: "object",
    shapes.LiteralType: "choice",
}
LISTS = (shapes.ListType, shapes.VarTupleType, shapes.SetType, shapes.FrozenSetType)
LIMITS = {
    "ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum",
    "multiple_of": "multipleOf", "min_length": "minLength", "max_length": "maxLength", "pattern": "pattern",
}  # fmt: skip
"""What msgspec calls a limit, and what JSON Schema calls it."""


def fields_of(struct: type[Struct]) -> Fields:
    """Return every field of a struct by its path, marks included; raise TypeError where it contains itself."""
    found = dict(in_struct(shapes.type_info(struct), ""))
    for path, mark in marks_of(struct):
        found[path] = msgspec.structs.replace(found[path], marks=(*found[path].marks, mark))
    return found


def marks_of(struct: type[Struct]) -> Iterator[tuple[str, str]]:
    for path in personal_fields(struct):
        yield path.name, f"personal:{path.person_field}"
    if issubclass(struct, Message):
        if owner := owner_field(struct):
            yield owner, "owner"
        for name in sensitive_fields(struct):
            yield name, "sensitive"


def in_struct(info: Any, path: str) -> Iterator[tuple[str, FieldFacts]]:
    for field in info.fields:
        here = f"{path}.{field.encode_name}" if path else field.encode_name
        yield from at(field.type, here, required=field.required, default=default_of(field))


def default_of(field: Any) -> Any | UnsetType:
    """Return a default as JSON has it."""
    if field.default is not msgspec.NODEFAULT:
        return msgspec.json.decode(msgspec.json.encode(field.default))
    if field.default_factory is not msgspec.NODEFAULT:
        return msgspec.json.decode(msgspec.json.encode(field.default_factory()))
    return UNSET


def at(
    info: Any, path: str, *, required: bool = False, default: Any | UnsetType = UNSET
) -> Iterator[tuple[str, FieldFacts]]:
    """Yield the facts of one place, then of what is inside it."""
    if path.count(".") + path.count("[]") > DEPTH_MAX:
        raise TypeError(f"{path} is nested deeper than {DEPTH_MAX}: a message must not contain itself")
    info, nullable, parts = plain(info)
    kind = "array" if isinstance(info, (*LISTS, shapes.TupleType)) else NAMES.get(type(info), "any of")
    yield (
        path,
        FieldFacts(
            type=kind if not parts else "any of " + ", ".join(sorted(NAMES.get(type(part), "array") for part in parts)),
            required=required,
            nullable=nullable,
            values=tuple(info.values) if isinstance(info, shapes.LiteralType) else (),
            limits=limits_of(info, kind),
            strict=isinstance(info, shapes.StructType) and info.cls.__struct_config__.forbid_unknown_fields,
            default=default,
        ),
    )
    if isinstance(info, shapes.StructType):
        yield from in_struct(info, path)
    elif isinstance(info, LISTS):
        yield from at(info.item_type, f"{path}[]")
    elif isinstance(info, shapes.DictType):
        yield from at(info.value_type, f"{path}[]")
    for part in parts:
        if isinstance(part, shapes.StructType):
            yield from in_struct(part, path)


def limits_of(info: Any, kind: str) -> dict[str, Any]:
    found = {name: value for ours, name in LIMITS.items() if (value := getattr(info, ours, None)) is not None}
    return {name.replace("Length", "Items"): value for name, value in found.items()} if kind == "array" else found


def plain(info: Any) -> tuple[Any, bool, tuple[Any, ...]]:
    """Return a type without its `None`, whether it had one, and its parts where several are left."""
    if isinstance(info, shapes.Metadata):
        info = info.type
    if not isinstance(info, shapes.UnionType):
        return info, False, ()
    parts = tuple(part for part in info.types if not isinstance(part, shapes.NoneType))
    nullable = len(parts) < len(info.types)
    if len(parts) == 1:
        inner, _, of_inner = plain(parts[0])
        return inner, nullable, of_inner
    return info, nullable, parts
