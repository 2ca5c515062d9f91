"""What every store of views agrees on: what a row is found by, how rows are ordered, and where a page goes on."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, NamedTuple, TypeVar

import msgspec

from actors.mesh._errors import Refused
from actors.mesh._ports import ViewPage, ViewRow, ViewShape

ROWS_MAX = 500  # a statement: more only makes it longer, not faster
PAGE_ROWS_MAX = 1_000  # what one answer may hold in memory
FIELD_BYTES_MAX = 200  # an index entry of PostgreSQL holds 2,700 bytes, all of its columns together
SORT_BYTES_MAX = 60  # so that a cursor of it and a key of 64 fits the contract's 200 characters
NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")

_CONTROLS = dict.fromkeys(range(0x20), " ")  # PostgreSQL cannot hold NUL, and what parts sort from key must be lower
_PART = "\x1f"
_WHOLE_NUMBERS = 2**63

Item = TypeVar("Item")


class Found(NamedTuple):
    """What a store keeps beside a document to find it by. Both are text, and compared by code point everywhere."""

    fields: dict[str, str | None]
    position: str


def found_by(shape: ViewShape, row: ViewRow) -> Found:
    """Return what a row is found by; a document that is no object is found by its key alone."""
    document = msgspec.json.decode(row.document) if shape.fields or shape.sort else None
    values: dict[str, Any] = document if isinstance(document, dict) else {}
    return Found(
        {field: field_text(values[field]) if values.get(field) is not None else None for field in shape.fields},
        sort_text(values.get(shape.sort)) + _PART + row.key,
    )


def field_text(value: Any) -> str:
    """Return a value as it is compared with what is asked for: a text as it is, anything else as its JSON."""
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    if len(text.encode()) <= FIELD_BYTES_MAX:
        return text.translate(_CONTROLS)
    return "sha256 " + hashlib.sha256(text.encode()).hexdigest()


def sort_text(value: Any) -> str:
    """Return a text in whose order the values stand: nothing, then numbers by size, then texts by code point."""
    if value is None:
        return ""
    if isinstance(value, int | float):
        whole = max(-_WHOLE_NUMBERS, min(int(value // 1), _WHOLE_NUMBERS - 1))
        part = f"{value - whole:.9f}"[1:].rstrip("0").rstrip(".") if isinstance(value, float) else ""
        return f"n{whole + _WHOLE_NUMBERS:020d}{part}"
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    # Cut between characters: half of one is no text.
    return "t" + text.translate(_CONTROLS).encode()[:SORT_BYTES_MAX].decode(errors="ignore")


def cursor_of(position: str) -> str:
    """Return the cursor that goes on after a row."""
    return base64.urlsafe_b64encode(position.encode()).decode()


def position_of(cursor: str) -> str | None:
    """Return where a cursor goes on, None for the beginning."""
    if not cursor:
        return None
    try:
        position = base64.b64decode(cursor, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise Refused("cursor_unknown", "that is no cursor of ours", kind="invalid", pointer="/cursor") from error
    if _PART not in position or "\x00" in position:
        raise Refused("cursor_unknown", "that is no cursor of ours", kind="invalid", pointer="/cursor")
    return position


def page_of(rows: Sequence[tuple[ViewRow, str]], limit: int) -> ViewPage:
    """Return a page out of one row more than asked for, each with its position."""
    shown = rows[:limit]
    more = len(rows) > len(shown)
    return ViewPage([row for row, _ in shown], cursor_of(shown[-1][1]) if more and shown else "")


def page_rows(limit: int) -> int:
    """Return how many rows a page has: at least one, and never more than fit."""
    return max(1, min(limit, PAGE_ROWS_MAX))


def newest(rows: Iterable[ViewRow]) -> list[ViewRow]:
    """Return the latest row of each key, in the order of keys: so two writers never wait for each other in a ring."""
    latest: dict[str, ViewRow] = {}
    for row in rows:
        if row.key not in latest or latest[row.key].version < row.version:
            latest[row.key] = row
    return [latest[key] for key in sorted(latest)]


def batches(items: Iterable[Item]) -> Iterable[list[Item]]:
    """Cut into pieces of ROWS_MAX."""
    iterator = iter(items)
    while batch := list(islice(iterator, ROWS_MAX)):
        yield batch


class Shapes:
    """The shapes a store was prepared for, by the view's name."""

    def __init__(self) -> None:
        self._shapes: dict[str, ViewShape] = {}

    def add(self, shape: ViewShape) -> None:
        """Remember a shape; ValueError where one of its names could not be a table's or a column's."""
        for name in (shape.name, *shape.fields, *filter(None, (shape.sort,))):
            if not NAME.fullmatch(name):
                raise ValueError(
                    f"{name!r} cannot name a view or a field: small letters, digits, underscores, 40 at most"
                )
        self._shapes[shape.name] = shape

    def of(self, view: str) -> ViewShape:
        """Return a view's shape."""
        if view not in self._shapes:
            raise LookupError(f"nobody has prepared the view {view!r}: pass its shape to prepare() at start")
        return self._shapes[view]

    def asked(self, view: str, where: Iterable[str]) -> ViewShape:
        """Return the shape of a view that is asked by some fields; it must have declared them."""
        shape = self.of(view)
        unknown = sorted(set(where) - set(shape.fields))
        if unknown:
            raise LookupError(f"{view} cannot be asked by {', '.join(unknown)}: add it to the projection's fields")
        return shape
