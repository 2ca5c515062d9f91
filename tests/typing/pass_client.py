"""A tool as it is written: every reply, outcome and event has its type."""

from typing import assert_type

from actors.mesh.connect import Client, Followed
from schemas import inventory
from schemas.envelope import Envelope
from schemas.inventory import GetItem, ItemView, ReceiveStock, StockReceived, StockTaken
from schemas.message import Accepted, Event
from schemas.tells import TellOutcome


async def work(mesh: Client) -> None:
    assert_type(await mesh.ask(GetItem(sku="cup")), ItemView)
    assert_type(await mesh.ask(ReceiveStock(sku="cup", quantity=1)), Accepted)
    command_id = await mesh.tell(ReceiveStock(sku="cup", quantity=1), Envelope())
    assert_type(command_id, str)
    assert_type(await mesh.outcome_of_tell(ReceiveStock, command_id), TellOutcome)
    assert_type(await mesh.outcome_of_tell("inventory", command_id, since_ms=1), TellOutcome)
    async for followed in mesh.follow(StockReceived, after="start"):
        assert_type(followed, Followed[StockReceived])
        assert_type(followed.event, StockReceived | None)
    async for either in mesh.follow((StockReceived, StockTaken), after=7):
        assert_type(either.event, Event | None)
    async for any_of_them in mesh.follow(inventory, after="now"):
        assert_type(any_of_them.event, Event | None)
        assert_type(any_of_them.position, int)
