"""A view made again from zero beside the live one, and put in its place when it has caught up."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from actors.mesh._actor import Projection
from actors.mesh._blueprint import Blueprint, shapes, view_name
from actors.mesh._follow import Following
from actors.mesh._ports import Bus, Clock, ConsumerSpec, ReadModelStore, ViewPage, ViewRow
from actors.mesh._project import follow_views
from actors.mesh._read import Views

LOOK_EVERY_SECONDS = 0.1
WAIT_SECONDS_MAX = 3600.0
"""At the measured thousands of events a second this is tens of millions of them; more wants another way."""


class Beside:
    """A store in which one view is written under another name."""

    def __init__(self, store: ReadModelStore, live: str, fresh: str) -> None:
        self._store, self._live, self._fresh = store, live, fresh

    def _name(self, view: str) -> str:
        return self._fresh if view == self._live else view

    async def get(self, view: str, keys: Sequence[str]) -> Mapping[str, ViewRow]:
        return await self._store.get(self._name(view), keys)

    async def put(self, view: str, rows: Sequence[ViewRow]) -> frozenset[str]:
        return await self._store.put(self._name(view), rows)

    async def prepare(self, views: Sequence[object]) -> None:
        raise AssertionError("a rebuild prepares its views itself")

    async def page(
        self, view: str, where: Mapping[str, str], *, newest_first: bool, cursor: str, limit: int
    ) -> ViewPage:
        raise AssertionError("nobody asks a view that is being built")

    async def wipe(self, view: str) -> None:
        await self._store.wipe(self._name(view))

    async def switch(self, fresh: str, live: str) -> None:
        await self._store.switch(fresh, live)


async def rebuild(following: Following, views: Views, projection: Projection, clock: Clock) -> int:
    """Build a view from the first event on, switch, and catch up once more; return how many events were read."""
    bus, live, store = following.bus, view_name(projection), views.store(projection)
    fresh = f"{live}__fresh"
    shape = next(shape for shape in shapes(views.blueprint, projection.store) if shape.name == live)
    await store.prepare([shape, shape._replace(name=fresh)])
    await store.wipe(fresh)
    only = only_view(views.blueprint, projection)
    async with from_zero(bus, views.blueprint, f"{views.blueprint.name}_rebuild_{live}") as consumer:
        beside: Mapping[str, ReadModelStore] = {projection.store: Beside(store, live, fresh)}
        await caught_up(following, consumer, views._replace(blueprint=only, stores=beside), clock)
        await store.switch(fresh, live)
        # What came between our last look and the switch went to the old view; what is read twice is skipped.
        await bus.reset_consumer(consumer)
        await caught_up(following, consumer, views._replace(blueprint=only), clock)
    return (await bus.stream_state(views.blueprint.stream.name)).messages


def only_view(blueprint: Blueprint, projection: Projection) -> Blueprint:
    """Return the blueprint of a domain that keeps just this view."""
    actor = replace(blueprint.actor, projections=(projection,))
    return replace(blueprint, actor=actor, followed={projection: blueprint.followed[projection]})


@asynccontextmanager
async def from_zero(bus: Bus, blueprint: Blueprint, name: str) -> AsyncIterator[ConsumerSpec]:
    """Lend a consumer that starts at the first event and is gone afterwards."""
    consumer = ConsumerSpec(blueprint.stream.name, name, (f"{blueprint.name}.event.>",))
    await bus.reset_consumer(consumer)
    try:
        yield consumer
    finally:
        await bus.forget_consumer(consumer)


async def caught_up(following: Following, consumer: ConsumerSpec, views: Views, clock: Clock) -> None:
    """Follow until nothing is left to read."""
    reading = await follow_views(following, consumer, views)
    try:
        for _ in range(int(WAIT_SECONDS_MAX / LOOK_EVERY_SECONDS)):
            if await following.bus.pending(consumer) == 0:
                return
            await clock.sleep(LOOK_EVERY_SECONDS)
        raise TimeoutError(f"{consumer.name} has not caught up within {WAIT_SECONDS_MAX:.0f} s")
    finally:
        await reading.stop()
