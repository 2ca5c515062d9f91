"""One suite over every bus: what is true of the one must be true of the other."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence

import pytest

from actors.mesh._errors import Overloaded, Refused, TimedOut, Unavailable
from actors.mesh._ports.bus import (
    Acknowledge,
    Again,
    Bus,
    ConsumerSpec,
    Delivered,
    Received,
    StreamSpec,
    Verdict,
)
from actors.mesh.adapters.memory.bus import MemoryBus
from actors.mesh.adapters.nats import open_nats
from actors.mesh.adapters.nats.dialling import ClientName
from actors.mesh.adapters.world import SystemClock, SystemIds
from actors.mesh.testing.waiting import until

IN_FLIGHT_MAX = 20
CALM_SECONDS = 0.2
STOPS, CALLERS = 30, 10


@pytest.fixture(params=["memory", "nats", pytest.param("nats-stock", marks=pytest.mark.slow)])
def nats(request: pytest.FixtureRequest) -> tuple[str, ClientName] | None:
    """Where NATS is and by which client; None for the bus in memory.

    Not asynchronous: the servers are started by an event loop of their own.
    """
    if request.param == "memory":
        return None
    return str(request.getfixturevalue("servers").endpoints.nats), "fast" if request.param == "nats" else "stock"


@pytest.fixture
async def bus(nats: tuple[str, ClientName] | None) -> AsyncIterator[Bus]:
    clock, ids = SystemClock(), SystemIds()
    if nats is not None:
        url, client = nats
        async with open_nats(url, name="test", clock=clock, ids=ids, in_flight_max=IN_FLIGHT_MAX, client=client) as bus:
            yield bus
        return
    memory = MemoryBus(clock, in_flight_max=IN_FLIGHT_MAX)
    yield memory
    await memory.close()


@pytest.fixture
def unique() -> str:
    return "t" + SystemIds().new().replace("-", "")[-12:]


def echo(received: Received) -> None:
    answer(received, b"echo " + received.body, received.headers)


RUNNING: set[asyncio.Task[None]] = set()


def answer(received: Received, body: bytes, headers: object = None) -> None:
    task = asyncio.ensure_future(received.respond(body, headers or {}))  # type: ignore[arg-type]
    RUNNING.add(task)
    task.add_done_callback(RUNNING.discard)


class Kept:
    """A follower's handler that keeps what it got."""

    def __init__(self, verdict: Callable[[Delivered], Verdict] = lambda _: Acknowledge()) -> None:
        self.messages: list[Delivered] = []
        self.batches: list[int] = []
        self._verdict = verdict

    async def __call__(self, batch: Sequence[Delivered]) -> Sequence[Verdict]:
        self.messages.extend(batch)
        self.batches.append(len(batch))
        return [self._verdict(message) for message in batch]

    @property
    def bodies(self) -> list[bytes]:
        return [message.body for message in self.messages]


async def streams_of(bus: Bus, unique: str, *, window_seconds: float = 120) -> tuple[StreamSpec, ConsumerSpec]:
    stream = StreamSpec(unique.upper(), (f"{unique}.event.>",), window_seconds)
    consumer = ConsumerSpec(stream.name, f"{unique}_all", (f"{unique}.event.>",), acknowledge_within_seconds=2)
    await bus.provision([stream], [consumer])
    return stream, consumer


async def fill(bus: Bus, unique: str, count: int, *, first: int = 0, kind: str = "made") -> list[int]:
    return [
        await bus.store(f"{unique}.event.{kind}.1", b"%d" % n, {"Mesh-Key": str(n)}, message_id=f"{kind}{n}")
        for n in range(first, first + count)
    ]


async def take(tail: AsyncGenerator[Delivered, None], count: int) -> list[Delivered]:
    async with asyncio.timeout(10):
        return [await anext(tail) for _ in range(count)]


# Requests


async def test_a_request_is_answered_with_body_and_headers(bus: Bus, unique: str) -> None:
    await bus.serve(f"{unique}.command.make.*", unique, echo)
    reply = await bus.request(f"{unique}.command.make.7", b"hello", {"Mesh-Key": "7"}, timeout_seconds=10)
    assert reply.body == b"echo hello"
    assert reply.headers["Mesh-Key"] == "7"


