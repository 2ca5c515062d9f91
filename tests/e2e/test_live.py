"""The gateway is killed under those who listen; each hears every event once, as it was stored, and no one else's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from actors.mesh import Fault
from actors.mesh.adapters.nats import open_nats
from actors.mesh.adapters.world import SystemClock, SystemIds
from actors.mesh.connect import connect, tool_settings
from actors.mesh.testing.waiting import until
from schemas.envelope import Envelope, derived_id
from schemas.orders import PlaceOrder
from schemas.values import Line
from tests.e2e.running import Running
from tests.unit.gateway.listening import EventReader

pytestmark = pytest.mark.asyncio(loop_scope="session")

WAIT_SECONDS = 60.0
ORDERS = 60
KILLS = 3
AGAIN_SECONDS = 0.05
TOPICS = {"orders": ("orders", "order"), "items": ("inventory", "item"), "payments": ("payments", "payment")}
"""Where the truth about a topic is: the domain's journal, and the aggregate in it."""

Name = tuple[str, str, int]


class Client:
    """Listens as a browser does: reconnects by itself, with the last id it has seen."""

    def __init__(self, url: str, token: str) -> None:
        self.heard: list[Name] = []
        self.resets = 0
        self.connections = 0
        self._reader = EventReader()
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}"}

    @property
    def is_ready(self) -> bool:
        return bool(self._reader.last_id)

    def of(self, topic: str) -> list[Name]:
        return [name for name in self.heard if name[0] == topic]

    async def listen(self) -> None:
        async with httpx.AsyncClient(base_url=self._url, timeout=30.0, trust_env=False) as http:
            while True:
                try:
                    await self._connection(http)
                except httpx.TransportError:
                    await asyncio.sleep(AGAIN_SECONDS)

    async def _connection(self, http: httpx.AsyncClient) -> None:
        last_id = self._reader.last_id
        headers = self._headers | ({"Last-Event-ID": last_id} if last_id else {})
        async with http.stream("GET", "/v1/live", headers=headers) as answer:
            if answer.status_code != 200:
                await asyncio.sleep(AGAIN_SECONDS)
                return
            self.connections += 1
            self._reader = EventReader()  # what had not come whole before the end is no event
            self._reader.last_id = last_id
            async for chunk in answer.aiter_raw():
                self._reader.feed(chunk)
                for event in self._reader.events:
                    if event.event in TOPICS:
                        self.heard.append((event.event, event.data["key"], event.data["version"]))
                    self.resets += event.event == "reset"
                self._reader.events.clear()


@asynccontextmanager
async def listeners(running: Running, *names: str) -> AsyncIterator[list[Client]]:
    endpoints = running.platform.endpoints
    clients = [Client(endpoints.gateway, endpoints.tokens[name]) for name in names]
    listening = [asyncio.create_task(client.listen()) for client in clients]
    try:
        await until(lambda: all(client.is_ready for client in clients), timeout_seconds=WAIT_SECONDS)
        yield clients
    finally:
        for task in listening:
            task.cancel()
        await asyncio.wait(listening)


async def journal(running: Running) -> set[Name]:
    """Return every event of the topics that has ever happened."""
    found: set[Name] = set()
    async with running.administrator() as connection:
        for topic, (domain, aggregate) in TOPICS.items():
            rows = await connection.fetch(
                f"SELECT key, version FROM {domain}.events WHERE key LIKE $1", f"{aggregate}/%"
            )
            found.update((topic, row["key"], row["version"]) for row in rows)
    return found


async def streamed(running: Running) -> dict[str, list[Name]]:
    """Return the events of each topic as its stream has them, private ones and other aggregates included."""
    found = {}
    url = tool_settings(running.platform.environment).nats_url.reveal()
    async with open_nats(url, name="test", clock=SystemClock(), ids=SystemIds()) as bus:
        for topic, (domain, _) in TOPICS.items():
            ids = [message_id.rpartition("@") async for message_id in bus.stored_ids(domain.upper())]
            found[topic] = [(topic, key, int(version)) for key, _, version in ids]
    return found


