"""Streams: storing with an acknowledgement, making streams and consumers, and asking how they stand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

import msgspec
from nats.errors import NoRespondersError
from nats.errors import TimeoutError as NatsTimeout
from nats.js import JetStreamContext
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DeliverPolicy,
    DiscardPolicy,
    RetentionPolicy,
    StorageType,
    StreamConfig,
)
from nats.js.errors import NotFoundError, ServerError, ServiceUnavailableError

from actors.mesh._errors import Overloaded, Refused, Unavailable
from actors.mesh._ports.bus import BusReply, ConsumerSpec, StreamSpec, StreamState
from actors.mesh._ports.world import Clock, Ids
from actors.mesh.adapters.nats.connection import Connection
from actors.mesh.adapters.nats.failures import as_mesh_errors
from actors.mesh.adapters.nats.notices import Notices
from actors.mesh.adapters.nats.pulling import Puller
from actors.mesh.adapters.nats.requests import Requests
from actors.mesh.adapters.nats.settling import place

MESSAGE_ID = "Nats-Msg-Id"

STORING_MAX = 256
"""Unacknowledged messages at a time: enough for full throughput, few enough to be stored within the time-out."""

STORE_WITHIN_SECONDS = 5.0

READY_WITHIN_SECONDS = 20.0
"""JetStream takes some ten seconds to choose a leader where a node has just been lost."""

READY_PAUSE_SECONDS = 0.2
READY_PAUSE_SECONDS_MAX = 2.0

PAGE = 500
"""Message ids read at a time."""

READER_KEPT_SECONDS = 30.0
"""A reader whose process is gone is forgotten by the server after that."""

TOO_LARGE = 10054
"""What JetStream calls a message that is larger than its stream takes."""

NOT_READY = (ServiceUnavailableError, ServerError, NatsTimeout, NoRespondersError)


class _Problem(msgspec.Struct):
    code: int = 0
    err_code: int = 0
    description: str = ""


class _Stored(msgspec.Struct):
    """JetStream's answer to what is stored; `seq` is the first one's for a repeat."""

    seq: int = 0
    error: _Problem | None = None


_read_stored = msgspec.json.Decoder(_Stored).decode


class Streams:
    """JetStream, over a connection of its own."""

    def __init__(
        self, connection: Connection, requests: Requests, clock: Clock, ids: Ids, notices: Notices, replicas: int
    ) -> None:
        self._connection = connection
        self._requests = requests
        self._clock = clock
        self._ids = ids
        self._notices = notices
        self._replicas = replicas
        self._room = asyncio.Semaphore(STORING_MAX)

    async def store(self, subject: str, body: bytes, headers: Mapping[str, str], message_id: str) -> int:
        """Publish, wait for the acknowledgement, return the sequence."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + STORE_WITHIN_SECONDS
        try:
            async with asyncio.timeout(STORE_WITHIN_SECONDS):
                await self._room.acquire()
        except TimeoutError:
            raise Overloaded(f"{STORING_MAX} messages wait for their acknowledgement already") from None
        try:
            left_seconds = max(0.1, deadline - loop.time())
            answer = await self._requests.ask(subject, body, {**headers, MESSAGE_ID: message_id}, left_seconds)
        finally:
            self._room.release()
        return _sequence(subject, answer)

    async def provision(self, streams: Sequence[StreamSpec], consumers: Sequence[ConsumerSpec]) -> None:
        """Make or update them; wait, bounded, for a JetStream that is not ready."""
        for stream in streams:
            await self._when_ready(stream.name, lambda stream=stream: self._make_stream(stream))  # type: ignore[misc]
        for consumer in consumers:
            await self._when_ready(consumer.name, lambda consumer=consumer: self._make_consumer(consumer))  # type: ignore[misc]

    async def reset_consumer(self, consumer: ConsumerSpec) -> None:
        """Delete it and make it again, at the first message."""

        async def reset() -> None:
            await self._delete_consumer(consumer)
            await self._make_consumer(consumer)

        await self._when_ready(consumer.name, reset)

    async def forget_consumer(self, consumer: ConsumerSpec) -> None:
        """Delete it."""
        with as_mesh_errors(f"consumer {consumer.name}"):
            await self._delete_consumer(consumer)

    async def _delete_consumer(self, consumer: ConsumerSpec) -> None:
        try:
            await self._api().delete_consumer(consumer.stream, consumer.name)
        except NotFoundError:
            self._notices.count("deletion_of_no_consumer")

    async def pending(self, consumer: ConsumerSpec) -> int:
        """Return what is undelivered and what is unacknowledged."""
        with as_mesh_errors(f"consumer {consumer.name}"):
            info = await self._api().consumer_info(consumer.stream, consumer.name)
        return int(info.num_pending or 0) + int(info.num_ack_pending or 0)

    async def state(self, stream: str) -> StreamState:
        """Return where the stream stands."""
        with as_mesh_errors(f"stream {stream}"):
            info = await self._api().stream_info(stream)
        born = info.created.isoformat() if info.created else ""
        return StreamState(born=born, last_sequence=info.state.last_seq, messages=info.state.messages)

    async def stored_ids(self, stream: str, inbox: str) -> AsyncIterator[str]:
        """Yield every message id up to the last message of now, a page at a time, headers only."""
        last_sequence = (await self.state(stream)).last_sequence
        reader = f"ids_{self._ids.new().replace('-', '')}"
        with as_mesh_errors(f"stream {stream}"):
            await self._api().add_consumer(
                stream,
                name=reader,
                ack_policy=AckPolicy.NONE,
                deliver_policy=DeliverPolicy.ALL,
                headers_only=True,
                mem_storage=True,
                num_replicas=1,
                inactive_threshold=READER_KEPT_SECONDS,
            )
        puller = Puller(self._connection, stream, reader, inbox)
        sequence = 0
        try:
            while sequence < last_sequence:
                page = await puller.pull(PAGE)
                if not page:
                    return  # the rest has been deleted
                for message in page:
                    expected, sequence = sequence + 1, place(message).sequence
                    if expected > sequence:
                        raise Unavailable(f"stream {stream} was read out of order")
                    if message_id := message.headers.get(MESSAGE_ID):
                        yield message_id
        finally:
            await puller.close()

    def _api(self) -> JetStreamContext:
        return self._connection.client.jetstream(timeout=STORE_WITHIN_SECONDS)

    async def _make_stream(self, stream: StreamSpec) -> None:
        api = self._api()
        wanted = {
            "subjects": list(stream.subjects),
            "duplicate_window": stream.duplicate_window_seconds,
            "max_bytes": stream.bytes_max or -1,
            "max_msg_size": stream.message_bytes_max or -1,
        }
        try:
            found = (await api.stream_info(stream.name)).config
        except NotFoundError:
            # What waits in a work queue is nobody's to look at or to throw away.
            of_work = {"retention": RetentionPolicy.WORK_QUEUE, "deny_purge": True, "allow_direct": False}
            await api.add_stream(
                StreamConfig(
                    name=stream.name,
                    storage=StorageType.FILE,
                    discard=DiscardPolicy.NEW,  # full means that storing fails, not that the oldest go unread
                    deny_delete=True,
                    allow_direct=True,
                    num_replicas=self._replicas,
                ),
                **wanted,
                **(of_work if stream.is_work_queue else {}),
            )
            return
        if {name: getattr(found, name) for name in wanted} != wanted:
            await api.update_stream(found, **wanted)  # what an operator has set otherwise stays

    async def _make_consumer(self, consumer: ConsumerSpec) -> None:
        await self._api().add_consumer(
            consumer.stream,
            ConsumerConfig(
                name=consumer.name,
                durable_name=consumer.name,
                filter_subjects=list(consumer.filter_subjects),
                deliver_policy=DeliverPolicy.ALL,
                ack_policy=AckPolicy.EXPLICIT,
                ack_wait=consumer.acknowledge_within_seconds,
                max_ack_pending=consumer.in_flight_max,
                max_deliver=-1,  # the server drops in silence what it gives up: giving up is the mesh's to do
            ),
        )

    async def _when_ready(self, what: str, make: Callable[[], Awaitable[None]]) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + READY_WITHIN_SECONDS
        pause_seconds = READY_PAUSE_SECONDS
        with as_mesh_errors(what):
            while True:
                try:
                    return await make()
                except NOT_READY as error:
                    self._notices.tell("jetstream_not_ready", f"{what}: {error}")
                    if loop.time() + pause_seconds >= deadline:
                        raise
                await self._clock.sleep(pause_seconds * (0.5 + self._ids.jitter()))
                pause_seconds = min(READY_PAUSE_SECONDS_MAX, pause_seconds * 2)


def _sequence(subject: str, answer: BusReply) -> int:
    try:
        stored = _read_stored(answer.body)
    except msgspec.DecodeError:
        raise Unavailable(f"no stream takes {subject}, and something else answered") from None
    if stored.error is not None and stored.error.err_code == TOO_LARGE:
        raise Refused("message_too_large", f"{subject} takes no message of this size", kind="invalid")
    if stored.error is not None:
        raise Unavailable(f"{subject} was not stored: {stored.error.description} ({stored.error.err_code})")
    return stored.seq