async def test_a_request_nobody_serves_is_unavailable_at_once(bus: Bus, unique: str) -> None:
    with pytest.raises(Unavailable) as caught:
        await asyncio.wait_for(bus.request(f"{unique}.nobody", b"", {}, timeout_seconds=60), 2)
    assert not caught.value.executed


async def test_a_request_without_an_answer_times_out_and_may_have_been_executed(bus: Bus, unique: str) -> None:
    await bus.serve(f"{unique}.slow", unique, lambda _: None)
    with pytest.raises(TimedOut) as caught:
        await bus.request(f"{unique}.slow", b"", {}, timeout_seconds=0.1)
    assert caught.value.executed


async def test_more_requests_than_allowed_are_overload_at_once(bus: Bus, unique: str) -> None:
    waiting: list[Received] = []
    await bus.serve(f"{unique}.slow", unique, waiting.append)
    requests = [
        asyncio.ensure_future(bus.request(f"{unique}.slow", b"", {}, timeout_seconds=5)) for _ in range(IN_FLIGHT_MAX)
    ]
    await until(lambda: len(waiting) == IN_FLIGHT_MAX)
    with pytest.raises(Overloaded) as caught:
        await asyncio.wait_for(bus.request(f"{unique}.slow", b"", {}, timeout_seconds=5), 1)
    assert not caught.value.executed
    for received in waiting:
        await received.respond(b"done", {})
    assert len(await asyncio.gather(*requests)) == IN_FLIGHT_MAX
    await bus.serve(f"{unique}.quick", unique, echo)
    assert (await bus.request(f"{unique}.quick", b"", {}, timeout_seconds=10)).body == b"echo "


async def test_a_message_too_large_is_refused_and_the_bus_goes_on(bus: Bus, unique: str) -> None:
    await bus.serve(f"{unique}.echo", unique, echo)
    for send in (
        lambda: bus.request(f"{unique}.echo", bytes(262_145), {}, timeout_seconds=10),
        lambda: bus.request(f"{unique}.echo", bytes(262_140), {"Mesh-Key": "x" * 100}, timeout_seconds=10),
        lambda: bus.publish(f"{unique}.echo", bytes(262_145), {}),
        lambda: bus.store(f"{unique}.echo", bytes(262_145), {}, message_id="1"),
    ):
        with pytest.raises(Refused) as caught:
            await send()
        assert (caught.value.code, caught.value.kind) == ("message_too_large", "invalid")
    assert (await bus.request(f"{unique}.echo", b"x", {}, timeout_seconds=10)).body == b"echo x"


async def test_the_headers_given_stay_as_they_were(bus: Bus, unique: str) -> None:
    await streams_of(bus, unique)
    await bus.serve(f"{unique}.echo", unique, echo)
    headers = {"Mesh-Key": "7"}
    await bus.request(f"{unique}.echo", b"", headers, timeout_seconds=10)
    await bus.publish(f"{unique}.echo", b"", headers)
    await bus.store(f"{unique}.event.made.1", b"", headers, message_id="1")
    assert headers == {"Mesh-Key": "7"}


async def test_headers_carry_any_text(bus: Bus, unique: str) -> None:
    await bus.serve(f"{unique}.echo", unique, echo)
    reply = await bus.request(f"{unique}.echo", b"", {"Mesh-Key": "Grüße 你好: ok"}, timeout_seconds=10)
    assert reply.headers["Mesh-Key"] == "Grüße 你好: ok"


# Gathering


async def test_everybody_who_listens_is_gathered(bus: Bus, unique: str) -> None:
    for number in range(3):
        await bus.listen(f"{unique}.who", lambda received, number=number: answer(received, b"%d" % number, {"A": "b"}))  # type: ignore[misc]
    replies = await bus.gather(f"{unique}.who", b"", {}, timeout_seconds=10, stall_seconds=0.3, replies_max=100)
    assert sorted(reply.body for reply in replies) == [b"0", b"1", b"2"]
    assert {reply.headers["A"] for reply in replies} == {"b"}


async def test_nobody_is_gathered_at_once(bus: Bus, unique: str) -> None:
    asked = bus.gather(f"{unique}.who", b"", {}, timeout_seconds=60, stall_seconds=60, replies_max=100)
    assert list(await asyncio.wait_for(asked, 2)) == []


