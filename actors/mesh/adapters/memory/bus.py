"""The bus within one process: the same port without a server, and with no time but the clock's."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence

from actors.mesh._errors import Overloaded, Refused, TimedOut, Unavailable
from actors.mesh._ports.bus import (
    BrokerSurvey,
    BusReply,
    ConsumerSpec,
    Delivered,
    Received,
    StreamSpec,
    StreamState,
    Subscription,
    Verdict,
)
from actors.mesh._ports.world import Clock
from actors.mesh.adapters.memory.following import MemoryFollower
from actors.mesh.adapters.memory.gathering import MemoryGathering
from actors.mesh.adapters.memory.streams import MESSAGE_ID, MemoryConsumer, MemoryStream, surveyed
from actors.mesh.adapters.memory.subscribing import MemorySubscription
from actors.mesh.adapters.memory.tailing import read_on

IN_FLIGHT_MAX = 1000
"""Requests that wait at a time: as many as over NATS."""

MESSAGE_BYTES_MAX = 262_144
"""Body and headers: what the platform's NATS server takes (`infra/nats/server.conf`)."""

_log = logging.getLogger(__name__)


class MemoryBus:
    """Implements `Bus`. Pools of one test share one, as processes share a server; its owner closes it."""

    def __init__(self, clock: Clock, *, in_flight_max: int = IN_FLIGHT_MAX) -> None:
        self._clock = clock
        self._in_flight_max = in_flight_max
        self._in_flight = 0
        self._subscriptions: list[MemorySubscription] = []
        self._turns: dict[str, int] = {}
        self._streams: dict[str, MemoryStream] = {}
        self._consumers: dict[tuple[str, str], MemoryConsumer] = {}
        self._followers: list[MemoryFollower] = []
        self._wakers: set[Callable[[], None]] = set()
        self._incarnations = 0
        self._closed = False

    @property
    def connected(self) -> bool:
        """Tell whether it is open."""
        return not self._closed

    async def request(
        self, subject: str, body: bytes, headers: Mapping[str, str], *, timeout_seconds: float
    ) -> BusReply:
        """Ask and wait."""
        self._check(body, headers)
        if self._in_flight >= self._in_flight_max:
            raise Overloaded(f"{self._in_flight} requests wait already")
        answer: asyncio.Future[BusReply] = asyncio.get_running_loop().create_future()

        async def respond(reply_body: bytes, reply_headers: Mapping[str, str]) -> None:
            if not answer.done():
                answer.set_result(BusReply(dict(reply_headers), reply_body))

        if not self._deliver(subject, body, headers, respond):
            raise Unavailable(f"nobody serves {subject}")
        self._in_flight += 1
        timer = asyncio.create_task(self._expire(answer, subject, timeout_seconds))
        try:
            return await answer
        finally:
            self._in_flight -= 1
            timer.cancel()

    async def gather(
        self,
        subject: str,
        body: bytes,
        headers: Mapping[str, str],
        *,
        timeout_seconds: float,
        stall_seconds: float,
        replies_max: int,
    ) -> Sequence[BusReply]:
        """Ask everybody who listens and return what came."""
        self._check(body, headers)
        gathering = MemoryGathering(self._clock, stall_seconds, replies_max)
        if self._deliver(subject, body, headers, gathering.take):
            await gathering.over(timeout_seconds)
        return gathering.replies

    async def publish(self, subject: str, body: bytes, headers: Mapping[str, str]) -> None:
        """Tell whoever listens now, and the stream that takes the subject."""
        self._check(body, headers)
        self._deliver(subject, body, headers, _no_answer)
        self._keep(subject, body, headers)

    async def serve(self, subject: str, queue: str, handler: Callable[[Received], None]) -> Subscription:
        """Call `handler` for each message; the members of a queue group take turns."""
        return self._subscribe(subject, queue, handler)

    async def listen(self, subject: str, handler: Callable[[Received], None]) -> Subscription:
        """Call `handler` for each message."""
        return self._subscribe(subject, "", handler)

    async def store(self, subject: str, body: bytes, headers: Mapping[str, str], *, message_id: str) -> int:
        """Keep it in the stream that takes the subject and return the sequence; a repeat returns the first one's."""
        marked = {**headers, MESSAGE_ID: message_id}
        self._check(body, marked)
        self._deliver(subject, body, marked, _no_answer)
        sequence = self._keep(subject, body, marked)
        await asyncio.sleep(0)  # an acknowledgement takes a turn at least: who stores in a loop must not starve others
        if sequence is None:
            raise Unavailable(f"no stream takes {subject}")
        return sequence

    async def follow(
        self,
        consumer: ConsumerSpec,
        handler: Callable[[Sequence[Delivered]], Awaitable[Sequence[Verdict]]],
        *,
        batch_max: int = 100,
    ) -> Subscription:
        """Hand over messages in batches, one at a time; a consumer not yet provisioned is waited for."""
        self._check_open()

        def where() -> tuple[MemoryStream, MemoryConsumer] | None:
            stream, state = self._streams.get(consumer.stream), self._consumers.get((consumer.stream, consumer.name))
            return (stream, state) if stream and state else None

        def changed() -> None:
            self._wake(consumer.stream)

        follower = MemoryFollower(
            where, handler, batch_max, self._clock, changed, self._followers.remove, stream=consumer.stream
        )
        self._followers.append(follower)
        return follower

    async def provision(self, streams: Sequence[StreamSpec], consumers: Sequence[ConsumerSpec]) -> None:
        """Make or update streams and consumers."""
        self._check_open()
        for stream in streams:
            if stream.name in self._streams:
                self._streams[stream.name].update(stream)
                continue
            self._incarnations += 1
            self._streams[stream.name] = MemoryStream(stream, born=f"{self._clock.now_ms()}-{self._incarnations}")
        for consumer in consumers:
            self._stream(consumer.stream)
            known = self._consumers.get((consumer.stream, consumer.name))
            if known is None:
                self._consumers[consumer.stream, consumer.name] = MemoryConsumer(consumer)
            else:
                known.update(consumer)
        self._wake()

    async def reset_consumer(self, consumer: ConsumerSpec) -> None:
        """Make the consumer start again from the first message; what is out now counts no more."""
        self._stream(consumer.stream)
        self._consumers[consumer.stream, consumer.name] = MemoryConsumer(consumer)
        self._wake()

    async def forget_consumer(self, consumer: ConsumerSpec) -> None:
        """Delete a consumer that was made for a while."""
        self._consumers.pop((consumer.stream, consumer.name), None)

    async def pending(self, consumer: ConsumerSpec) -> int:
        """Return how many messages the consumer has still to deal with."""
        stream = self._stream(consumer.stream)
        state = self._consumers.get((consumer.stream, consumer.name))
        if state is None:
            raise Unavailable(f"no consumer {consumer.name} on stream {consumer.stream}")
        return state.pending(stream)

    async def stream_state(self, stream: str) -> StreamState:
        """Return where the stream stands."""
        return self._stream(stream).state()

    async def stored_ids(self, stream: str) -> AsyncIterator[str]:
        """Yield the message id of every message of a stream, oldest first."""
        for message in list(self._stream(stream).messages):
            if message_id := message.headers.get(MESSAGE_ID):
                yield message_id

    def tail(
        self, stream: str, subjects: Sequence[str], *, after_sequence: int | None = None
    ) -> AsyncGenerator[Delivered, None]:
        """Yield what a stream holds after a sequence and whatever comes."""
        return read_on(lambda: self._stream(stream), subjects, after_sequence, self._wakers)

    def lose(self, stream: str) -> None:
        """Lose a stream with all its consumers, as a broker whose disk is gone does."""
        self._streams.pop(stream, None)
        self._consumers = {key: state for key, state in self._consumers.items() if key[0] != stream}
        self._wake()

    async def close(self) -> None:
        """Stop everything at once."""
        self._closed = True
        self._subscriptions.clear()
        self._wake()
        for follower in list(self._followers):
            await follower.crash()

    async def survey(self) -> BrokerSurvey:
        """Return the broker as it stands."""
        return surveyed(self._streams, self._consumers, MESSAGE_BYTES_MAX)

    async def _expire(self, answer: asyncio.Future[BusReply], subject: str, timeout_seconds: float) -> None:
        await self._clock.sleep(timeout_seconds)
        if not answer.done():
            answer.set_exception(TimedOut(f"no answer from {subject} within {timeout_seconds} s"))

    def _subscribe(self, subject: str, queue: str, handler: Callable[[Received], None]) -> Subscription:
        self._check_open()
        subscription = MemorySubscription(subject, queue, handler, self._unsubscribe)
        self._subscriptions.append(subscription)
        return subscription

    def _unsubscribe(self, subscription: MemorySubscription) -> None:
        if subscription in self._subscriptions:
            self._subscriptions.remove(subscription)

    def _deliver(
        self,
        subject: str,
        body: bytes,
        headers: Mapping[str, str],
        respond: Callable[[bytes, Mapping[str, str]], Awaitable[None]],
    ) -> bool:
        received = Received(subject, dict(headers), body, respond)
        groups: dict[str, list[MemorySubscription]] = {}
        matching = [subscription for subscription in self._subscriptions if subscription.matches(subject)]
        for subscription in matching:
            if subscription.queue:
                groups.setdefault(subscription.queue, []).append(subscription)
            else:
                subscription.deliver(received)
        for queue, members in groups.items():
            turn = self._turns.get(queue, 0)
            self._turns[queue] = turn + 1
            members[turn % len(members)].deliver(received)
        return bool(matching)

    def _keep(self, subject: str, body: bytes, headers: Mapping[str, str]) -> int | None:
        for stream in self._streams.values():
            if stream.takes(subject):
                sequence = stream.append(subject, body, headers, self._clock.now_ms())
                self._wake(stream.spec.name)
                return sequence
        return None

    def _wake(self, stream: str = "") -> None:
        """Let those look again who read that stream, or everybody."""
        for follower in self._followers:
            if not stream or follower.stream == stream:
                follower.wake()
        for wake in self._wakers:
            wake()

    def _stream(self, name: str) -> MemoryStream:
        self._check_open()
        if name not in self._streams:
            raise Unavailable(f"no stream {name}")
        return self._streams[name]

    def _check(self, body: bytes, headers: Mapping[str, str]) -> None:
        self._check_open()
        length = len(body) + sum(len(name) + len(value) for name, value in headers.items())
        if length > MESSAGE_BYTES_MAX:
            raise Refused("message_too_large", f"{length} bytes, {MESSAGE_BYTES_MAX} at most", kind="invalid")

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable("the bus is closed")


async def _no_answer(_body: bytes, _headers: Mapping[str, str]) -> None:
    """Nobody asked."""