async def place_orders(running: Running, sku: str) -> None:
    """Place orders of two customers past the gateway, so that they keep coming while it is away."""
    async with connect(tool_settings(running.platform.environment), "test") as mesh:
        for number in range(ORDERS):
            order_id = derived_id(sku, str(number))
            command = PlaceOrder(
                order_id=order_id,
                customer_id=("cust-ada", "cust-grace")[number % 2],
                lines=(Line(sku=sku, quantity=1),),
                deliver_to="1 Engine Row",
                payment_token="card-approved",
            )
            while True:
                try:
                    await mesh.ask(command, Envelope(command_id=derived_id("place", order_id)))
                    break
                except Fault:
                    await asyncio.sleep(AGAIN_SECONDS)


async def stocked(running: Running, sku: str) -> None:
    warehouse = running.shop("wendy")
    item = {"sku": sku, "title": "Heard of", "price": {"amount_minor": 700, "currency": "EUR"}}
    await warehouse.post("/v1/items", item)
    await warehouse.post(f"/v1/items/{sku}/receipts", {"quantity": 1000})
    await running.rest()


async def owners(running: Running) -> dict[str, str]:
    """Return whose order it is, by its key."""
    async with running.administrator() as connection:
        rows = await connection.fetch(
            "SELECT key, convert_from(body, 'UTF8')::json ->> 'customer_id' AS customer_id "
            "FROM orders.events WHERE name = 'order_placed'"
        )
    return {row["key"]: row["customer_id"] for row in rows}


def in_order(heard: list[Name], stream: list[Name]) -> bool:
    """Whether events were heard as the stream has them. Of two pools one may store version 3 before the other has
    stored its version 2 (readers trust no order), so the versions of an entity say less than the stream.
    """
    places = {name: place for place, name in enumerate(stream)}
    heard_at = [places[name] for name in heard]
    return heard_at == sorted(heard_at)


@pytest.mark.slow
async def test_who_listens_while_the_gateway_is_killed_hears_every_event_once(running: Running) -> None:
    await stocked(running, "heard-of")
    before = await journal(running)
    async with listeners(running, "otto", "otto", "ada") as clients:
        otto, _, ada = clients
        placing = asyncio.create_task(place_orders(running, "heard-of"))
        for kill in range(1, KILLS + 1):
            await until(lambda kill=kill: len(otto.heard) > 40 * kill, timeout_seconds=WAIT_SECONDS)  # type: ignore[misc]
            running.platform.kill("gateway")
            await until(
                lambda kill=kill: all(client.connections > kill for client in clients),  # type: ignore[misc]
                timeout_seconds=WAIT_SECONDS,
            )
        await placing
        await running.rest()
        happened = await journal(running) - before
        whose, stream = await owners(running), await streamed(running)
        for client in clients[:2]:
            await until(lambda client=client: len(client.heard) >= len(happened), timeout_seconds=WAIT_SECONDS)  # type: ignore[misc]
            assert len(client.heard) == len(set(client.heard)), "nothing twice"
            assert set(client.heard) == happened
            assert all(in_order(client.of(topic), stream[topic]) for topic in TOPICS)
            assert client.resets == 0
        of_items = {name for name in happened if name[0] == "items"}
        of_ada = {name for name in happened if name[0] == "orders" and whose[name[1]] == "cust-ada"}
        heard = {topic: {name for name in ada.heard if name[0] == topic} for topic in TOPICS}
        assert (heard["orders"], heard["items"]) == (of_ada, of_items)
        assert len(of_ada) >= ORDERS // 2
        assert 0 < len(heard["payments"]) < len([name for name in happened if name[0] == "payments"])
        assert len(ada.heard) == len(set(ada.heard))
        assert all(in_order(ada.of(topic), stream[topic]) for topic in TOPICS)
    assert not (await running.checked()).problems


async def test_six_tabs_of_one_person_starve_no_request(running: Running) -> None:
    async with listeners(running, *["ada"] * 6) as tabs:
        shop = running.shop("ada")
        items = await asyncio.gather(*(shop.get("/v1/items", dict[str, object]) for _ in range(30)))
        assert len(items) == 30
        assert all(tab.connections == 1 for tab in tabs)