async def test_gathering_ends_when_there_are_enough(bus: Bus, unique: str) -> None:
    for _ in range(4):
        await bus.listen(f"{unique}.who", echo)
    asked = bus.gather(f"{unique}.who", b"x", {}, timeout_seconds=60, stall_seconds=60, replies_max=2)
    assert [reply.body for reply in await asyncio.wait_for(asked, 5)] == [b"echo x"] * 2


async def test_gathering_ends_when_no_more_comes_or_the_time_is_over(bus: Bus, unique: str) -> None:
    await bus.listen(f"{unique}.who", echo)
    await bus.listen(f"{unique}.who", lambda _: None)
    asked = bus.gather(f"{unique}.who", b"", {}, timeout_seconds=60, stall_seconds=0.2, replies_max=100)
    assert len(await asyncio.wait_for(asked, 5)) == 1
    await bus.listen(f"{unique}.mute", lambda _: None)
    asked = bus.gather(f"{unique}.mute", b"", {}, timeout_seconds=0.2, stall_seconds=60, replies_max=100)
    assert list(await asyncio.wait_for(asked, 5)) == []


async def test_gathering_on_a_closed_bus_is_unavailable(bus: Bus, unique: str) -> None:
    await bus.close()
    with pytest.raises(Unavailable):
        await bus.gather(f"{unique}.who", b"", {}, timeout_seconds=1, stall_seconds=1, replies_max=1)


# Subscriptions


async def test_one_member_of_a_queue_group_gets_each_message_and_all_take_part(bus: Bus, unique: str) -> None:
    got: list[list[bytes]] = [[], []]
    for part in got:
        await bus.serve(f"{unique}.work", unique, lambda received, part=part: part.append(received.body))  # type: ignore[misc]
    for n in range(60):
        await bus.publish(f"{unique}.work", b"%d" % n, {})
    await until(lambda: len(got[0]) + len(got[1]) == 60)
    await asyncio.sleep(CALM_SECONDS)
    assert sorted(int(body) for part in got for body in part) == list(range(60))
    assert all(got)


async def test_everyone_who_listens_gets_each_message_in_order(bus: Bus, unique: str) -> None:
    got: list[list[bytes]] = [[], []]
    for part in got:
        await bus.listen(f"{unique}.news.>", lambda received, part=part: part.append(received.body))  # type: ignore[misc]
    for n in range(20):
        await bus.publish(f"{unique}.news.{n}.x", b"%d" % n, {})
    await until(lambda: all(len(part) == 20 for part in got))
    assert got[0] == got[1] == [b"%d" % n for n in range(20)]


async def test_wildcards_match_as_nats_says(bus: Bus, unique: str) -> None:
    got: list[str] = []
    await bus.listen(f"{unique}.*.b", lambda received: got.append("star " + received.subject))
    await bus.listen(f"{unique}.>", lambda received: got.append("rest " + received.subject))
    await bus.listen(f"{unique}.a.b", lambda received: got.append("exact " + received.subject))
    for subject in (f"{unique}.a.b", f"{unique}.a.b.c", f"{unique}.b", unique):
        await bus.publish(subject, b"", {})
    await until(lambda: len(got) >= 5)
    await asyncio.sleep(CALM_SECONDS)
    assert sorted(got) == sorted(
        [f"{kind} {unique}.a.b" for kind in ("star", "rest", "exact")] + [f"rest {unique}.a.b.c", f"rest {unique}.b"]
    )


async def test_a_handler_that_fails_does_not_end_its_subscription(bus: Bus, unique: str) -> None:
    def handle(received: Received) -> None:
        if received.body == b"bad":
            raise RuntimeError("on purpose")
        echo(received)

    await bus.serve(f"{unique}.echo", unique, handle)
    await bus.publish(f"{unique}.echo", b"bad", {})
    assert (await bus.request(f"{unique}.echo", b"good", {}, timeout_seconds=10)).body == b"echo good"


async def test_a_subscription_that_was_stopped_takes_nothing_more(bus: Bus, unique: str) -> None:
    subscription = await bus.serve(f"{unique}.echo", unique, echo)
    await bus.request(f"{unique}.echo", b"", {}, timeout_seconds=10)
    await subscription.stop()
    await subscription.stop()
    with pytest.raises(Unavailable):
        await bus.request(f"{unique}.echo", b"", {}, timeout_seconds=10)


