"""When a mesh in memory has come to rest, and whether what it shows then is what it wrote."""

from __future__ import annotations

from typing import Any

from actors.mesh._actor import Happened, Projection
from actors.mesh._blueprint import Blueprint, second_parameter, view_name
from actors.mesh._read import aggregate_name, decided_at_ms
from actors.mesh._states import opened
from actors.mesh.testing.memory_mesh import MemoryMesh

PAGE_ROWS = 100


async def unrest(mesh: MemoryMesh) -> list[str]:
    """Return what is still under way: nothing, when all is at rest. Timers may still be set."""
    found = []
    for blueprint in mesh.blueprints:
        tables = mesh.truth.domain(blueprint.name)
        if tables.unpublished:
            found.append(f"{blueprint.name}: {len(tables.unpublished)} unpublished")
        found += [
            f"{consumer.name}: {pending} pending"
            for consumer in mesh.consumers[blueprint.name]
            if (pending := await mesh.bus.pending(consumer))
        ]
        found += [f"saga of {row.key} is {row.status}" for row in tables.sagas.values() if row.status in UNFINISHED]
        found += [f"effect {at} is open" for at in tables.effects if at not in tables.effects_finished]
    return found


UNFINISHED = ("running", "undoing")


async def at_rest(mesh: MemoryMesh, *, within_seconds: float = 120) -> None:
    """Let the mesh's own clock run until nothing is under way; fail, saying what still is."""
    end_ms = mesh.clock.now_ms() + int(within_seconds * 1000)
    while still := await unrest(mesh):
        assert mesh.clock.now_ms() < end_ms, f"not at rest within {within_seconds} s: {still[:10]}"
        await mesh.clock.sleep(0.1)


async def differing_views(mesh: MemoryMesh) -> list[str]:
    """Fold every event of every domain into views from zero; return in words where the stores hold something else."""
    different: list[str] = []
    for blueprint in mesh.blueprints:
        for projection in blueprint.actor.projections:
            expected, held = await from_zero(mesh, blueprint, projection), await as_held(mesh, blueprint, projection)
            different += [
                f"{view_name(projection)} {key}: held {held.get(key)}, folded {expected.get(key)}"
                for key in sorted(expected.keys() | held.keys())
                if expected.get(key) != held.get(key)
            ]
    return different


async def from_zero(mesh: MemoryMesh, blueprint: Blueprint, projection: Projection) -> dict[str, tuple[int, Any]]:
    """Return version and view of each key, made from nothing but the journal."""
    prefix, privacy = f"{aggregate_name(blueprint.followed[projection])}/", mesh.privacy()
    known, views = second_parameter(projection.fold), dict[str, tuple[int, Any]]()
    for key, stored in mesh.truth.domain(blueprint.name).events.items():
        if not key.startswith(prefix):
            continue
        view = None
        for kept, event in zip(stored, await opened(blueprint, privacy, stored), strict=True):
            if isinstance(event, known):
                view = projection.fold(view, event, Happened(key, kept.version, decided_at_ms(kept)))
        views[key.removeprefix(prefix)] = (len(stored), view)
    return views


async def as_held(mesh: MemoryMesh, blueprint: Blueprint, projection: Projection) -> dict[str, tuple[int, Any]]:
    """Return version and view of each row that the store holds."""
    store = (mesh.views if projection.store == "default" else mesh.hot)[blueprint.name]
    privacy, held, cursor = mesh.privacy(), dict[str, tuple[int, Any]](), ""
    while True:
        page = await store.page(view_name(projection), {}, newest_first=False, cursor=cursor, limit=PAGE_ROWS)
        for row in page.rows:
            empty = row.document == b"null"
            held[row.key] = (row.version, None if empty else await privacy.open(projection.view, row.document))
        if not (cursor := page.next_cursor):
            return held
