"""The bus over NATS: three connections, so that a flood on one leaves the others alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from nats.errors import Error as NatsError

from actors.mesh._errors import Overloaded, Unavailable
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
from actors.mesh._ports.world import Clock, Ids
from actors.mesh.adapters.nats.connection import Connection
from actors.mesh.adapters.nats.dialling import CLIENTS, ClientName, Settings
from actors.mesh.adapters.nats.failures import mesh_error
from actors.mesh.adapters.nats.following import Follower
from actors.mesh.adapters.nats.gathering import gather
from actors.mesh.adapters.nats.message import Message
from actors.mesh.adapters.nats.notices import Notices
from actors.mesh.adapters.nats.pulling import Puller
from actors.mesh.adapters.nats.requests import UNSENT_BYTES_MAX, Requests
from actors.mesh.adapters.nats.responses import Responder
from actors.mesh.adapters.nats.streams import STORING_MAX, Streams
from actors.mesh.adapters.nats.surveying import survey
from actors.mesh.adapters.nats.tailing import Tail

IN_FLIGHT_MAX = 1000
"""Requests that wait at a time: at 2 ms each that is far more than a process can send."""


@asynccontextmanager
async def open_nats(
    url: str,
    *,
    name: str,
    clock: Clock,
    ids: Ids,
    in_flight_max: int = IN_FLIGHT_MAX,
    replicas: int = 1,
    client: ClientName = "fast",
    counters: Callable[[str], None] = lambda _: None,
    on_dead: Callable[[], None] | None = None,
) -> AsyncIterator[NatsBus]:
    """Open the bus of a process; `name` is its service's, and its inboxes are below `_INBOX_<name>`.

    `client` is nats-py with a hot path of our own (`fast`) or as it is (`stock`), should the first fail somewhere.
    `on_dead` is called when a connection claims to live, does not, and could not be revived: end the process then.
    Raises `Unavailable` where NATS is not reached.
    """
    # The name is a token of its own, so that a permission can be given for `_INBOX_<name>.>`.
    inbox_prefix = f"_INBOX_{name}.{ids.new().replace('-', '')}"
    notices = Notices(f"nats {name}", counters)
    settings = Settings(url, name, inbox_prefix, clock, ids, notices, CLIENTS[client], on_dead)
    bus = NatsBus(settings, in_flight_max, replicas)
    try:
        await bus.open()
        yield bus
    finally:
        await bus.close()


class NatsBus:
    """Implements `Bus`."""

    def __init__(self, settings: Settings, in_flight_max: int, replicas: int) -> None:
        self._settings = settings
        self._notices = settings.notices
        self._in_flight_max = in_flight_max
        self._inbound = Connection("inbound", settings)
        self._outbound = Connection("outbound", settings)
        self._storing = Connection("streams", settings)
        inbox = settings.inbox_prefix
        self._requests = Requests(self._outbound, f"{inbox}.answers", self._notices)
        self._acknowledgements = Requests(self._storing, f"{inbox}.stored", self._notices)
        self._streams = Streams(
            self._storing, self._acknowledgements, settings.clock, settings.ids, self._notices, replicas
        )
        self._followers: set[Follower] = set()
        self._inboxes = 0
        self._closed = False

    async def open(self) -> None:
        """Connect."""
        connections = (self._inbound, self._outbound, self._storing)
        results = await asyncio.gather(*(one.open() for one in connections), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        await self._requests.open(self._in_flight_max)
        await self._acknowledgements.open(STORING_MAX)
        # An acknowledgement comes at once or never, and storing again is harmless; an answer to a request may come yet.
        self._storing.on_session.add(self._acknowledgements.give_up_all)

    @property
    def connected(self) -> bool:
        """Tell whether the last heartbeat came back on all three connections."""
        return self._inbound.connected and self._outbound.connected and self._storing.connected

    def request(
        self, subject: str, body: bytes, headers: Mapping[str, str], *, timeout_seconds: float
    ) -> Coroutine[Any, Any, BusReply]:
        """Ask and wait."""
        return self._requests.ask(subject, body, headers, timeout_seconds)

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
        inbox = self._own_inbox("gathered")
        bounds = (timeout_seconds, stall_seconds, replies_max)
        return await gather(self._outbound, inbox, subject, body, headers, bounds)

    async def publish(self, subject: str, body: bytes, headers: Mapping[str, str]) -> None:
        """Tell whoever listens now."""
        if self._outbound.client.pending_data_size > UNSENT_BYTES_MAX:
            raise Overloaded("NATS takes less than is published")
        try:
            await self._outbound.publish(subject, body, headers)
        except NatsError as error:
            raise mesh_error(subject, error) from error

    async def serve(self, subject: str, queue: str, handler: Callable[[Received], None]) -> Subscription:
        """Call `handler` for each message; one member of the queue group gets each."""
        return await self._subscribe(subject, queue, handler)

    async def listen(self, subject: str, handler: Callable[[Received], None]) -> Subscription:
        """Call `handler` for each message."""
        return await self._subscribe(subject, "", handler)

    async def store(self, subject: str, body: bytes, headers: Mapping[str, str], *, message_id: str) -> int:
        """Publish into a stream, wait for its acknowledgement, return the sequence."""
        return await self._streams.store(subject, body, headers, message_id)

    async def follow(
        self,
        consumer: ConsumerSpec,
        handler: Callable[[Sequence[Delivered]], Awaitable[Sequence[Verdict]]],
        *,
        batch_max: int = 100,
    ) -> Subscription:
        """Hand over messages in batches, one at a time; a consumer not yet provisioned is waited for."""
        self._check_open()
        puller = Puller(self._storing, consumer.stream, consumer.name, self._own_inbox("pull"))
        clock, ids = self._settings.clock, self._settings.ids
        follower = Follower(consumer, handler, batch_max, puller, clock, ids, self._notices, self._followers.discard)
        self._followers.add(follower)
        return follower

    async def provision(self, streams: Sequence[StreamSpec], consumers: Sequence[ConsumerSpec]) -> None:
        """Make or update streams and consumers."""
        await self._streams.provision(streams, consumers)

    async def reset_consumer(self, consumer: ConsumerSpec) -> None:
        """Make the consumer start again from the first message of its stream."""
        await self._streams.reset_consumer(consumer)

    async def forget_consumer(self, consumer: ConsumerSpec) -> None:
        """Delete a consumer that was made for a while."""
        await self._streams.forget_consumer(consumer)

    async def pending(self, consumer: ConsumerSpec) -> int:
        """Return how many messages the consumer has still to deal with."""
        return await self._streams.pending(consumer)

    async def stream_state(self, stream: str) -> StreamState:
        """Return where the stream stands."""
        return await self._streams.state(stream)

    async def survey(self) -> BrokerSurvey:
        """Return the broker as it stands."""
        return await survey(self._storing, self._acknowledgements, self._settings.clock)

    def stored_ids(self, stream: str) -> AsyncIterator[str]:
        """Yield the message id of every message of a stream, oldest first."""
        return self._streams.stored_ids(stream, self._own_inbox("pull"))

    def tail(
        self, stream: str, subjects: Sequence[str], *, after_sequence: int | None = None
    ) -> AsyncGenerator[Delivered, None]:
        """Yield what a stream holds after a sequence and whatever comes."""
        clock, ids = self._settings.clock, self._settings.ids
        tail = Tail(
            stream, subjects, self._storing, self._streams, partial(self._own_inbox, "pull"), clock, ids, self._notices
        )
        return tail.messages(after_sequence, lambda: self._closed)

    async def close(self) -> None:
        """End everything at once. Whoever drains stops the subscriptions first: their answers still go out."""
        self._closed = True
        await asyncio.gather(*(follower.abandon() for follower in list(self._followers)))
        await asyncio.gather(*(one.close() for one in (self._inbound, self._outbound, self._storing)))

    async def _subscribe(self, subject: str, queue: str, handler: Callable[[Received], None]) -> Subscription:
        self._check_open()
        connection, notices = self._inbound, self._notices

        def on_message(message: Message) -> None:
            respond = Responder(connection, message.reply, notices)
            try:
                handler(Received(message.subject, message.headers, message.body, respond))
            except Exception as error:  # noqa: BLE001 - whatever a handler does, the subscription goes on
                notices.tell("handler_failed", error)

        return await connection.subscribe(subject, queue, on_message)

    def _own_inbox(self, purpose: str) -> str:
        self._inboxes += 1
        return f"{self._settings.inbox_prefix}.{purpose}.{self._inboxes}"

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable("the bus is closed")