async def test_a_request_that_crosses_a_stop_is_answered_or_finds_nobody(bus: Bus, unique: str) -> None:
    """None is lost: what the server had handed over is still answered, and nobody else hears of it."""
    ended: Counter[str] = Counter()

    async def ask_until_nobody_is_there(subject: str) -> None:
        try:
            while True:
                await bus.request(subject, b"", {}, timeout_seconds=2)
                ended["answered"] += 1
        except Unavailable:
            ended["unavailable"] += 1

    for turn in range(STOPS):
        subject = f"{unique}.echo.{turn}"
        subscription = await bus.serve(subject, unique, echo)
        callers = [asyncio.ensure_future(ask_until_nobody_is_there(subject)) for _ in range(CALLERS)]
        await until(lambda turn=turn: ended["answered"] >= turn + CALLERS)  # type: ignore[misc]
        await subscription.stop()
        with pytest.raises(Unavailable):
            await bus.request(subject, b"", {}, timeout_seconds=2)
        await asyncio.gather(*callers)
    assert ended["unavailable"] == STOPS * CALLERS


async def test_what_was_taken_before_the_stop_is_still_answered(bus: Bus, unique: str) -> None:
    taken: list[Received] = []
    subscription = await bus.serve(f"{unique}.echo", unique, taken.append)
    request = asyncio.ensure_future(bus.request(f"{unique}.echo", b"", {}, timeout_seconds=5))
    await until(lambda: len(taken) == 1)
    await subscription.stop()
    await taken[0].respond(b"late", {})
    assert (await request).body == b"late"


async def test_only_the_first_response_counts_and_nobody_asked_is_no_error(bus: Bus, unique: str) -> None:
    taken: list[Received] = []
    await bus.serve(f"{unique}.echo", unique, taken.append)
    await bus.publish(f"{unique}.echo", b"", {})
    request = asyncio.ensure_future(bus.request(f"{unique}.echo", b"", {}, timeout_seconds=5))
    await until(lambda: len(taken) == 2)
    await taken[0].respond(b"nobody asked", {})
    await taken[1].respond(b"first", {})
    await taken[1].respond(b"second", {})
    assert (await request).body == b"first"


# Streams


async def test_stored_messages_are_numbered_and_a_repeat_gets_the_first_number(bus: Bus, unique: str) -> None:
    stream, _ = await streams_of(bus, unique)
    assert await fill(bus, unique, 3) == [1, 2, 3]
    assert await bus.store(f"{unique}.event.other.1", b"again", {}, message_id="made1") == 2
    assert (await bus.stream_state(stream.name)).messages == 3


async def test_storing_where_no_stream_takes_it_is_unavailable(bus: Bus, unique: str) -> None:
    with pytest.raises(Unavailable):
        await bus.store(f"{unique}.nowhere", b"", {}, message_id="1")


async def test_who_listens_hears_what_is_stored(bus: Bus, unique: str) -> None:
    await streams_of(bus, unique)
    got: list[bytes] = []
    await bus.listen(f"{unique}.event.made.*", lambda received: got.append(received.body))
    await fill(bus, unique, 2)
    await until(lambda: got == [b"0", b"1"])


async def test_a_follower_gets_everything_in_order_from_the_beginning(bus: Bus, unique: str) -> None:
    _, consumer = await streams_of(bus, unique)
    await fill(bus, unique, 25)
    kept = Kept()
    follower = await bus.follow(consumer, kept, batch_max=10)
    await until(lambda: len(kept.messages) == 25)
    await fill(bus, unique, 5, first=25)
    await until(lambda: len(kept.messages) == 30)
    assert kept.bodies == [b"%d" % n for n in range(30)]
    assert [message.sequence for message in kept.messages] == list(range(1, 31))
    assert all(message.deliveries == 1 for message in kept.messages)
    assert kept.messages[3].headers["Mesh-Key"] == "3"
    assert kept.messages[3].subject == f"{unique}.event.made.1"
    assert max(kept.batches) <= 10
    await until(lambda: none_pending(bus, consumer))
    await follower.stop()


