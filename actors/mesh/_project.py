"""Events folded into views: version + 1 only, what is older skipped, a gap mended from the journal."""

from __future__ import annotations

from collections.abc import Sequence

from actors.mesh._actor import Projection
from actors.mesh._blueprint import view_name
from actors.mesh._follow import Following, Inbound, has_failed, inbound, judged
from actors.mesh._log import get_logger
from actors.mesh._ports import Acknowledge, ConsumerSpec, Delivered, StoredEvent, Subscription, Verdict, ViewRow
from actors.mesh._read import Views, aggregate_name, folded, mend
from actors.mesh._telemetry import SpanKind, parse_traceparent
from schemas.envelope import TRACEPARENT

log = get_logger()


async def follow_views(following: Following, consumer: ConsumerSpec, views: Views) -> Subscription:
    """Keep a domain's views."""

    async def one(message: Inbound) -> None:
        await project(views, [message.event])

    async def handle_batch(batch: Sequence[Delivered]) -> Sequence[Verdict]:
        start_ns = following.telemetry.now_ns()
        if await has_failed(project_all(views, batch)):  # one of them is broken: find it, and let the others through
            return [await judged(following, consumer, message, one) for message in batch]
        note(following, consumer, batch, start_ns)
        return [Acknowledge()] * len(batch)

    return await following.bus.follow(consumer, handle_batch)


async def project_all(views: Views, batch: Sequence[Delivered]) -> None:
    await project(views, [inbound(message).event for message in batch])


async def project(views: Views, events: Sequence[StoredEvent]) -> None:
    """Apply events, in the order they came, to every view that follows their aggregate."""
    by_key: dict[str, list[StoredEvent]] = {}
    for event in events:
        by_key.setdefault(event.key, []).append(event)
    for projection in views.blueprint.actor.projections:
        prefix = aggregate_name(views.blueprint.followed[projection]) + "/"
        mine = {key: of_key for key, of_key in by_key.items() if key.startswith(prefix)}
        if mine:
            await apply(views, projection, mine)


async def apply(views: Views, projection: Projection, by_key: dict[str, list[StoredEvent]]) -> None:
    """Apply the events of some keys to one view, in one read and one write."""
    store, name = views.store(projection), view_name(projection)
    ids = {key: key.partition("/")[2] for key in by_key}
    rows = await store.get(name, list(ids.values()))
    fresh: list[ViewRow] = []
    for key, events in by_key.items():
        row = rows.get(ids[key])
        version = row.version if row is not None else 0
        ahead = sorted({event.version: event for event in events if event.version > version}.values(), key=by_version)
        if not ahead:
            continue
        if [event.version for event in ahead] != list(range(version + 1, version + 1 + len(ahead))) or any(
            event.private for event in ahead
        ):
            await mend(views, projection, ids[key], row)  # a gap, or a marker without content: the journal has it all
        elif (after := await folded(views, projection, row, ahead)) is not None:
            fresh.append(after)
    if fresh:
        await store.put(name, fresh)


def by_version(event: StoredEvent) -> int:
    return event.version


def note(following: Following, consumer: ConsumerSpec, batch: Sequence[Delivered], start_ns: int) -> None:
    """Leave a span in the trace of every event of the batch: they were folded together."""
    end_ns = following.telemetry.now_ns()
    for message in batch:
        parent = parse_traceparent(message.headers.get(TRACEPARENT))
        if parent is not None and parent.sampled:
            name = ".".join(message.subject.split(".")[:3])
            following.telemetry.record(
                f"{consumer.name} {name}", SpanKind.CONSUMER, parent=parent, start_ns=start_ns, end_ns=end_ns
            )
