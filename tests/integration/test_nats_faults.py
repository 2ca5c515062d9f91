"""What nats-py and NATS do wrong on bad days, and that the bus lives through it (RELIABILITY, section 6)."""

from __future__ import annotations

import asyncio
import gc
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from nats.aio.client import Client

from actors.mesh._errors import Fault, Overloaded, Refused, TimedOut, Unavailable
from actors.mesh._ports.bus import Acknowledge, ConsumerSpec, Delivered, Received, StreamSpec, Verdict
from actors.mesh.adapters.nats import NatsBus, open_nats
from actors.mesh.adapters.nats.dialling import ClientName
from actors.mesh.adapters.nats.heartbeat import Heartbeat
from actors.mesh.adapters.nats.requests import UNSENT_BYTES_MAX
from actors.mesh.adapters.world import SystemClock, SystemIds
from actors.mesh.testing.waiting import until
from tests.integration.nats_broker import Broker
from tests.integration.raw_nats import frame, send_raw
from tests.integration.tcp_proxy import TcpProxy, proxy_to

CLOCK, IDS = SystemClock(), SystemIds()
HEAL_SECONDS = 20.0
STREAM = StreamSpec("THINGS", ("things.event.>",))
CONSUMER = ConsumerSpec("THINGS", "things_all", ("things.event.>",), acknowledge_within_seconds=2)


# nats-py drops the socket of a connection that it could not make without closing it.
pytestmark = [pytest.mark.filterwarnings("ignore:unclosed", "ignore:loop is closed")]


@pytest.fixture(autouse=True)
async def swept() -> AsyncIterator[None]:
    """Collect what nats-py dropped while its warnings are expected, not in the middle of another test."""
    yield
    gc.collect()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    broker = Broker(tmp_path)
    broker.start()
    yield broker
    broker.kill()


@pytest.fixture
async def proxy(broker: Broker) -> AsyncIterator[TcpProxy]:
    async with proxy_to("127.0.0.1", broker.port) as proxy:
        yield proxy


@pytest.fixture(params=["fast", pytest.param("stock", marks=pytest.mark.slow)])
def client(request: pytest.FixtureRequest) -> ClientName:
    """Every bad day is lived through twice: over the hot path of our own, and over nats-py as it is."""
    name: ClientName = request.param
    return name


@pytest.fixture
def counted() -> Counter[str]:
    return Counter()


@pytest.fixture
async def bus(broker: Broker, proxy: TcpProxy, counted: Counter[str], client: ClientName) -> AsyncIterator[NatsBus]:
    """The bus under test, over the proxy."""
    url, counters = f"nats://127.0.0.1:{proxy.port}", count(counted)
    async with open_nats(
        url, name="test", clock=CLOCK, ids=IDS, in_flight_max=50, counters=counters, client=client
    ) as bus:
        yield bus


@pytest.fixture
async def peer(broker: Broker, client: ClientName) -> AsyncIterator[NatsBus]:
    """Another process, connected directly."""
    async with open_nats(broker.url, name="peer", clock=CLOCK, ids=IDS, client=client) as bus:
        yield bus


def count(counted: Counter[str]) -> Counting:
    return Counting(counted)


class Counting:
    """Counts and then fails: what it counts for must not notice."""

    def __init__(self, counted: Counter[str]) -> None:
        self._counted = counted

    def __call__(self, what: str) -> None:
        self._counted[what] += 1
        raise RuntimeError("a counter that fails")


RUNNING: set[asyncio.Task[None]] = set()


def echo(received: Received) -> None:
    task = asyncio.ensure_future(received.respond(received.body, {}))
    RUNNING.add(task)
    task.add_done_callback(RUNNING.discard)


async def works(bus: NatsBus, subject: str) -> bool:
    try:
        return (await bus.request(subject, b"x", {}, timeout_seconds=0.5)).body == b"x"
    except Fault:
        return False


def clients_named(*names: str) -> list[Client]:
    """What the bus hides: nats-py's clients, to be abused behind its back."""
    clients = [one for one in gc.get_objects() if isinstance(one, Client) and one.is_connected]
    return [one for one in clients if one.options.get("name") in names]