async def none_pending(bus: Bus, consumer: ConsumerSpec) -> bool:
    return await bus.pending(consumer) == 0


async def test_a_consumer_gets_only_what_it_filters_for(bus: Bus, unique: str) -> None:
    stream, _ = await streams_of(bus, unique)
    filters = (f"{unique}.event.made.*", f"{unique}.event.sold.*")
    consumer = ConsumerSpec(stream.name, f"{unique}_some", filters)
    await bus.provision([], [consumer])
    for kind in ("made", "lost", "sold"):
        await fill(bus, unique, 2, kind=kind)
    assert await bus.pending(consumer) == 4
    kept = Kept()
    await bus.follow(consumer, kept)
    await until(lambda: len(kept.messages) == 4)
    assert [message.sequence for message in kept.messages] == [1, 2, 5, 6]


async def test_two_consumers_each_get_everything(bus: Bus, unique: str) -> None:
    stream, first = await streams_of(bus, unique)
    second = ConsumerSpec(stream.name, f"{unique}_two", (f"{unique}.event.>",))
    await bus.provision([], [second])
    kept = [Kept(), Kept()]
    for consumer, one in zip((first, second), kept, strict=True):
        await bus.follow(consumer, one)
    await fill(bus, unique, 3)
    await until(lambda: all(len(one.messages) == 3 for one in kept))


async def test_two_followers_of_one_consumer_share_the_work(bus: Bus, unique: str) -> None:
    _, consumer = await streams_of(bus, unique)
    kept = [Kept(), Kept()]
    for one in kept:
        await bus.follow(consumer, one, batch_max=5)
    await fill(bus, unique, 40)
    await until(lambda: sum(len(one.messages) for one in kept) == 40)
    assert sorted(message.sequence for one in kept for message in one.messages) == list(range(1, 41))


async def test_a_message_wanted_again_comes_again_and_the_others_do_not(bus: Bus, unique: str) -> None:
    _, consumer = await streams_of(bus, unique)
    await fill(bus, unique, 3)
    kept = Kept(lambda message: Again(0.1) if message.body == b"1" and message.deliveries < 3 else Acknowledge())
    await bus.follow(consumer, kept)
    await until(lambda: len(kept.messages) == 5)
    await asyncio.sleep(CALM_SECONDS)
    assert [(message.body, message.deliveries) for message in kept.messages if message.body == b"1"] == [
        (b"1", 1),
        (b"1", 2),
        (b"1", 3),
    ]
    assert len(kept.messages) == 5


async def test_a_batch_whose_handler_failed_comes_again(bus: Bus, unique: str) -> None:
    _, consumer = await streams_of(bus, unique)
    await fill(bus, unique, 3)
    kept = Kept()
    failures = iter([RuntimeError("on purpose")])

    async def handle(batch: Sequence[Delivered]) -> Sequence[Verdict]:
        for failure in failures:
            raise failure
        return await kept(batch)

    await bus.follow(consumer, handle)
    await until(lambda: len(kept.messages) == 3)
    assert {message.deliveries for message in kept.messages} == {2}


async def test_work_longer_than_the_time_to_acknowledge_is_not_handed_out_twice(bus: Bus, unique: str) -> None:
    stream, _ = await streams_of(bus, unique)
    consumer = ConsumerSpec(stream.name, f"{unique}_slow", (f"{unique}.event.>",), acknowledge_within_seconds=0.5)
    await bus.provision([], [consumer])
    await fill(bus, unique, 2)
    kept = Kept()

    async def handle(batch: Sequence[Delivered]) -> Sequence[Verdict]:
        await asyncio.sleep(1.2)
        return await kept(batch)

    for _ in range(2):
        await bus.follow(consumer, handle)
    await until(lambda: none_pending(bus, consumer))
    assert sorted(message.sequence for message in kept.messages) == [1, 2]


async def test_a_follower_that_was_stopped_leaves_the_rest_to_the_next(bus: Bus, unique: str) -> None:
    _, consumer = await streams_of(bus, unique)
    await fill(bus, unique, 6)
    first, second = Kept(), Kept()
    gate = asyncio.Event()

    async def handle(batch: Sequence[Delivered]) -> Sequence[Verdict]:
        await gate.wait()
        return await first(batch)

    follower = await bus.follow(consumer, handle, batch_max=2)
    await asyncio.sleep(CALM_SECONDS)
    stopping = asyncio.ensure_future(follower.stop())
    await asyncio.sleep(0)
    gate.set()
    await stopping
    assert len(first.messages) == 2
    await bus.follow(consumer, second)
    await until(lambda: len(second.messages) == 4)
    await until(lambda: none_pending(bus, consumer))


