"""Read models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol


class ViewRow(NamedTuple):
    """One document of a view: the version of its key that it shows, and canonical JSON."""

    key: str
    version: int
    document: bytes


class ViewPage(NamedTuple):
    """Rows in order, and the cursor to go on after them, empty at the end."""

    rows: Sequence[ViewRow]
    next_cursor: str


class ViewShape(NamedTuple):
    """What a store must know of a view: its name, the top-level fields it can be asked by, and what sorts a page."""

    name: str  # 'order_view'
    fields: tuple[str, ...] = ()
    sort: str = ""  # a top-level field; empty: by key
    keep_days: int = 0


class ReadModelStore(Protocol):
    """Views of one domain. Rebuilt from zero whenever one likes."""

    async def prepare(self, views: Sequence[ViewShape]) -> None:
        """Make tables and indexes that are not there."""
        ...

    async def get(self, view: str, keys: Sequence[str]) -> Mapping[str, ViewRow]: ...

    async def put(self, view: str, rows: Sequence[ViewRow]) -> frozenset[str]:
        """Write each row unless the stored one is at the same version or a later one; return the keys not written."""
        ...

    async def page(
        self, view: str, where: Mapping[str, str], *, newest_first: bool, cursor: str, limit: int
    ) -> ViewPage:
        """Return rows equal in all given fields, in order of the view's sort field and key."""
        ...

    async def wipe(self, view: str) -> None: ...

    async def switch(self, fresh: str, live: str) -> None:
        """Put a freshly built view in the place of the live one."""
        ...