class Kept:
    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    async def __call__(self, batch: Sequence[Delivered]) -> Sequence[Verdict]:
        self.bodies.extend(message.body for message in batch)
        return [Acknowledge()] * len(batch)


# A connection that lies (1), callbacks that fail (2, 3), attempts that end (4)


@pytest.mark.slow
async def test_a_connection_that_hears_nothing_is_found_and_healed(
    bus: NatsBus, peer: NatsBus, proxy: TcpProxy, counted: Counter[str]
) -> None:
    await bus.serve("things.command.make.*", "things", echo)
    await peer.serve("peer.echo", "peer", echo)
    # Their reading has ended, and they go on saying that they are connected.
    clients = clients_named("test inbound", "test outbound", "test streams")
    assert len(clients) == 3
    for one in clients:
        assert one._reading_task is not None
        one._reading_task.cancel()
    await asyncio.sleep(0.1)
    assert all(one.is_connected for one in clients)
    await until(lambda: not bus.connected, timeout_seconds=HEAL_SECONDS)
    await until(lambda: bus.connected, timeout_seconds=HEAL_SECONDS)
    assert await works(peer, "things.command.make.1")
    assert await works(bus, "peer.echo")
    assert counted["reconnect_forced"] >= 1


@pytest.mark.slow
async def test_a_pong_that_comes_too_late_costs_a_reconnect_at_most(
    bus: NatsBus, peer: NatsBus, proxy: TcpProxy, counted: Counter[str], client: ClientName
) -> None:
    """It ends the reading of nats-py, whose word that it is connected then counts for nothing; ours takes it."""
    await bus.serve("things.command.make.*", "things", echo)
    clients = clients_named("test inbound", "test outbound", "test streams")
    proxy.blackhole()
    await asyncio.gather(*(one.flush(timeout=1) for one in clients), return_exceptions=True)
    proxy.heal()
    assert all(one.is_connected for one in clients)
    if client == "stock":
        await until(lambda: not bus.connected, timeout_seconds=HEAL_SECONDS)
    await until(lambda: bus.connected, timeout_seconds=HEAL_SECONDS)
    await until(lambda: works(peer, "things.command.make.1"), timeout_seconds=HEAL_SECONDS)
    assert (counted["reconnect_forced"] >= 1) == (client == "stock")


async def test_a_connection_that_cannot_be_revived_ends_the_process_or_is_built_anew(
    broker: Broker, counted: Counter[str], client: ClientName, monkeypatch: pytest.MonkeyPatch
) -> None:
    deaths: list[str] = []

    async def never(self: Heartbeat, within_seconds: float) -> bool:
        return False

    def die() -> None:
        deaths.append("exit 70")
        monkeypatch.undo()

    settings = {"name": "test", "clock": CLOCK, "ids": IDS, "client": client, "on_dead": die}
    settings["counters"] = count(counted)
    async with open_nats(broker.url, **settings) as bus:  # type: ignore[arg-type]
        await bus.serve("things.command.make.*", "things", echo)
        monkeypatch.setattr("actors.mesh.adapters.nats.connection.BEAT_EVERY_SECONDS", 0.05)
        monkeypatch.setattr(Heartbeat, "comes_back", never)
        await until(lambda: len(deaths) >= 1)
        assert counted["reconnect_forced"] >= 1
        await until(lambda: bus.connected, timeout_seconds=HEAL_SECONDS)
        await until(lambda: works(bus, "things.command.make.1"))


@pytest.mark.slow
async def test_a_broker_that_stands_still_is_noticed_and_used_again_when_it_goes_on(
    bus: NatsBus, peer: NatsBus, broker: Broker
) -> None:
    await bus.serve("things.command.make.*", "things", echo)
    broker.signal(signal.SIGSTOP)
    try:
        await until(lambda: not bus.connected, timeout_seconds=10)
    finally:
        broker.signal(signal.SIGCONT)
    await until(lambda: bus.connected and peer.connected, timeout_seconds=HEAL_SECONDS)
    await until(lambda: works(peer, "things.command.make.1"), timeout_seconds=HEAL_SECONDS)


