"""The bus: requests, subscriptions and streams."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from msgspec import Struct


class Received(Struct, frozen=True):
    """What came back, or in: `respond` answers it (at most once; nothing where nobody asked)."""

    subject: str
    headers: Mapping[str, str]
    body: bytes
    respond: Callable[[bytes, Mapping[str, str]], Awaitable[None]]


class BusReply(Struct, frozen=True):
    """An answer."""

    headers: Mapping[str, str]
    body: bytes


class Delivered(NamedTuple):
    """One message of a stream. `deliveries` counts from 1; `stored_at_ms` is when the stream took it, by its clock."""

    subject: str
    headers: Mapping[str, str]
    body: bytes
    sequence: int
    deliveries: int
    stored_at_ms: int


class Acknowledge(NamedTuple):
    """Done with it."""


class Again(NamedTuple):
    """Deliver it again later."""

    after_seconds: float


Verdict = Acknowledge | Again


class StreamSpec(NamedTuple):
    """A stream as data. Made by `provision`, never on the request path. 0 stands for no bound.

    A work queue forgets a message once it was acknowledged; any other stream keeps all. Full, it takes nothing more.
    """

    name: str  # 'ORDERS'
    subjects: tuple[str, ...]
    duplicate_window_seconds: float = 120
    is_work_queue: bool = False
    bytes_max: int = 0
    message_bytes_max: int = 0  # headers and body


class ConsumerSpec(NamedTuple):
    """A durable pull consumer as data."""

    stream: str
    name: str  # 'orders_views'
    filter_subjects: tuple[str, ...]
    acknowledge_within_seconds: float = 30
    in_flight_max: int = 1000


class StreamState(NamedTuple):
    """`born` tells one incarnation of a stream from the next."""

    born: str
    last_sequence: int
    messages: int


class ConsumerState(NamedTuple):
    """Where a durable consumer stands. `pulls` is how many of its readers wait for the next message."""

    stream: str
    name: str
    filter_subjects: tuple[str, ...]
    pending: int  # not delivered yet
    unacknowledged: int
    redelivered: int
    pulls: int
    delivered_sequence: int


class StreamSurvey(NamedTuple):
    """A stream with everybody who reads it durably."""

    name: str
    subjects: tuple[str, ...]
    messages: int
    stored_bytes: int
    last_sequence: int
    consumers: tuple[ConsumerState, ...]


class BrokerSurvey(NamedTuple):
    """What an operator asks of a broker. A limit of 0 is none; `clock_ahead_ms` is None where it tells no time."""

    version: str
    message_bytes_max: int
    stored_bytes: int
    stored_bytes_max: int
    clock_ahead_ms: int | None
    streams: tuple[StreamSurvey, ...]


class Subscription(Protocol):
    async def stop(self) -> None:
        """Take nothing more; what was taken is still dealt with."""
        ...


class Bus(Protocol):
    """Requests, subscriptions and streams."""

    async def request(
        self, subject: str, body: bytes, headers: Mapping[str, str], *, timeout_seconds: float
    ) -> BusReply:
        """Ask and wait.

        Raises `Unavailable` (nobody listens, not connected), `Overloaded` (too many in flight), `TimedOut`.
        """
        ...

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
        """Ask everybody who listens and return what came: nothing, where nobody does.

        It ends at the time-out, when `stall_seconds` have passed since the last reply, or with `replies_max` of them.
        Raises `Unavailable` where it could not be sent.
        """
        ...

    async def publish(self, subject: str, body: bytes, headers: Mapping[str, str]) -> None:
        """Tell whoever listens now; not kept unless a stream takes it."""
        ...

    async def serve(self, subject: str, queue: str, handler: Callable[[Received], None]) -> Subscription:
        """Call `handler` (which must not block) for each message; one member of the queue group gets each."""
        ...

    async def listen(self, subject: str, handler: Callable[[Received], None]) -> Subscription:
        """Call `handler` for each message, without a queue group."""
        ...

    async def store(self, subject: str, body: bytes, headers: Mapping[str, str], *, message_id: str) -> int:
        """Publish into a stream, wait for its acknowledgement, return the sequence.

        Raises `TimedOut`, `Unavailable` (also where the stream is full), `Refused` (larger than the stream takes).
        """
        ...

    async def follow(
        self,
        consumer: ConsumerSpec,
        handler: Callable[[Sequence[Delivered]], Awaitable[Sequence[Verdict]]],
        *,
        batch_max: int = 100,
    ) -> Subscription:
        """Hand over messages in batches, one at a time; an exception from `handler` means `Again` for all of it."""
        ...

    async def provision(self, streams: Sequence[StreamSpec], consumers: Sequence[ConsumerSpec]) -> None:
        """Make or update streams and consumers."""
        ...

    async def reset_consumer(self, consumer: ConsumerSpec) -> None:
        """Make the consumer start again from the first message of its stream."""
        ...

    async def forget_consumer(self, consumer: ConsumerSpec) -> None:
        """Delete a consumer that was made for a while; one that is not there is no error."""
        ...

    async def pending(self, consumer: ConsumerSpec) -> int:
        """Return how many messages the consumer has still to deal with, unacknowledged ones included."""
        ...

    async def stream_state(self, stream: str) -> StreamState: ...

    async def survey(self) -> BrokerSurvey:
        """Return the broker as it stands, with every stream and consumer; for tools, never on the request path."""
        ...

    def stored_ids(self, stream: str) -> AsyncIterator[str]:
        """Yield the message id of every message of a stream, oldest first."""
        ...

    def tail(
        self, stream: str, subjects: Sequence[str], *, after_sequence: int | None = None
    ) -> AsyncGenerator[Delivered, None]:
        """Yield what a stream holds after a sequence and whatever comes, in order, without gap or duplicate, for ever.

        `subjects` are patterns, none means all. Without a sequence it begins with what comes after the first `anext`.
        Nothing is remembered of it: close it (`aclose`) or leave it. It outlives reconnects; where messages were
        deleted meanwhile it goes on with the first that is there. Raises `Unavailable` where the stream is not there,
        ends before that sequence, or has become another one of the same name.
        """
        ...

    @property
    def connected(self) -> bool: ...

    async def close(self) -> None: ...
