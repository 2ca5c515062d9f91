"""What a mesh in memory keeps, read as `mesh check` reads the stores: one set of rules judges both."""

from __future__ import annotations

from collections.abc import Sequence

from actors.mesh._blueprint import Blueprint, view_name
from actors.mesh._ports import ViewRow
from actors.mesh._read import aggregate_name
from actors.mesh.adapters.memory.streams import MESSAGE_ID
from actors.mesh.testing.memory_mesh import MemoryMesh
from actors.payments.provider.simulated import Operation
from cli.check_facts import CardOperation, Domain, Facts, Posting, View
from cli.check_stores import OVERDUE_SECONDS, as_shown, fact_of, folded_from_zero


async def memory_facts(
    mesh: MemoryMesh, cards: Sequence[Operation], *, acknowledged: Sequence[str] = (), with_views: bool = True
) -> Facts:
    """Read everything, as it is now. `with_views=False` leaves out what may lag behind while things are under way."""
    domains = [await domain_facts(mesh, blueprint, with_views=with_views) for blueprint in mesh.blueprints]
    rows = mesh.truth.domain("payments").inlines.get("ledger", [])
    ledger = [Posting(*(row[name] for name in Posting._fields)) for row in rows]  # type: ignore[arg-type]
    return Facts(
        {domain.name: domain for domain in domains}, ledger, [*map(card_operation, cards)], acknowledged=acknowledged
    )


async def domain_facts(mesh: MemoryMesh, blueprint: Blueprint, *, with_views: bool) -> Domain:
    tables = mesh.truth.domain(blueprint.name)
    overdue_ms = mesh.clock.now_ms() - OVERDUE_SECONDS * 1000
    stream = mesh.bus._streams[blueprint.stream.name]
    return Domain(
        name=blueprint.name,
        events={
            key: [fact_of(event, blueprint.events.get(event.name)) for event in of_key]
            for key, of_key in tables.events.items()
        },
        commands={command_id: command.message for command_id, command in tables.commands.items()},
        unpublished=[f"{key}@{first}" for key, first in tables.unpublished],
        sagas=[(row.saga, row.key, row.status) for row in tables.sagas.values()],
        open_effects=[" ".join(at) for at in tables.effects if at not in tables.effects_finished],
        overdue_timers=[timer.timer_id for timer in tables.timers.values() if timer.due_at_ms < overdue_ms],
        dead_letters=[
            (each.letter_id, each.subject, each.reader, each.reason) for each in tables.dead_letters.values()
        ],
        stream_ids=[message.headers[MESSAGE_ID] for message in stream.messages],
        pending={consumer.name: await mesh.bus.pending(consumer) for consumer in mesh.consumers[blueprint.name]},
        views=await view_facts(mesh, blueprint) if with_views else {},
    )


async def view_facts(mesh: MemoryMesh, blueprint: Blueprint) -> dict[str, View]:
    views, privacy, tables = dict[str, View](), mesh.privacy(), mesh.truth.domain(blueprint.name)
    for projection in blueprint.actor.projections:
        prefix = aggregate_name(blueprint.followed[projection]) + "/"
        mine = {key.removeprefix(prefix): of_key for key, of_key in tables.events.items() if key.startswith(prefix)}
        store = (mesh.views if projection.store == "default" else mesh.hot)[blueprint.name]
        held: dict[str, ViewRow] = {key: kept.row for key, kept in store._kept[view_name(projection)].items()}
        views[view_name(projection)] = View(
            {key: await as_shown(privacy, projection, row) for key, row in held.items()},
            {key: await folded_from_zero(blueprint, privacy, projection, mine[key]) for key in mine},
        )
    return views


def card_operation(operation: Operation) -> CardOperation:
    instruction, answer = operation.instruction, operation.answer
    return CardOperation(
        key=operation.key,
        kind=instruction.kind,
        payment_id=instruction.payment_id,
        refund_id=instruction.refund_id,
        amount_minor=instruction.amount.amount_minor if instruction.amount else None,
        currency=instruction.amount.currency if instruction.amount else None,
        outcome="approved" if answer.approved else "declined",
        decline_code=answer.decline_code,
    )