async def test_a_cut_connection_is_made_again_with_all_its_subscriptions(
    bus: NatsBus, peer: NatsBus, proxy: TcpProxy, counted: Counter[str]
) -> None:
    await bus.serve("things.command.make.*", "things", echo)
    await peer.serve("peer.echo", "peer", echo)
    for _ in range(3):
        before = counted["reconnected"]
        proxy.cut()
        await until(lambda before=before: counted["reconnected"] >= before + 3)  # type: ignore[misc]
        await until(lambda: works(peer, "things.command.make.1"))
        await until(lambda: works(bus, "peer.echo"))
    await until(lambda: bus.connected)


# The broker is away (5), killed, and back


@pytest.mark.slow
async def test_what_is_asked_during_an_outage_fails_at_once_and_is_never_executed(
    bus: NatsBus, peer: NatsBus, broker: Broker
) -> None:
    executed: list[bytes] = []

    def handle(received: Received) -> None:
        executed.append(received.body)
        echo(received)

    await peer.serve("peer.charge", "peer", handle)
    broker.kill()
    await until(lambda: not bus.connected)
    for n in range(20):
        with pytest.raises(Unavailable) as caught:
            await asyncio.wait_for(bus.request("peer.charge", b"%d" % n, {}, timeout_seconds=5), 1)
        assert not caught.value.executed
    with pytest.raises(Unavailable):
        await bus.publish("peer.charge", b"told", {})
    broker.start()
    await until(lambda: bus.connected and peer.connected, timeout_seconds=HEAL_SECONDS)
    await until(lambda: works(bus, "peer.charge"))
    assert set(executed) == {b"x"}


@pytest.mark.slow
async def test_a_killed_broker_loses_nothing_stored_and_followers_go_on(
    bus: NatsBus, peer: NatsBus, broker: Broker
) -> None:
    await bus.provision([STREAM], [CONSUMER])
    kept = Kept()
    follower = await bus.follow(CONSUMER, kept, batch_max=10)
    stored: set[bytes] = set()

    async def write(first: int) -> None:
        for n in range(first, first + 400):
            body = b"%d" % n
            for _ in range(200):  # as the relay does: the same id until it is acknowledged
                try:
                    await peer.store("things.event.made.1", body, {}, message_id=str(n))
                except Fault:
                    await asyncio.sleep(0.1)
                else:
                    stored.add(body)
                    break

    writers = [asyncio.ensure_future(write(first)) for first in range(0, 1600, 400)]
    await until(lambda: len(stored) > 200)
    for _ in range(2):
        broker.kill()
        await asyncio.sleep(0.3)
        broker.start()
        so_far = len(stored)
        await until(lambda so_far=so_far: len(stored) > so_far or len(stored) == 1600, timeout_seconds=HEAL_SECONDS)  # type: ignore[misc]
    await asyncio.gather(*writers)
    assert len(stored) == 1600
    await until(lambda: stored <= set(kept.bodies), timeout_seconds=HEAL_SECONDS)
    assert len([one async for one in bus.stored_ids("THINGS")]) == 1600
    assert (await bus.stream_state("THINGS")).messages == 1600
    await follower.stop()


# Pulls across a reconnect (7), consumers that are gone, a stop in the middle (9)


async def test_a_follower_hears_of_new_messages_right_after_a_reconnect(
    bus: NatsBus, peer: NatsBus, proxy: TcpProxy, counted: Counter[str]
) -> None:
    await bus.provision([STREAM], [CONSUMER])
    kept = Kept()
    await bus.follow(CONSUMER, kept)
    await asyncio.sleep(0.3)  # a pull is waiting now
    proxy.cut()
    await until(lambda: counted["reconnected"] >= 3)
    began = time.monotonic()
    await peer.store("things.event.made.1", b"1", {}, message_id="1")
    await until(lambda: kept.bodies == [b"1"])
    assert time.monotonic() - began < 1


