"""Whole journals as releases have left them: today's code opens, folds and projects them, and shows what they showed.

`histories/<release>.json` was recorded by the real pools of that release and is never changed. The next release adds
its own: `python -m tests.contract.test_histories`.
"""

from __future__ import annotations

import asyncio
import base64
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from actors.mesh._blueprint import second_parameter, view_name
from actors.mesh._history import Fold
from actors.mesh._ports import StoredEvent, ViewRow
from actors.mesh._privacy import Privacy
from actors.mesh._read import Views, aggregate_name, folded
from actors.mesh._states import opened
from actors.mesh.adapters.memory.data_keys import MemoryDataKeys
from actors.mesh.testing.memory_mesh import HMAC_KEY, MASTER_KEY
from actors.mesh.testing.quiet import as_held, at_rest
from cli.contract.reading import release
from schemas.orders import RequestCancel
from schemas.users import AddAddress, ChangePassword, DeactivateUser, LogIn, RegisterUser, RevokeSessions, UpdateProfile
from tests.contract.corpus import blueprint_of
from tests.sim.shop import Shop, order

FOLDER = Path(__file__).with_name("histories")
WRITE = "python -m tests.contract.test_histories"
PASSWORD = "correct horse battery"


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """An event as the journal held it."""

    name: str
    headers: str
    body: str
    command_id: str
    at_ms: int
    private: bool = False


class Domain(msgspec.Struct, frozen=True, kw_only=True):
    """The journal of a domain by key, and its views as they were then: by name and id, opened."""

    events: dict[str, list[Stored]]
    views: dict[str, dict[str, Any]]


class Recording(msgspec.Struct, frozen=True, kw_only=True):
    """What one release has left behind, and the wrapped keys of the persons in it."""

    keys: dict[str, str]
    domains: dict[str, Domain]


def read(file: Path) -> Recording:
    return msgspec.json.decode(file.read_bytes(), type=Recording)


def privacy(recording: Recording) -> Privacy:
    keys = MemoryDataKeys()
    keys._wrapped |= {person: base64.b64decode(key) for person, key in recording.keys.items()}
    return Privacy(keys, master_key=MASTER_KEY, hmac_key=HMAC_KEY, now_ms=lambda: 0)


def stored(key: str, events: list[Stored]) -> list[StoredEvent]:
    return [
        StoredEvent(key, at, one.name, one.body.encode(), one.headers, one.command_id, one.at_ms, one.private)
        for at, one in enumerate(events, 1)
    ]


def recordings() -> list[Path]:
    return sorted(FOLDER.glob("*.json"))


HISTORIES = [pytest.param(file, name, id=f"{file.stem}-{name}") for file in recordings() for name in read(file).domains]


@pytest.mark.parametrize(("file", "name"), HISTORIES)
async def test_a_journal_of_every_release_is_folded_and_told(file: Path, name: str) -> None:
    recording, blueprint = read(file), blueprint_of(name)
    opening = privacy(recording)
    for key, events in recording.domains[name].events.items():
        aggregate, state = blueprint.aggregates[key.partition("/")[0]], None
        for event in await opened(blueprint, opening, stored(key, events)):
            state = aggregate.evolve(state, event)
        assert state is not None
        told = Fold(aggregate, blueprint)
        entries = [told.tell(event) for event in stored(key, events)]
        assert [entry.version for entry in entries] == list(range(1, len(events) + 1))
        assert "~p1." not in msgspec.json.encode(entries).decode(), "sealed texts are hidden"


@pytest.mark.parametrize(("file", "name"), HISTORIES)
async def test_the_views_of_every_release_are_projected_anew(file: Path, name: str) -> None:
    recording, blueprint = read(file), blueprint_of(name)
    domain, opening = recording.domains[name], privacy(recording)
    views = Views(blueprint, None, {}, opening)  # type: ignore[arg-type]  # nothing is mended: no event is missing
    for projection, aggregate in blueprint.followed.items():
        known = second_parameter(projection.fold)
        assert known
        for key, events in domain.events.items():
            if not key.startswith(aggregate_name(aggregate) + "/"):
                continue
            row = await folded(views, projection, None, stored(key, events))
            shown = domain.views.get(view_name(projection), {}).get(key.partition("/")[2])
            assert not differs(shown, await document(opening, projection.view, row)), f"{view_name(projection)} {key}"