async def test_no_more_is_out_than_may_be_in_flight(bus: Bus, unique: str) -> None:
    stream, _ = await streams_of(bus, unique)
    consumer = ConsumerSpec(stream.name, f"{unique}_few", (f"{unique}.event.>",), in_flight_max=3)
    await bus.provision([], [consumer])
    await fill(bus, unique, 10)
    kept = Kept(lambda _: Again(30))
    await bus.follow(consumer, kept)
    await until(lambda: len(kept.messages) == 3)
    await asyncio.sleep(CALM_SECONDS)
    assert len(kept.messages) == 3
    assert await bus.pending(consumer) == 10


async def test_a_consumer_that_was_reset_begins_again(bus: Bus, unique: str) -> None:
    _, consumer = await streams_of(bus, unique)
    await fill(bus, unique, 3)
    kept = Kept()
    follower = await bus.follow(consumer, kept)
    await until(lambda: len(kept.messages) == 3)
    await bus.reset_consumer(consumer)
    await until(lambda: len(kept.messages) == 6, timeout_seconds=15)
    assert kept.bodies[3:] == [b"0", b"1", b"2"]
    await follower.stop()


async def test_provisioning_again_changes_nothing(bus: Bus, unique: str) -> None:
    stream, consumer = await streams_of(bus, unique)
    await fill(bus, unique, 3)
    kept = Kept()
    await bus.follow(consumer, kept)
    await until(lambda: len(kept.messages) == 3)
    before = await bus.stream_state(stream.name)
    await bus.provision([stream], [consumer])
    assert await bus.stream_state(stream.name) == before
    await fill(bus, unique, 1, first=3)
    await until(lambda: len(kept.messages) == 4)


async def test_a_stream_can_take_more_subjects_later(bus: Bus, unique: str) -> None:
    stream, _ = await streams_of(bus, unique)
    await bus.provision([stream._replace(subjects=(*stream.subjects, f"{unique}.tell.>"))], [])
    assert await bus.store(f"{unique}.tell.make.1", b"", {}, message_id="t1") == 1


async def work_of(bus: Bus, unique: str, **bounds: int) -> tuple[StreamSpec, ConsumerSpec]:
    stream = StreamSpec(f"{unique.upper()}_WORK", (f"{unique}.tell.>",), is_work_queue=True)._replace(**bounds)
    consumer = ConsumerSpec(stream.name, f"{unique}_work", stream.subjects, acknowledge_within_seconds=2)
    await bus.provision([stream], [consumer])
    return stream, consumer


async def test_a_work_queue_forgets_what_was_dealt_with_and_nothing_else(bus: Bus, unique: str) -> None:
    stream, consumer = await work_of(bus, unique)
    for n in range(5):
        await bus.store(f"{unique}.tell.make.{n}", b"%d" % n, {}, message_id=str(n))
    kept = Kept(lambda message: Again(0.1) if message.body == b"3" and message.deliveries < 3 else Acknowledge())
    first = await bus.follow(consumer, kept)
    await until(lambda: none_pending(bus, consumer))
    assert kept.bodies == [b"0", b"1", b"2", b"3", b"4", b"3", b"3"]
    state = await bus.stream_state(stream.name)
    assert (state.messages, state.last_sequence) == (0, 5)
    await first.stop()
    await bus.provision([stream], [consumer])
    await bus.store(f"{unique}.tell.make.5", b"5", {}, message_id="5")
    assert (await bus.stream_state(stream.name)).messages == 1


async def test_a_message_says_when_it_was_stored_however_often_it_is_delivered(bus: Bus, unique: str) -> None:
    _, consumer = await work_of(bus, unique)
    now_ms = SystemClock().now_ms()
    await bus.store(f"{unique}.tell.make.1", b"", {}, message_id="1")
    await asyncio.sleep(CALM_SECONDS)
    kept = Kept(lambda message: Again(0.1) if message.deliveries < 3 else Acknowledge())
    await bus.follow(consumer, kept)
    await until(lambda: len(kept.messages) == 3)
    [at_ms] = {message.stored_at_ms for message in kept.messages}
    assert abs(at_ms - now_ms) < 1000 * CALM_SECONDS