@pytest.mark.slow
async def test_a_consumer_that_is_gone_is_waited_for(bus: NatsBus, peer: NatsBus, counted: Counter[str]) -> None:
    kept = Kept()
    follower = await bus.follow(CONSUMER, kept)
    await until(lambda: counted["pull_failed"] >= 2)
    await peer.provision([STREAM], [CONSUMER])
    await peer.store("things.event.made.1", b"1", {}, message_id="1")
    await until(lambda: kept.bodies == [b"1"], timeout_seconds=HEAL_SECONDS)
    await follower.stop()


async def test_nothing_is_lost_or_left_unacknowledged_when_followers_stop_while_messages_come(
    bus: NatsBus, peer: NatsBus
) -> None:
    patient = CONSUMER._replace(acknowledge_within_seconds=60)
    await bus.provision([STREAM], [patient])
    kept = Kept()

    async def write() -> None:
        for n in range(400):
            await peer.store("things.event.made.1", b"%d" % n, {}, message_id=str(n))

    writing = asyncio.ensure_future(write())
    while not writing.done():
        follower = await bus.follow(patient, kept, batch_max=3)
        await asyncio.sleep(0.03)
        await follower.stop()
    await writing
    last = await bus.follow(patient, kept)
    await until(lambda: len(kept.bodies) >= 400)  # one that was lost would come again after a minute only
    await last.stop()
    assert sorted(int(body) for body in kept.bodies) == list(range(400))


# Tails: nothing twice and nothing missed, whatever is lost under them


@dataclass
class Reading:
    """A tail that is read into a list; `work` ends with what ended the tail."""

    got: list[Delivered]
    work: asyncio.Task[None]

    @property
    def sequences(self) -> list[int]:
        return [message.sequence for message in self.got]


@asynccontextmanager
async def reading(bus: NatsBus) -> AsyncIterator[Reading]:
    got: list[Delivered] = []

    async def read() -> None:
        async with aclosing(bus.tail("THINGS", ("things.event.>",), after_sequence=0)) as tail:
            async for message in tail:
                got.append(message)  # noqa: PERF401 - the test looks while it is read

    found = Reading(got, asyncio.create_task(read()))
    yield found
    found.work.cancel()
    await asyncio.wait({found.work})


async def store_all(bus: NatsBus, first: int, count: int) -> None:
    for n in range(first, first + count):
        await bus.store("things.event.made.1", b"%d" % n, {}, message_id=str(n))


async def readers_of(broker: Broker) -> list[str]:
    async with monitoring(broker) as client:
        return [one.name for one in await client.jetstream().consumers_info("THINGS")]


@asynccontextmanager
async def monitoring(broker: Broker) -> AsyncIterator[Client]:
    client = Client()
    await client.connect(broker.url)
    try:
        yield client
    finally:
        await client.close()


@pytest.mark.slow
async def test_a_tail_reads_everything_once_while_its_connection_is_cut_and_its_broker_killed(
    bus: NatsBus, peer: NatsBus, proxy: TcpProxy, broker: Broker
) -> None:
    await peer.provision([STREAM], [])
    total = 3000

    async def write() -> None:
        for n in range(total):
            while True:
                try:
                    await peer.store("things.event.made.1", b"%d" % n, {}, message_id=str(n))
                    break
                except Fault:
                    await asyncio.sleep(0.05)

    async with reading(bus) as tail:
        writer = asyncio.create_task(write())
        for turn, count in enumerate(range(300, 1800, 300)):
            await until(lambda count=count: len(tail.got) >= count, timeout_seconds=HEAL_SECONDS)  # type: ignore[misc]
            if turn % 2:
                broker.kill()
                broker.start()
            else:
                proxy.cut()
        await writer
        await until(lambda: len(tail.got) >= total, timeout_seconds=HEAL_SECONDS)
        assert tail.sequences == list(range(1, total + 1))
        assert [message.body for message in tail.got] == [b"%d" % n for n in range(total)]


