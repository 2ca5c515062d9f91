"""Views in memory, for tests and the in-memory mesh."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from actors.mesh._ports import ViewPage, ViewRow, ViewShape
from actors.mesh.adapters.view_rules import Found, Shapes, field_text, found_by, newest, page_of, page_rows, position_of


class _Kept(NamedTuple):
    row: ViewRow
    found: Found


class MemoryViews:
    """Dictionaries. `keep_days` has no meaning here: no process lives that long."""

    def __init__(self) -> None:
        self._shapes = Shapes()
        self._kept: dict[str, dict[str, _Kept]] = {}

    async def prepare(self, views: Sequence[ViewShape]) -> None:
        """Remember the shapes."""
        for view in views:
            self._shapes.add(view)
            self._kept.setdefault(view.name, {})

    async def get(self, view: str, keys: Sequence[str]) -> Mapping[str, ViewRow]:
        """Return the rows that are there."""
        kept = self._of(view)
        return {key: kept[key].row for key in keys if key in kept}

    async def put(self, view: str, rows: Sequence[ViewRow]) -> frozenset[str]:
        """Write what is newer than what is there; return the other keys."""
        kept, shape = self._of(view), self._shapes.of(view)
        stale = set()
        for row in newest(rows):
            if row.key in kept and kept[row.key].row.version >= row.version:
                stale.add(row.key)
            else:
                kept[row.key] = _Kept(row, found_by(shape, row))
        return frozenset(stale)

    async def page(
        self, view: str, where: Mapping[str, str], *, newest_first: bool, cursor: str, limit: int
    ) -> ViewPage:
        """Return rows equal in all given fields, in order."""
        self._shapes.asked(view, where)
        wanted = {field: field_text(value) for field, value in where.items()}
        hits = sorted(
            (kept.found.position, kept.row)
            for kept in self._of(view).values()
            if all(kept.found.fields[field] == text for field, text in wanted.items())
        )
        positions = [position for position, _ in hits]
        after, count = position_of(cursor), page_rows(limit)
        if newest_first:
            end = len(hits) if after is None else bisect_left(positions, after)
            chosen = hits[max(0, end - count - 1) : end][::-1]
        else:
            start = 0 if after is None else bisect_right(positions, after)
            chosen = hits[start : start + count + 1]
        return page_of([(row, position) for position, row in chosen], count)

    async def wipe(self, view: str) -> None:
        """Forget all rows."""
        self._of(view).clear()

    async def switch(self, fresh: str, live: str) -> None:
        """Put the fresh view in the live one's place; the fresh one is empty then."""
        self._kept[live], self._kept[fresh] = self._of(fresh), {}

    def _of(self, view: str) -> dict[str, _Kept]:
        self._shapes.of(view)
        return self._kept[view]