async def test_a_stream_takes_nothing_larger_than_it_may(bus: Bus, unique: str) -> None:
    await work_of(bus, unique, message_bytes_max=2000)
    with pytest.raises(Refused) as caught:
        await bus.store(f"{unique}.tell.make.1", bytes(2001), {}, message_id="1")
    assert (caught.value.code, caught.value.kind) == ("message_too_large", "invalid")
    assert await bus.store(f"{unique}.tell.make.1", bytes(500), {}, message_id="2") == 1


async def test_a_full_stream_takes_nothing_more_until_there_is_room(bus: Bus, unique: str) -> None:
    stream, consumer = await work_of(bus, unique, bytes_max=20_000)
    stored = [bus.store(f"{unique}.tell.make.1", bytes(1000), {}, message_id=str(n)) for n in range(30)]
    answers = await asyncio.gather(*stored, return_exceptions=True)
    taken = sum(isinstance(answer, int) for answer in answers)
    assert 5 < taken < 20
    assert {type(answer) for answer in answers} == {int, Unavailable}
    assert (await bus.stream_state(stream.name)).messages == taken, "the oldest is not what makes room"
    await bus.follow(consumer, Kept())
    await until(lambda: none_pending(bus, consumer))
    await bus.store(f"{unique}.tell.make.1", bytes(1000), {}, message_id="again")


async def test_the_bounds_of_a_stream_can_be_changed_later(bus: Bus, unique: str) -> None:
    stream, _ = await work_of(bus, unique, message_bytes_max=2000)
    await bus.provision([stream._replace(message_bytes_max=4000)], [])
    assert await bus.store(f"{unique}.tell.make.1", bytes(3000), {}, message_id="1") == 1


async def test_the_state_of_a_stream_names_its_incarnation(bus: Bus, unique: str) -> None:
    stream, _ = await streams_of(bus, unique)
    before = await bus.stream_state(stream.name)
    await fill(bus, unique, 4)
    after = await bus.stream_state(stream.name)
    assert before.born == after.born != ""
    assert (after.last_sequence, after.messages) == (4, 4)
    with pytest.raises(Unavailable):
        await bus.stream_state("NO_SUCH_STREAM")


async def test_the_ids_of_a_stream_can_be_read_oldest_first(bus: Bus, unique: str) -> None:
    stream, _ = await streams_of(bus, unique)
    assert [message_id async for message_id in bus.stored_ids(stream.name)] == []
    await fill(bus, unique, 30)
    assert [message_id async for message_id in bus.stored_ids(stream.name)] == [f"made{n}" for n in range(30)]


async def test_a_tail_goes_on_from_a_sequence_with_what_is_there_and_what_comes(bus: Bus, unique: str) -> None:
    stream, _ = await streams_of(bus, unique)
    await fill(bus, unique, 250)
    tail = bus.tail(stream.name, (), after_sequence=20)
    got = await take(tail, 230)
    await fill(bus, unique, 5, first=250)
    got += await take(tail, 5)
    assert [message.sequence for message in got] == list(range(21, 256))
    assert [message.body for message in got] == [b"%d" % n for n in range(20, 255)]
    assert (got[0].headers["Mesh-Key"], got[0].subject, got[0].deliveries) == ("20", f"{unique}.event.made.1", 1)
    await tail.aclose()


async def test_a_tail_without_a_sequence_begins_now(bus: Bus, unique: str) -> None:
    stream, _ = await streams_of(bus, unique)
    await fill(bus, unique, 3)
    tail = bus.tail(stream.name, ())
    first = asyncio.create_task(take(tail, 1))
    await asyncio.sleep(CALM_SECONDS)
    await fill(bus, unique, 1, first=3)
    assert [message.sequence for message in await first] == [4]
    await tail.aclose()