@pytest.mark.parametrize("count", [1, 3])  # with one, nothing comes behind it that would show the gap
async def test_a_tail_asks_again_for_what_was_lost_on_its_way(
    bus: NatsBus, peer: NatsBus, proxy: TcpProxy, count: int
) -> None:
    await peer.provision([STREAM], [])
    await store_all(peer, 0, 3)
    async with reading(bus) as tail:
        await until(lambda: tail.sequences == [1, 2, 3])
        await asyncio.sleep(0.1)  # a pull is waiting now
        proxy.blackhole()
        await store_all(peer, 3, count)  # for the server, the first of them is delivered
        await asyncio.sleep(0.1)
        proxy.cut()
        proxy.heal()
        await until(lambda: tail.sequences == list(range(1, 4 + count)), timeout_seconds=HEAL_SECONDS)


async def test_a_tail_whose_reader_is_gone_makes_another_and_leaves_none_behind(
    bus: NatsBus, peer: NatsBus, broker: Broker
) -> None:
    await peer.provision([STREAM], [])
    await store_all(peer, 0, 3)
    async with reading(bus) as tail:
        await until(lambda: tail.sequences == [1, 2, 3])
        for name in await readers_of(broker):
            await peer.forget_consumer(ConsumerSpec("THINGS", name, ()))
        await store_all(peer, 3, 3)
        await until(lambda: len(tail.got) >= 6)
        assert tail.sequences == [1, 2, 3, 4, 5, 6]
    assert await readers_of(broker) == []


async def test_a_tail_goes_on_with_the_first_message_that_is_left(bus: NatsBus, peer: NatsBus, broker: Broker) -> None:
    await peer.provision([STREAM], [])
    await store_all(peer, 0, 10)
    async with monitoring(broker) as client:
        await client.jetstream().purge_stream("THINGS", seq=8)
    async with reading(bus) as tail:
        await until(lambda: tail.sequences == [8, 9, 10])


@pytest.mark.parametrize("is_made_anew", [False, True])
async def test_a_tail_ends_where_its_stream_does(
    bus: NatsBus, peer: NatsBus, broker: Broker, *, is_made_anew: bool
) -> None:
    await peer.provision([STREAM], [])
    await store_all(peer, 0, 3)
    async with reading(bus) as tail:
        await until(lambda: len(tail.got) == 3)
        async with monitoring(broker) as client:
            await client.jetstream().delete_stream("THINGS")
        if is_made_anew:
            await peer.provision([STREAM], [])
            await store_all(peer, 100, 5)
        await until(tail.work.done, timeout_seconds=HEAL_SECONDS)
        assert isinstance(tail.work.exception(), Unavailable)
        assert len(tail.got) == 3


# Floods (6, 12, 13) and too much at once


@pytest.mark.slow
async def test_a_flood_is_bounded_and_afterwards_all_is_well(
    bus: NatsBus, peer: NatsBus, broker: Broker, counted: Counter[str]
) -> None:
    got: list[int] = []
    await bus.serve("things.command.make.*", "things", lambda received: got.append(len(received.body)))
    await bus.serve("things.query.get.*", "things", echo)
    await peer.serve("peer.echo", "peer", echo)
    flooder = Client()
    await flooder.connect(broker.url)
    for _ in range(20):
        for _ in range(5000):
            await flooder.publish("things.command.make.1", b"x" * 20)
        assert (await bus.request("peer.echo", b"y", {}, timeout_seconds=5)).body == b"y"
    await flooder.close()
    await until(lambda: works(peer, "things.query.get.1"), timeout_seconds=HEAL_SECONDS)
    await until(lambda: bus.connected)
    assert counted["reconnect_forced"] == 0
    await until(lambda: len(got) + counted["SlowConsumerError"] == 100_000)


