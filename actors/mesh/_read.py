"""Views as queries see them: opened, waited for, and mended from the journal where they lag behind or were wiped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, cast

import msgspec
from msgspec import Struct
from typing_extensions import TypeVar

from actors.mesh._actor import Aggregate, Happened, Page, Projection
from actors.mesh._blueprint import Blueprint, second_parameter, view_name
from actors.mesh._errors import Refused, Unavailable
from actors.mesh._ports import Journal, ReadModelStore, StoredEvent, ViewRow
from actors.mesh._privacy import Privacy
from actors.mesh._states import opened
from schemas.envelope import DECIDED_AT
from schemas.message import snake_case
from schemas.principal import Principal

V = TypeVar("V", bound=Struct)

EVENTS_AT_ONCE_MAX = 500
"""Events read from the journal in one trip while a view is mended."""
MENDING_TRIPS_MAX = 200
"""A key of more than 100,000 events is not mended on the way of a query."""


class Views(NamedTuple):
    """The read models of one domain and what they are made from."""

    blueprint: Blueprint
    journal: Journal
    stores: Mapping[str, ReadModelStore]  # 'default' and, where a view asks for it, 'redis'
    privacy: Privacy

    def projection(self, view: type[Struct]) -> Projection:
        """Return the projection that keeps a view."""
        for projection in self.blueprint.actor.projections:
            if projection.view is view:
                return projection
        raise LookupError(f"{self.blueprint.name} projects no {view.__name__}")

    def store(self, projection: Projection) -> ReadModelStore:
        return self.stores[projection.store]

    def key(self, projection: Projection, entity_id: str) -> str:
        """Return the journal's key of the entity a row is about."""
        return f"{aggregate_name(self.blueprint.followed[projection])}/{entity_id}"


def aggregate_name(aggregate: Aggregate[Any]) -> str:
    return snake_case(aggregate.state.__name__)


async def folded(
    views: Views, projection: Projection, row: ViewRow | None, stored: Iterable[StoredEvent]
) -> ViewRow | None:
    """Fold consecutive events onto a row; what is not version + 1 is an error of the caller."""
    events = list(stored)
    if not events:
        return row
    state: Struct | None = None
    if row is not None and row.document != b"null":
        state = await views.privacy.open(projection.view, row.document)
    version = row.version if row is not None else 0
    known = second_parameter(projection.fold)
    for stored_event, event in zip(events, await opened(views.blueprint, views.privacy, events), strict=True):
        if stored_event.version != version + 1:
            raise AssertionError(f"{stored_event.key}@{stored_event.version} does not follow version {version}")
        version = stored_event.version
        if isinstance(event, known):
            state = projection.fold(state, event, Happened(stored_event.key, version, decided_at_ms(stored_event)))
    document = b"null" if state is None else await views.privacy.seal(state)
    return ViewRow(events[-1].key.partition("/")[2], version, document)


def decided_at_ms(stored: StoredEvent) -> int:
    """Return when an event was decided: what it says itself, so that live and rebuilt views agree."""
    return int(msgspec.json.decode(stored.headers, type=dict[str, str]).get(DECIDED_AT, stored.at_ms))


async def mend(views: Views, projection: Projection, entity_id: str, row: ViewRow | None) -> ViewRow | None:
    """Bring one row up to what the journal holds, and keep it."""
    before = row.version if row is not None else 0
    for _ in range(MENDING_TRIPS_MAX):
        events = await views.journal.events(
            views.key(projection, entity_id), row.version if row is not None else 0, EVENTS_AT_ONCE_MAX
        )
        row = await folded(views, projection, row, events)
        if len(events) < EVENTS_AT_ONCE_MAX:
            break
    if row is not None and row.version > before:
        await views.store(projection).put(view_name(projection), [row])
    return row


class Reader:
    """What one query reads through; knows who is asking."""

    def __init__(self, views: Views, principal: Principal) -> None:
        self._views = views
        self._principal = principal

    @property
    def principal(self) -> Principal:
        return self._principal

    async def one(self, view: type[V], key: str, *, at_least_version: int = 0, current: bool = False) -> V:
        """Return the row, mended from the journal where it is missing or behind; refuse where there is none."""
        projection = self._views.projection(view)
        row = (await self._views.store(projection).get(view_name(projection), [key])).get(key)
        if current or row is None or row.version < at_least_version:
            row = await mend(self._views, projection, key, row)
        if row is None or row.document == b"null":
            noun = snake_case(view.__name__).removesuffix("_view")
            raise Refused(f"{noun}_unknown", f"no {noun.replace('_', ' ')} {key}", kind="not_found")
        if row.version < at_least_version:
            raise Unavailable(f"{key} is at version {row.version}, {at_least_version} was asked for")
        return await self._views.privacy.open(view, row.document)

    async def many(self, view: type[V], keys: Iterable[str]) -> dict[str, V]:
        """Return the rows that exist, those that are missing looked for in the journal."""
        projection = self._views.projection(view)
        wanted = list(dict.fromkeys(keys))
        rows = dict(await self._views.store(projection).get(view_name(projection), wanted))
        for key in wanted:
            if key not in rows and (row := await mend(self._views, projection, key, None)) is not None:
                rows[key] = row
        found = [key for key in wanted if key in rows and rows[key].document != b"null"]
        opened_rows = await self._views.privacy.open_many(view, [rows[key].document for key in found])
        return dict(zip(found, opened_rows, strict=True))

    async def page(
        self, view: type[V], where: Mapping[str, str | None], *, cursor: str, limit: int, newest_first: bool = False
    ) -> Page[V]:
        """Return rows equal in all fields that are given."""
        projection = self._views.projection(view)
        given = {field: value for field, value in where.items() if value is not None}
        page = await self._views.store(projection).page(
            view_name(projection), given, newest_first=newest_first, cursor=cursor, limit=limit
        )
        documents = [row.document for row in page.rows if row.document != b"null"]
        rows = tuple(await self._views.privacy.open_many(view, documents))
        return cast("Page[V]", Page(rows, page.next_cursor))

    async def inline(self, table: str, where: Mapping[str, object], *, limit: int) -> tuple[Mapping[str, object], ...]:
        return tuple(await self._views.journal.inline_rows(table, where, limit))