async def test_a_tail_has_only_the_subjects_asked_for(bus: Bus, unique: str) -> None:
    stream, _ = await streams_of(bus, unique)
    for kind in ("made", "lost", "sold", "made"):
        await fill(bus, unique, 2, first=len(kind), kind=kind)
    await fill(bus, unique, 1, first=50, kind="sold")
    tail = bus.tail(stream.name, (f"{unique}.event.made.*", f"{unique}.event.sold.*"), after_sequence=1)
    assert [message.sequence for message in await take(tail, 4)] == [2, 5, 6, 7]
    await tail.aclose()


async def test_tails_are_each_ones_own(bus: Bus, unique: str) -> None:
    stream, _ = await streams_of(bus, unique)
    await fill(bus, unique, 10)
    tails = [bus.tail(stream.name, (), after_sequence=n) for n in (0, 4)]
    got = await asyncio.gather(take(tails[0], 10), take(tails[1], 6))
    assert [[message.sequence for message in part] for part in got] == [list(range(1, 11)), list(range(5, 11))]
    for tail in tails:
        await tail.aclose()


async def test_a_tail_of_no_stream_or_from_behind_its_end_is_unavailable(bus: Bus, unique: str) -> None:
    stream, _ = await streams_of(bus, unique)
    await fill(bus, unique, 3)
    for name, sequence in (("NO_SUCH_STREAM", None), ("NO_SUCH_STREAM", 0), (stream.name, 4)):
        with pytest.raises(Unavailable):
            await take(bus.tail(name, (), after_sequence=sequence), 1)


async def test_a_tail_ends_with_its_bus(bus: Bus, unique: str) -> None:
    stream, _ = await streams_of(bus, unique)
    waiting = asyncio.create_task(take(bus.tail(stream.name, ()), 1))
    await asyncio.sleep(CALM_SECONDS)
    await bus.close()
    with pytest.raises(Unavailable):
        await waiting


async def test_an_id_counts_again_after_the_window(bus: Bus, unique: str) -> None:
    await streams_of(bus, unique, window_seconds=0.3)
    await fill(bus, unique, 1)
    await asyncio.sleep(0.6)
    assert await fill(bus, unique, 1) == [2]


async def test_a_survey_shows_streams_with_who_reads_them_and_how_far(bus: Bus, unique: str) -> None:
    stream, consumer = await streams_of(bus, unique)
    none_yet = ConsumerSpec(stream.name, f"{unique}_zeros", (f"{unique}.event.other.*", f"{unique}.event.none.*"))
    await bus.provision([], [none_yet])
    await fill(bus, unique, 3)
    kept = Kept()
    subscription = await bus.follow(consumer, kept)
    await until(lambda: len(kept.messages) == 3)
    await subscription.stop()
    await fill(bus, unique, 2, first=3)
    survey = await bus.survey()
    [found] = [each for each in survey.streams if each.name == stream.name]
    assert (found.subjects, found.messages, found.last_sequence) == (stream.subjects, 5, 5)
    assert found.stored_bytes > 0
    reader, other = found.consumers
    assert (reader.stream, reader.name, reader.filter_subjects) == (stream.name, consumer.name, (f"{unique}.event.>",))
    assert (reader.pending, reader.unacknowledged, reader.delivered_sequence) == (2, 0, 3)
    assert (other.name, other.filter_subjects) == (none_yet.name, none_yet.filter_subjects)
    assert (other.pending, other.redelivered) == (0, 0)
    assert survey.clock_ahead_ms is not None
    assert abs(survey.clock_ahead_ms) < 1000  # all on one machine
    assert survey.message_bytes_max == 262_144
    assert survey.version


async def test_many_can_store_at_once(bus: Bus, unique: str) -> None:
    await streams_of(bus, unique)
    stored: list[Awaitable[int]] = [bus.store(f"{unique}.event.made.1", b"", {}, message_id=str(n)) for n in range(600)]
    assert sorted(await asyncio.gather(*stored)) == list(range(1, 601))


async def test_a_closed_bus_is_unavailable(bus: Bus, unique: str) -> None:
    assert bus.connected
    await bus.serve(f"{unique}.echo", unique, echo)
    await bus.close()
    await bus.close()
    assert not bus.connected
    with pytest.raises(Unavailable):
        await bus.request(f"{unique}.echo", b"", {}, timeout_seconds=1)
    with pytest.raises(Unavailable):
        await bus.publish(f"{unique}.echo", b"", {})