@pytest.mark.slow
async def test_what_a_broker_does_not_take_is_bounded_and_afterwards_all_is_well(
    bus: NatsBus, peer: NatsBus, proxy: TcpProxy
) -> None:
    await peer.serve("peer.echo", "peer", echo)
    proxy.blackhole()
    sent, refused = 0, False
    while not refused and sent < 10 * UNSENT_BYTES_MAX:
        try:
            await bus.publish("things.news", bytes(100_000), {})
        except Overloaded:
            refused = True
        sent += 100_000
        await asyncio.sleep(0)
    assert refused
    assert sent <= 3 * UNSENT_BYTES_MAX  # what waits here, and what the sockets took
    with pytest.raises(Unavailable):
        await asyncio.wait_for(bus.request("peer.echo", b"", {}, timeout_seconds=5), 1)
    proxy.heal()
    await until(lambda: works(bus, "peer.echo"), timeout_seconds=HEAL_SECONDS)
    await until(lambda: bus.connected)


async def test_more_requests_than_allowed_are_overload_and_do_not_touch_the_others(bus: NatsBus, peer: NatsBus) -> None:
    waiting: list[Received] = []
    await peer.serve("peer.slow", "peer", waiting.append)
    requests = [asyncio.ensure_future(bus.request("peer.slow", b"", {}, timeout_seconds=5)) for _ in range(200)]
    await until(lambda: sum(one.done() for one in requests) == 150 and len(waiting) == 50)
    for received in waiting:
        await received.respond(b"done", {})
    results = await asyncio.gather(*requests, return_exceptions=True)
    assert sum(isinstance(result, Overloaded) for result in results) == 150
    assert sum(not isinstance(result, BaseException) for result in results) == 50


async def test_answers_that_come_too_late_are_counted_and_harm_nobody(
    bus: NatsBus, peer: NatsBus, counted: Counter[str]
) -> None:
    waiting: list[Received] = []
    await peer.serve("peer.slow", "peer", waiting.append)
    await peer.serve("peer.echo", "peer", echo)
    with pytest.raises(TimedOut):
        await bus.request("peer.slow", b"", {}, timeout_seconds=0.05)
    await until(lambda: len(waiting) == 1)
    await waiting[0].respond(b"late", {})
    await until(lambda: counted["answer_too_late"] == 1)
    assert await works(bus, "peer.echo")


# Handlers that block (14), stops that keep answers (15), what the server hangs up on (16)


@pytest.mark.slow
async def test_a_process_that_was_blocked_for_a_while_is_well_again(bus: NatsBus, peer: NatsBus) -> None:
    await bus.serve("things.command.make.*", "things", echo)
    time.sleep(4)  # noqa: ASYNC251 - a handler that computes is what this is about
    await until(lambda: works(peer, "things.command.make.1"), timeout_seconds=HEAL_SECONDS)
    await until(lambda: bus.connected and peer.connected, timeout_seconds=HEAL_SECONDS)


async def test_a_handler_that_still_asks_others_gets_its_answer_after_the_stop(bus: NatsBus, peer: NatsBus) -> None:
    await peer.serve("peer.echo", "peer", echo)
    taken: list[Received] = []
    serving = await bus.serve("things.command.make.*", "things", taken.append)
    asking = asyncio.ensure_future(peer.request("things.command.make.1", b"", {}, timeout_seconds=5))
    await until(lambda: len(taken) == 1)
    await serving.stop()
    price = await bus.request("peer.echo", b"42", {}, timeout_seconds=2)
    await taken[0].respond(price.body, {})
    assert (await asking).body == b"42"


async def test_a_connection_closed_by_the_server_is_built_anew(
    bus: NatsBus, peer: NatsBus, counted: Counter[str]
) -> None:
    await bus.serve("things.command.make.*", "things", echo)
    clients = clients_named("test inbound")
    assert len(clients) == 1
    with pytest.raises(Refused):
        await bus.publish("things.news", bytes(1_048_570), {"Mesh-Key": "7" * 10})
    # Behind the bus's back: headers count as well, nats-py does not know it, and the server hangs up.
    await Client.publish(clients[0], "things.news", bytes(1_048_570), headers={"Mesh-Key": "7" * 10})
    # As the packets fall, nats-py sees an error, and closes for good, or a lost connection, and makes it again.
    await until(lambda: counted["rebuilt"] + counted["reconnected"] >= 1, timeout_seconds=HEAL_SECONDS)
    await until(lambda: works(peer, "things.command.make.1"), timeout_seconds=HEAL_SECONDS)
    rebuilt = counted["rebuilt"]
    for client in clients_named("test inbound", "test outbound", "test streams"):
        await client.close()
    await until(lambda: counted["rebuilt"] == rebuilt + 3, timeout_seconds=HEAL_SECONDS)
    await until(lambda: works(peer, "things.command.make.1"))
    await peer.serve("peer.echo", "peer", echo)
    assert await works(bus, "peer.echo")
    await until(lambda: bus.connected)


