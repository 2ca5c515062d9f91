"""A pool that is told to end, or whose bus is dead, ends as its supervisor expects and loses nothing."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from itertools import count
from urllib.parse import urlsplit

import pytest

from actors.__main__ import EXIT_DEAD
from actors.mesh import Fault
from actors.mesh.testing.waiting import until
from infra.local.failures import NotReady
from infra.local.parts import Part
from infra.local.processes import spawn
from infra.local.services import ServiceName
from schemas.inventory import GetItem, ReceiveStock
from tests.integration.shop_platform import ShopPlatform
from tests.integration.tcp_proxy import TcpProxy

pytestmark = pytest.mark.asyncio(loop_scope="session")

DRAINED_SECONDS = 20.0
CALLERS = 24
BEFORE, AFTER = 150, 150
"""Messages answered before the signal, and after it."""
ORDERS = 12
DEAD_SECONDS = 45.0


class Load:
    """Callers who ask again and again, each message once, and write down what came of it."""

    def __init__(self, shop: ShopPlatform, sku: str) -> None:
        self._shop, self._sku = shop, sku
        self._numbers = count()
        self.received = 0
        self.ended: Counter[str] = Counter()
        self.unanswered: list[str] = []
        self._over = False

    @property
    def answers(self) -> int:
        return self.ended.total()

    @asynccontextmanager
    async def applied(self) -> AsyncIterator[None]:
        callers = [asyncio.create_task(self._call()) for _ in range(CALLERS)]
        try:
            yield
        finally:
            self._over = True
            await asyncio.gather(*callers)

    async def _call(self) -> None:
        while not self._over:
            await self._ask(next(self._numbers))

    async def _ask(self, number: int) -> None:
        try:
            if number % 3:
                await self._shop.client.ask(ReceiveStock(sku=self._sku, quantity=1))
                self.received += 1
            else:
                await self._shop.client.ask(GetItem(sku=self._sku))
            self.ended["answered"] += 1
        except Fault as fault:
            self.ended[fault.code] += 1
            if fault.executed:  # nobody knows what became of it
                self.unanswered.append(str(fault))
            await asyncio.sleep(0.02)


@contextmanager
def process_of(shop: ShopPlatform, part: Part) -> Iterator[subprocess.Popen[bytes]]:
    """Run a part without anybody who brings it back."""
    running = spawn(part, shop.folder / "logs" / f"{part.name}.log")
    try:
        yield running
    finally:
        running.kill()
        running.wait()


async def ready(part: Part) -> None:
    assert part.probe is not None
    probe = part.probe

    async def serves() -> bool:
        try:
            await probe()
        except NotReady:
            return False
        return True

    await until(serves, timeout_seconds=30)


@asynccontextmanager
async def own_pool(
    shop: ShopPlatform, domain: ServiceName, **environment: str
) -> AsyncIterator[subprocess.Popen[bytes]]:
    """Run one more pool of a domain, which nobody brings back when it ends."""
    part = shop.platform.part(domain, f"{domain}-own", environment)
    with process_of(shop, part) as running:
        await ready(part)
        yield running


@asynccontextmanager
async def only_pool(shop: ShopPlatform, domain: ServiceName) -> AsyncIterator[subprocess.Popen[bytes]]:
    """Let a domain be served by one pool that nobody brings back."""
    async with own_pool(shop, domain) as running:
        await shop.platform.remove(domain)
        try:
            yield running
        finally:
            await shop.platform.add(shop.platform.part(domain, domain))


async def drained(running: subprocess.Popen[bytes]) -> int | None:
    """Ask a process to end; return its exit code."""
    running.send_signal(signal.SIGTERM)
    await until(lambda: running.poll() is not None, timeout_seconds=DRAINED_SECONDS)
    return running.poll()


async def test_a_pool_told_to_end_under_load_answers_all_it_took_and_leaves_the_rest_to_others(
    shop: ShopPlatform,
) -> None:
    await shop.stock("rope", 1)
    load = Load(shop, "rope")
    async with own_pool(shop, "inventory") as leaving, load.applied():
        await until(lambda: load.answers > BEFORE, timeout_seconds=30)
        taken = await shop.delivered("inventory")
        assert len(taken) == 2
        assert min(taken.values()) > BEFORE / 4
        assert await drained(leaving) == 0
        after = load.answers
        await until(lambda: load.answers > after + AFTER, timeout_seconds=30)
    assert not load.unanswered
    assert set(load.ended) <= {"answered", "overloaded", "unavailable"}
    await judge(shop, "rope", load)


async def test_the_last_pool_told_to_end_answers_all_it_took_and_then_nobody_is_there(shop: ShopPlatform) -> None:
    await shop.stock("sail", 1)
    load = Load(shop, "sail")
    async with only_pool(shop, "inventory") as leaving, load.applied():
        await until(lambda: load.answers > BEFORE, timeout_seconds=30)
        assert await drained(leaving) == 0
        await until(lambda: load.ended["unavailable"] > CALLERS, timeout_seconds=30)
    assert not load.unanswered
    await judge(shop, "sail", load)


async def judge(shop: ShopPlatform, sku: str, load: Load) -> None:
    """What was accepted is in the journal, told and shown; what was not, is nowhere."""
    assert await shop.at_rest(()) == {}
    assert (await shop.names("inventory", f"item/{sku}"))["stock_received"] == load.received + 1
    assert (await shop.item(sku)).on_hand == load.received + 1


async def test_orders_under_way_go_on_in_the_next_process(shop: ShopPlatform) -> None:
    await shop.stock("mast", ORDERS)
    names = [f"mast-{number}" for number in range(ORDERS)]
    async with only_pool(shop, "orders") as leaving:
        await asyncio.gather(*(shop.place(name, "mast", "card-approved") for name in names))
        assert await drained(leaving) == 0
    assert set((await shop.at_rest(names)).values()) == {"paid"}
    cards = await shop.cards()
    assert all(cards[name] == {"authorisation": 1, "capture": 1} for name in names)


class DeafProxy(TcpProxy):
    """Passes everything on, until it keeps back every message of NATS and only the connection looks alive."""

    deaf = False

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        if sink.get_extra_info("sockname")[1] != self.port:  # towards the server
            await super()._pump(source, sink)
            return
        try:
            while line := await source.readline():
                verb, *words = line.split()
                is_message = verb in (b"MSG", b"HMSG")
                payload = await source.readexactly(int(words[-1]) + 2) if is_message else b""
                if not (self.deaf and is_message):
                    sink.write(line + payload)
                    await sink.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        self._writers.discard(sink)
        sink.transport.abort()


@pytest.mark.slow
async def test_a_pool_whose_bus_is_dead_ends_for_its_supervisor_to_start_it_again(shop: ShopPlatform) -> None:
    url = urlsplit(shop.platform.endpoints.nats)
    proxy = DeafProxy(str(url.hostname), int(url.port or 0))
    await proxy.start()
    through = url._replace(netloc=f"{url.username}:{url.password}@127.0.0.1:{proxy.port}").geturl()
    try:
        async with own_pool(shop, "users", MESH_NATS_URL=through) as running:
            proxy.deaf = True
            await until(lambda: running.poll() is not None, timeout_seconds=DEAD_SECONDS)
            assert running.poll() == EXIT_DEAD
    finally:
        await proxy.stop()
