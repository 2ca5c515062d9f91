"""From an HTTP request to a message: path, query string and body, each read as strictly as the contract has it."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints
from urllib.parse import parse_qsl

import msgspec

from actors.mesh import Refused
from gateway.errors import HttpProblem, body_problem
from gateway.routes import Route
from schemas.located import escaped
from schemas.message import Command, Message, key_field, owner_field
from schemas.principal import Principal, confined

IN_PATH = re.compile(r"{(\w+)}")
WHOLE_NUMBER = re.compile(r"-?[0-9]{1,19}")
"""Stricter than msgspec's lax mode, which also reads `1e2` and `1.0`; 19 digits hold every bound of the contract."""

PARAMETERS_MAX = 16
"""No query has half as many fields."""


class Reader:
    """Reads the requests of one route."""

    def __init__(self, route: Route) -> None:
        message = route.message
        self.route = route
        self.message = message
        self.hints = get_type_hints(message, include_extras=True)
        self.owner = owner_field(message)
        self.owner_required = any(field.required for field in fields_of(message) if field.name == self.owner)
        self.path_fields = tuple(IN_PATH.findall(route.path))
        self.made = key_field(message) if route.makes_entity else None
        is_command = issubclass(message, Command)
        rest = [field for field in fields_of(message) if field.name not in (*self.path_fields, self.owner, self.made)]
        self.body = self._body(rest) if is_command and rest else None
        self.query_fields = frozenset() if is_command else frozenset(field.name for field in rest)
        if self.owner is not None and not route.own and self.owner not in self.path_fields:
            self.query_fields |= {self.owner}
        self._decoder = msgspec.json.Decoder(self.body) if self.body is not None else None

    def _body(self, fields: list[msgspec.structs.FieldInfo]) -> type[msgspec.Struct]:
        specified = [
            (field.name, self.hints[field.name])
            if field.required
            else (field.name, self.hints[field.name], field.default)
            for field in fields
        ]
        return msgspec.defstruct(
            f"{self.message.__name__}Body",
            specified,
            frozen=True,
            kw_only=True,
            forbid_unknown_fields=True,
            namespace={"__doc__": self.message.__doc__},
        )

    def read(
        self, principal: Principal, path: Mapping[str, str], query: bytes, body: bytes, command_id: str
    ) -> Message:
        """Return the message; raise HttpProblem naming the field that cannot be read."""
        given: dict[str, Any] = {name: self._text(name, path[name]) for name in self.path_fields}
        given |= self._query(query)
        if self._decoder is not None:
            try:
                given |= msgspec.structs.asdict(self._decoder.decode(body))
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise body_problem(error) from None
        if self.made is not None:
            given[self.made] = command_id
        if self.owner is not None:
            self._owned(self.owner, principal, given)
        return self.message(**given)

    def _owned(self, owner: str, principal: Principal, given: dict[str, Any]) -> None:
        """Customers act for themselves whatever they send; what is another's does not exist for them."""
        if self.route.own:
            given[owner] = principal.person
        elif confined(principal, self.message):
            if given.get(owner, principal.person) != principal.person:
                noun = owner.removesuffix("_id")
                raise Refused(f"{noun}_unknown", f"there is no such {noun}", kind="not_found", pointer=f"/{owner}")
            given[owner] = principal.person
        elif self.owner_required and owner not in given:
            raise HttpProblem(400, "parameter_missing", f"say for whom: ?{owner}=", pointer=f"/{owner}")

    def _query(self, query: bytes) -> dict[str, Any]:
        return {name: self._text(name, text) for name, text in read_query(query, self.query_fields).items()}

    def _text(self, name: str, text: str) -> Any:
        hint = self.hints[name]
        value: str | int = int(text) if holds_int(hint) and WHOLE_NUMBER.fullmatch(text) else text
        try:
            return msgspec.convert(value, hint)
        except msgspec.ValidationError as error:
            raise HttpProblem(400, "parameter_invalid", str(error), pointer=f"/{name}") from None


def read_query(query: bytes, known: Container[str]) -> dict[str, str]:
    """Return the parameters of a query string; raise HttpProblem naming one that is unknown or repeated."""
    if not query:
        return {}
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=PARAMETERS_MAX)
    except ValueError:
        raise HttpProblem(400, "query_malformed", "the query string cannot be read") from None
    given: dict[str, str] = {}
    for name, text in pairs:
        if name not in known:
            raise HttpProblem(400, "parameter_unknown", "no such parameter", pointer=f"/{escaped(name[:64])}")
        if name in given:
            raise HttpProblem(400, "parameter_repeated", "give it once", pointer=f"/{name}")
        given[name] = text
    return given


def fields_of(message: type[Message]) -> tuple[msgspec.structs.FieldInfo, ...]:
    """Return the fields of a message, in the order they are declared."""
    return msgspec.structs.fields(message)


def holds_int(hint: Any) -> bool:
    """Return whether a field is a number, looking through `Annotated` and `X | None`."""
    if get_origin(hint) is Annotated:
        return holds_int(get_args(hint)[0])
    if get_origin(hint) in (Union, UnionType):
        return any(holds_int(part) for part in get_args(hint))
    return hint is int
