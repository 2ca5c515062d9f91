"""The contract as a value: every message with its fields, who may send it, and who reads it. Released, it is a file."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType

Kind = Literal["command", "query", "event"]
Scope = Literal["own", "all"]


class FieldFacts(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One field, or what stands inside it. `limits` are JSON Schema's: `maxLength`, `pattern`, `maxItems`.

    `marks`: `owner`, `sensitive`, or `personal:<field that names the person>`.
    """

    type: str
    required: bool = False
    nullable: bool = False
    values: tuple[Any, ...] = ()
    limits: dict[str, Any] = {}
    strict: bool = False  # an object that refuses fields it does not know
    default: Any | UnsetType = UNSET
    marks: tuple[str, ...] = ()


Fields = dict[str, FieldFacts]
"""By path: `lines`, `lines[]`, `lines[].sku`."""


class ReaderFacts(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Somebody who reads or sends a message: `orders` `saga` `order_fulfilment`; and which of its fields it names."""

    domain: str
    part: str
    name: str
    fields: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        return f"{self.domain} {self.part} {self.name}"


class MessageFacts(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One message. `since`: the oldest version whose code reads what is written today.

    `roles`: who may send it, about their own only or about all; nobody's for an event. `reply` names the struct that
    answers it. `readers` of a command or query are its home, `senders` whoever is known to send it.
    """

    name: str
    domain: str
    kind: Kind
    about: str = ""
    key: str = ""
    owner: str = ""
    permission: str = ""
    roles: dict[str, Scope] = {}
    version: int = 1
    since: int = 1
    lifted_from: tuple[int, ...] = ()
    private: bool = False
    told: bool = False
    strict: bool = False
    fields: Fields = {}
    reply: str = ""
    reply_fields: Fields = {}
    readers: tuple[ReaderFacts, ...] = ()
    senders: tuple[ReaderFacts, ...] = ()


class Contract(Struct, frozen=True, kw_only=True):
    """Every message by its subject without the key: `orders.command.place_order`."""

    release: str
    messages: dict[str, MessageFacts]
