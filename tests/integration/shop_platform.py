"""A whole platform of real processes for tests that kill, crowd, drain and trace it, and what really happened there."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import msgspec

from actors.mesh import Fault
from actors.mesh.connect import Client, connect, tool_settings
from actors.mesh.testing.waiting import until
from cli.seed import add_accounts
from infra.local.card_log import LogRow
from infra.local.parts import PartState
from infra.local.platform import LocalPlatform
from infra.local.services import ServiceName
from schemas.envelope import Envelope, derived_id
from schemas.inventory import AddItem, GetItem, ItemView, ReceiveStock
from schemas.message import Message
from schemas.orders import GetOrder, OrderView, PlaceOrder, RequestCancel
from schemas.values import Line, Money

CUSTOMER = "cust-ada"
PRICE = Money(amount_minor=450, currency="EUR")
AGAIN_SECONDS = 0.2
KILLED = "signal 9 ended it"


class CardRows(msgspec.Struct):
    operations: list[LogRow]


class ShopPlatform:
    """The platform, a client that asks it as a service, and questions to its stores."""

    def __init__(
        self, platform: LocalPlatform, client: Client, database: asyncpg.Pool, states: list[PartState]
    ) -> None:
        self.platform, self.client, self.database, self.states = platform, client, database, states

    async def insist(self, message: Message, name: str, *, give_up_seconds: float = 60.0) -> Any:
        """Ask until there is an answer, always under the same command id, as a careful client does."""
        end = asyncio.get_running_loop().time() + give_up_seconds
        while True:
            try:
                return await self.client.ask(message, Envelope(command_id=derived_id("test", name)))  # type: ignore[call-overload]
            except Fault:
                if asyncio.get_running_loop().time() > end:
                    raise
                await asyncio.sleep(AGAIN_SECONDS)

    async def stock(self, sku: str, quantity: int) -> None:
        """Put an item on the shelf."""
        await self.insist(AddItem(sku=sku, title=sku, price=PRICE), f"add {sku}")
        await self.insist(ReceiveStock(sku=sku, quantity=quantity), f"receive {sku}")

    async def place(self, order_id: str, sku: str, card: str, quantity: int = 1) -> None:
        """Place an order, however often it takes."""
        lines = (Line(sku=sku, quantity=quantity),)
        command = PlaceOrder(
            order_id=order_id, customer_id=CUSTOMER, lines=lines, deliver_to="1 Example Street", payment_token=card
        )
        await self.insist(command, f"place {order_id}")

    async def cancel(self, order_id: str) -> None:
        """Ask for an order to be cancelled."""
        command = RequestCancel(order_id=order_id, customer_id=CUSTOMER, reason="changed my mind")
        await self.insist(command, f"cancel {order_id}")

    async def order(self, order_id: str) -> OrderView:
        return await self.insist(GetOrder(order_id=order_id), f"look {order_id}")

    async def item(self, sku: str) -> ItemView:
        version = await self.version("inventory", f"item/{sku}")
        return await self.insist(GetItem(sku=sku, at_least_version=version), f"look {sku}")

    async def version(self, domain: str, key: str) -> int:
        return await self.database.fetchval(f"SELECT max(version) FROM {domain}.events WHERE key = $1", key) or 0

    async def events(self, domain: str, key: str) -> Sequence[Mapping[str, Any]]:
        """Return the journal of one key."""
        return await self.database.fetch(f"SELECT * FROM {domain}.events WHERE key = $1 ORDER BY version", key)

    async def names(self, domain: str, key: str) -> Counter[str]:
        """Return how often which event is in the journal of one key."""
        return Counter(row["name"] for row in await self.events(domain, key))

    async def status(self, order_id: str) -> str:
        """Return where the order stands in the journal: how its story ended where it is over."""
        names = await self.names("orders", f"order/{order_id}")
        if names["order_refund_requested"] and not names["order_refunded"]:
            return "under way"
        ends = ("refunded", "paid", "cancelled")
        return next((end for end in ends if names[f"order_{end}"]), "under way")

    async def cards(self) -> dict[str, Counter[str]]:
        """Return by payment how often the card processor approved what: the truth about the money."""
        url = self.platform.environment["MESH_CARDS_URL"]
        async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
            rows = msgspec.json.decode((await http.get("/v1/log")).content, type=CardRows).operations
        done: dict[str, Counter[str]] = {}
        for row in rows:
            done.setdefault(row.payment_id, Counter())[row.kind] += row.outcome == "approved"
        return done

    async def delivered(self, domain: str) -> dict[int, int]:
        """Return by process how many messages of others NATS has delivered to a domain."""
        url = self.platform.endpoints.nats_monitor
        async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
            found = (await http.get("/connz")).json()["connections"]
        return {one["cid"]: one["out_msgs"] for one in found if one["name"] == f"{domain} inbound"}

    async def left_over(self, domains: Iterable[str] = ("users", "orders", "inventory", "payments")) -> list[str]:
        """Return what is not at rest in the tables: nothing, when every story is over and told."""
        looks = {
            "unpublished": "true",
            "sagas": "status IN ('running', 'undoing')",
            "effects": "NOT finished",
            "dead_letters": "true",
        }
        found = []
        for domain in domains:
            for table, condition in looks.items():
                count = await self.database.fetchval(f"SELECT count(*) FROM {domain}.{table} WHERE {condition}")
                found += [f"{domain}.{table}: {count}"] if count else []
        return found

    async def at_rest(self, order_ids: Iterable[str], *, timeout_seconds: float = 60.0) -> dict[str, str]:
        """Wait until all orders' stories are over and nothing is left to do; return how each ended."""
        ids = list(order_ids)

        async def over() -> bool:
            return not await self.left_over()

        await until(over, timeout_seconds=timeout_seconds)
        return {order_id: await self.status(order_id) for order_id in ids}

    async def replace_pools(self, chaos: Mapping[ServiceName, Sequence[str]]) -> list[str]:
        """Run a domain as these pools instead of one, each with its plan of deaths; return their names."""
        for marker in self.folder.glob("chaos-*"):
            marker.unlink()
        parts = [
            self.platform.part(domain, f"{domain}-{number}", {"MESH_CHAOS": plan})
            for domain, plans in chaos.items()
            for number, plan in enumerate(plans)
        ]
        await asyncio.gather(*(self.platform.remove(domain) for domain in chaos))
        await asyncio.gather(*(self.platform.add(part) for part in parts))
        return [part.name for part in parts]

    async def restore_pools(self, names: Sequence[str], domains: Iterable[ServiceName]) -> None:
        """Go back to one pool a domain."""
        await asyncio.gather(*(self.platform.remove(name) for name in names))
        await asyncio.gather(*(self.platform.add(self.platform.part(domain, domain)) for domain in domains))

    @property
    def folder(self) -> Path:
        return Path(self.platform.environment["MESH_DATA_FOLDER"])

    def fired(self) -> set[str]:
        """Return the points at which a process has died."""
        return {marker.name.removeprefix("chaos-") for marker in self.folder.glob("chaos-*")}


@asynccontextmanager
async def shop_platform(folder: Path) -> AsyncIterator[ShopPlatform]:
    """Start everything, with one customer."""
    states: list[PartState] = []
    async with LocalPlatform(folder, watch=states.append) as platform:
        await add_accounts(platform.environment, platform.endpoints.accounts.values())
        async with connect(tool_settings(platform.environment), "seed") as client:
            database = await asyncpg.create_pool(platform.endpoints.postgres, min_size=1, max_size=4)
            try:
                yield ShopPlatform(platform, client, database, states)
            finally:
                await database.close()
