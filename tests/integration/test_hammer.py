"""Four processes hammer one key: every command counts once, versions have no gap, and every view is its fold."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import msgspec
import pytest
import pytest_asyncio

from actors.inventory import views
from actors.mesh import Happened
from schemas import inventory
from schemas.envelope import Envelope, derived_id
from schemas.inventory import GetAvailability, ReceiveStock
from schemas.message import Accepted, Event, wire_name
from tests.integration.shop_platform import ShopPlatform

pytestmark = pytest.mark.asyncio(loop_scope="session")

POOLS = 4
CALLERS = 32
COMMANDS = 320
EVENTS = {
    wire_name(kind): kind for kind in vars(inventory).values() if isinstance(kind, type) and issubclass(kind, Event)
}

View = TypeVar("View")


class Answer(NamedTuple):
    version: int
    repeated: bool


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def crowded(shop: ShopPlatform) -> AsyncIterator[ShopPlatform]:
    """Inventory served by four processes."""
    names = await shop.replace_pools({"inventory": [""] * POOLS})
    yield shop
    await shop.restore_pools(names, ("inventory",))


async def hammered(shop: ShopPlatform, sku: str, *, times: int) -> list[tuple[Answer, ...]]:
    """Receive one piece in each of many commands, each sent so often at once; return the answers by command."""
    waiting = iter(range(COMMANDS))
    answers: list[tuple[Answer, ...]] = []

    async def ask(number: int) -> Answer:
        envelope = shop.client.envelope(Envelope(command_id=derived_id("hammer", sku, str(number))))
        reply = await shop.client.ask_raw(ReceiveStock(sku=sku, quantity=1), envelope)
        return Answer(msgspec.json.decode(reply.body, type=Accepted).version, reply.repeated)

    async def caller() -> None:
        # Whatever goes wrong, a conflict first of all, fails the test.
        answers.extend([tuple(await asyncio.gather(*(ask(number) for _ in range(times)))) for number in waiting])

    before = await shop.delivered("inventory")
    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    after = await shop.delivered("inventory")
    taken = [after[connection] - before[connection] for connection in after]
    assert len(taken) == POOLS
    assert min(taken) > COMMANDS * times / POOLS / 2, f"the processes did not share the work: {taken}"
    return answers


async def test_four_processes_on_one_key_lose_nothing_and_nobody_sees_a_conflict(crowded: ShopPlatform) -> None:
    await crowded.stock("anvil", 1)
    answers = await hammered(crowded, "anvil", times=1)
    assert sorted(answer.version for (answer,) in answers) == list(range(3, COMMANDS + 3))
    assert not any(answer.repeated for (answer,) in answers)
    await judge(crowded, "anvil")


async def test_a_command_at_two_processes_at_once_is_done_once_and_answered_alike(crowded: ShopPlatform) -> None:
    await crowded.stock("bell", 1)
    pairs = await hammered(crowded, "bell", times=2)
    assert all(first.version == second.version for first, second in pairs)
    assert all({first.repeated, second.repeated} == {False, True} for first, second in pairs)
    assert sorted(first.version for first, _ in pairs) == list(range(3, COMMANDS + 3))
    await judge(crowded, "bell")


async def judge(shop: ShopPlatform, sku: str) -> None:
    """Compare journal and views with what was asked for."""
    events = await shop.events("inventory", f"item/{sku}")
    assert [event["version"] for event in events] == list(range(1, COMMANDS + 3))
    assert len({event["command_id"] for event in events}) == len(events)
    item = await shop.item(sku)
    assert item == folded(views.item_view, events)
    assert item.on_hand == COMMANDS + 1
    query = GetAvailability(sku=sku, at_least_version=len(events))
    assert await shop.client.ask(query) == folded(views.availability, events)
    assert await shop.at_rest(()) == {}


def folded(fold: Callable[[View | None, Any, Happened], View], events: Sequence[Mapping[str, Any]]) -> View:
    """Return the view that the journal says."""
    view: View | None = None
    for event in events:
        happened = Happened(event["key"], event["version"], 0)
        view = fold(view, msgspec.json.decode(event["body"], type=EVENTS[event["name"]]), happened)
    assert view is not None
    return view