async def document(opening: Privacy, view: type[msgspec.Struct], row: ViewRow | None) -> Any:
    if row is None or row.document == b"null":
        return None
    return msgspec.json.decode(msgspec.json.encode(await opening.open(view, row.document)))


def differs(before: Any, now: Any) -> bool:
    """Return whether something a view showed is another now; what it shows since is no difference."""
    if isinstance(before, dict) and isinstance(now, dict):
        return any(name not in now or differs(value, now[name]) for name, value in before.items())
    if isinstance(before, list) and isinstance(now, list):
        return len(before) != len(now) or any(differs(old, new) for old, new in zip(before, now, strict=True))
    return bool(before != now)


def test_this_release_has_left_a_journal() -> None:
    assert FOLDER / f"{release()}.json" in recordings(), f"a new release: {WRITE}"


async def recorded() -> Recording:
    """Let the shop trade for a while and return what it leaves behind."""
    shop = Shop(traced=False)
    async with shop.mesh as mesh:
        await shop.open()
        await trade(shop)
        await at_rest(mesh)
        keys: Any = mesh.data_keys
        return Recording(
            keys={person: base64.b64encode(key).decode() for person, key in keys._wrapped.items() if key},
            domains={blueprint.name: await left_by(shop, blueprint.name) for blueprint in mesh.blueprints},
        )


async def trade(shop: Shop) -> None:
    ask = shop.mesh.client.ask
    for order_id, token in (("paid", "card-approved"), ("declined", "card-declined"), ("refunded", "card-approved")):
        await ask(order(order_id, token=token))
        await at_rest(shop.mesh)
    await ask(RequestCancel(order_id="refunded", customer_id="ada", reason="too late"))
    await ask(LogIn(session_id="s1", email="ada@example.org", password="correct horse"))
    await ask(UpdateProfile(user_id="ada", name="Ada Byron", phone="+4712345678"))
    await ask(
        AddAddress(
            user_id="ada", address_id="home", label="Home", recipient="Ada", street="12 Harbour Street", city="Bergen",
            postal_code="5003", country="NO",
        )
    )  # fmt: skip
    await ask(ChangePassword(user_id="ada", current_password="correct horse", new_password=PASSWORD))
    await ask(RevokeSessions(user_id="ada"))
    await ask(RegisterUser(user_id="bob", name="Bob", email="bob@example.org", password=PASSWORD))
    await ask(DeactivateUser(user_id="bob", reason="asked for it"))


async def left_by(shop: Shop, name: str) -> Domain:
    [blueprint] = [one for one in shop.mesh.blueprints if one.name == name]
    return Domain(
        events={
            key: [
                Stored(
                    name=one.name, headers=one.headers, body=one.body.decode(), command_id=one.command_id,
                    at_ms=one.at_ms, private=one.private,
                )
                for one in events
            ]
            for key, events in shop.mesh.truth.domain(name).events.items()
        },
        views={
            view_name(projection): {
                key: msgspec.to_builtins(view)
                for key, (_, view) in (await as_held(shop.mesh, blueprint, projection)).items()
            }
            for projection in blueprint.actor.projections
        },
    )  # fmt: skip


def write_missing() -> str:
    """Record this release's journals, once."""
    file = FOLDER / f"{release()}.json"
    if file.exists():
        return f"{file.name} is there already, and is never changed\n"
    FOLDER.mkdir(exist_ok=True)
    file.write_bytes(msgspec.json.format(msgspec.json.encode(asyncio.run(recorded())), indent=1) + b"\n")
    return f"written: {file.name}\n"


if __name__ == "__main__":
    sys.stdout.write(write_missing())
