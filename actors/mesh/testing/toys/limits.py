"""A domain that others ask: how far a counter may count."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from actors.mesh import Actor, Aggregate, Happened, Read, answers, decides, projects
from schemas.message import Command, Event, Id, Query
from schemas.values import Quantity, Version


class SetLimit(Command, frozen=True, kw_only=True):
    limit_id: Id
    most: Quantity


class LimitSet(Event, frozen=True, kw_only=True):
    limit_id: Id
    most: int


class LimitView(Struct, frozen=True, kw_only=True):
    limit_id: Id
    most: int


class GetLimit(Query[LimitView], frozen=True, kw_only=True):
    limit_id: Id
    at_least_version: Version = 0


class Limit(Struct, frozen=True, kw_only=True):
    limit_id: str
    most: int


def set_limit(limit: Limit | None, command: SetLimit) -> Iterator[LimitSet]:
    if limit is None or limit.most != command.most:
        yield LimitSet(limit_id=command.limit_id, most=command.most)


def evolve(limit: Limit | None, event: LimitSet) -> Limit:
    return Limit(limit_id=event.limit_id, most=event.most)


def limit_view(view: LimitView | None, event: LimitSet, happened: Happened) -> LimitView:
    return LimitView(limit_id=event.limit_id, most=event.most)


async def get_limit(query: GetLimit, read: Read) -> LimitView:
    return await read.one(LimitView, query.limit_id, at_least_version=query.at_least_version)


actor = Actor(
    name="limits",
    aggregates=(Aggregate(state=Limit, key="limit_id", evolve=evolve, decisions=(decides(SetLimit, set_limit),)),),
    answers=(answers(GetLimit, get_limit),),
    projections=(projects(LimitView, limit_view),),
)
