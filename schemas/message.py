"""The three kinds of message, the subjects they travel on, and the marks a field may carry."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from types import UnionType
from typing import Annotated, Any, Generic, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
from typing_extensions import TypeVar

SHARDS = 64
"""A domain's events are spread over this many subjects: readers split the work and keep order within a key."""

ID_PATTERN = r"^[0-9A-Za-z_-]{1,64}(?![\s\S])"
"""What may enter a subject. The end is a look-ahead because `$` would let a trailing newline pass."""

Id = Annotated[str, msgspec.Meta(pattern=ID_PATTERN, max_length=64)]


@dataclass(frozen=True, slots=True)
class Personal:
    """Marks a string that says something about a person; encrypted under that person's key wherever it is kept.

    `person_field` names the field of the outermost message that holds the person's id.
    """

    person_field: str


@dataclass(frozen=True, slots=True)
class Owner:
    """Marks the field that says whose entity it is: the gateway fills it from the principal, the pool checks it."""


@dataclass(frozen=True, slots=True)
class Sensitive:
    """Marks a text that nobody may keep (a password, a token): the journal records that it was given, and no more.

    Only a field of a command's own may carry it, and such a command is asked, never told: a stream would keep it.
    """


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """The reply to a command: the entity and the version the command left it at."""

    entity_id: str
    version: int


RefusalKind = Literal["invalid", "unauthenticated", "forbidden", "not_found", "conflict", "gone", "limited"]


class Refusal(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The reply when a rule said no; `code` is stable, `detail` is for people, `pointer` names the field (RFC 6901)."""

    code: str
    kind: RefusalKind = "conflict"
    detail: str = ""
    pointer: str = ""


class Failure(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The reply when the world or the mesh failed; `executed` is false where nothing can have happened."""

    code: str
    detail: str = ""
    executed: bool = True
    retry_after_seconds: float = 0


Reply = TypeVar("Reply", default=Accepted)
Answer_ = TypeVar("Answer_")


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A fact or a wish, as it goes over the wire. It has no members but its fields, so that no field name is taken."""


class Command(Message, Generic[Reply], frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A wish to change one entity; answered with its reply (`Accepted` unless named) or refused."""


class Query(Message, Generic[Answer_], frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A question about a read model; changes nothing."""


class Event(Message, frozen=True, kw_only=True):
    """A fact about one entity; never changes once written, so its readers tolerate fields they do not know."""


def domain_of(message: type[Message]) -> str:
    """Return which domain a message belongs to: the name of its module in the contract."""
    return message.__module__.rpartition(".")[2]


def kind_of(message: type[Message]) -> Literal["command", "query", "event"]:
    """Return which of the three kinds a message is."""
    if issubclass(message, Command):
        return "command"
    return "query" if issubclass(message, Query) else "event"


@cache
def wire_name(message: type[Message]) -> str:
    """Return the name on the wire: `place_order`."""
    return snake_case(message.__name__)


@cache
def subject_of(message: type[Message]) -> str:
    """Return where messages of a type travel, without the key: `orders.command.place_order`."""
    return f"{domain_of(message)}.{kind_of(message)}.{wire_name(message)}"


@cache
def tell_subject_of(command: type[Command[Any]]) -> str:
    """Return where commands of a type are told, without the key: `orders.tell.place_order`."""
    return f"{domain_of(command)}.tell.{wire_name(command)}"


def key_of(message: Message) -> str:
    """Return the id of the entity a message is about (its first field), or `_` where it is about none."""
    field = key_field(type(message))
    return getattr(message, field) if field else "_"


@cache
def key_field(message: type[Message]) -> str | None:
    """Return the field that names the entity: the first one, if it is an id.

    A generic base whose parameter is bound is fine: only the fields of the struct count.
    """
    fields = message.__struct_fields__
    if not fields:
        return None
    hint = get_type_hints(message, include_extras=True)[fields[0]]
    return fields[0] if any(getattr(mark, "pattern", None) == ID_PATTERN for mark in marks(hint)) else None


def marks(hint: Any) -> tuple[Any, ...]:
    """Return what stands beside the type in an `Annotated`, looking through `X | None`."""
    if get_origin(hint) is Annotated:
        return get_args(hint)[1:]
    if get_origin(hint) not in (Union, UnionType):
        return ()
    return tuple(mark for part in get_args(hint) if get_origin(part) is Annotated for mark in get_args(part)[1:])


@cache
def owner_field(message: type[Message]) -> str | None:
    """Return the field marked `Owner()`, if there is one."""
    for name, hint in get_type_hints(message, include_extras=True).items():
        if any(isinstance(mark, Owner) for mark in marks(hint)):
            return name
    return None


@cache
def sensitive_fields(message: type[Message]) -> tuple[str, ...]:
    """Return the fields marked `Sensitive()`, in order."""
    hints = get_type_hints(message, include_extras=True)
    return tuple(
        name for name in message.__struct_fields__ if any(isinstance(mark, Sensitive) for mark in marks(hints[name]))
    )


@cache
def reply_type(message: type[Message]) -> Any:
    """Read `OrderView` out of `class GetOrder(Query[OrderView])`; a command that names none is answered `Accepted`."""
    for base in getattr(message, "__orig_bases__", ()):
        if issubclass(get_origin(base) or object, (Query, Command)) and get_args(base):
            return get_args(base)[0]
    if issubclass(message, Command):
        return Accepted
    raise TypeError(f"{message.__name__} names no reply: write Query[Reply]")


def shard(key: str) -> int:
    """Return the shard of an entity id: FNV-1a 32 modulo `SHARDS`, as NATS' `{{partition(64,1)}}` computes it."""
    value = 0x811C9DC5
    for byte in key.encode():
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return value % SHARDS


def snake_case(name: str) -> str:
    """Return `place_order` for `PlaceOrder`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