# Subjects that are no text, headers (22), answers that would be published elsewhere


async def test_a_subject_that_is_no_text_makes_nobody_deaf_and_does_not_come_for_ever(
    bus: NatsBus, broker: Broker, counted: Counter[str]
) -> None:
    await bus.provision([STREAM], [CONSUMER])
    kept = Kept()
    await bus.follow(CONSUMER, kept)
    await bus.serve("things.command.>", "things", echo)
    await send_raw(broker.url, frame(b"things.event.\xff\xfe.1", b"odd"), frame(b"things.command.\xff", b"odd"))
    assert (await bus.request("things.command.make", b"hello", {}, timeout_seconds=2)).body == b"hello"
    await bus.store("things.event.made.1", b"good", {}, message_id="1")
    await until(lambda: kept.bodies == [b"odd", b"good"])
    assert counted["disconnected"] == 0

    async def is_over() -> bool:
        return await bus.pending(CONSUMER) == 0

    await until(is_over)


async def test_the_headers_given_are_not_written_to(bus: NatsBus) -> None:
    await bus.provision([STREAM], [])
    headers = {"Mesh-Key": "7"}
    await bus.store("things.event.made.1", b"", headers, message_id="1")
    await bus.publish("things.event.made.1", b"", headers)
    assert headers == {"Mesh-Key": "7"}


async def test_an_answer_goes_to_inboxes_only(bus: NatsBus, broker: Broker, counted: Counter[str]) -> None:
    await bus.serve("things.command.make.*", "things", echo)
    heard: list[bytes] = []
    await bus.listen("payments.command.>", lambda received: heard.append(received.body))
    stranger = Client()
    await stranger.connect(broker.url)
    await stranger.publish("things.command.make.1", b"refund", reply="payments.command.refund.1")
    assert (await stranger.request("things.command.make.1", b"fine", timeout=2)).data == b"fine"
    await stranger.close()
    assert counted["reply_subject_refused"] == 1
    assert heard == []


LEAST_PRIVILEGE = """
authorization { users = [ { user: things, password: secret, permissions: {
  subscribe: ["_INBOX_things.>", "things.command.>"]
  publish: ["_INBOX_things.>", "peer.echo"]
  allow_responses: { max: 1, expires: "5s" }
} }, { user: peer, password: secret } ] }
"""


async def test_what_a_process_may_not_subscribe_to_is_an_error_at_its_start(tmp_path: Path, client: ClientName) -> None:
    broker = Broker(tmp_path, LEAST_PRIVILEGE)
    broker.start()
    here, there = (broker.url.replace("//", f"//{user}:secret@") for user in ("things", "peer"))
    try:
        async with (
            open_nats(here, name="things", clock=CLOCK, ids=IDS, client=client) as bus,
            open_nats(there, name="peer", clock=CLOCK, ids=IDS, client=client) as peer,
        ):
            with pytest.raises(PermissionError, match=r"payments\.command"):
                await bus.serve("payments.command.>", "things", echo)
            await bus.serve("things.command.make.*", "things", echo)
            await peer.serve("peer.echo", "peer", echo)
            assert await works(peer, "things.command.make.1")
            assert await works(bus, "peer.echo")
            assert bus.connected
    finally:
        broker.kill()


async def test_a_broker_that_is_not_there_is_unavailable_in_time(
    client: ClientName, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.mesh.adapters.nats.connection.CONNECT_WITHIN_SECONDS", 0.5)
    with pytest.raises(Unavailable):
        async with open_nats("nats://127.0.0.1:1", name="test", clock=CLOCK, ids=IDS, client=client):
            raise AssertionError("opened")
