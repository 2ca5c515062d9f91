"""A tool with a mistake each: mypy must name exactly the lines that are marked."""

# fmt: off  (a mistake and its mark stand on one line)

from actors.mesh.connect import Client
from actors.mesh.testing.toys.lockers import OpenLocker
from schemas.inventory import GetItem, ReceiveStock, StockReceived


async def work(mesh: Client) -> None:
    # A question has an answer, so has a command that names one; an event is a fact already.
    await mesh.tell(GetItem(sku="cup"))  # want error
    await mesh.tell(OpenLocker(locker_id="a", pin="1234"))  # want error
    await mesh.tell(StockReceived(sku="cup", quantity=1))  # want error
    await mesh.tell(ReceiveStock(sku="cup"))  # want error
    await mesh.outcome_of_tell(GetItem, "id")  # want error
    # Where to begin is said, and what is followed is what happened.
    mesh.follow(StockReceived)  # want error
    mesh.follow(StockReceived, after="yesterday")  # want error
    mesh.follow(ReceiveStock, after="now")  # want error
    async for followed in mesh.follow(StockReceived, after="now"):
        followed.event.quantity.bit_length()  # want error
