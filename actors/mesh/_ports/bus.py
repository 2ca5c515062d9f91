"""The bus: requests, subscriptions and streams."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
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
    """One message of a stream. `deliveries` counts from 1."""

    subject: str
    headers: Mapping[str, str]
    body: bytes
    sequence: int
    deliveries: int


class Acknowledge(NamedTuple):
    """Done with it."""


class Again(NamedTuple):
    """Deliver it again later."""

    after_seconds: float


Verdict = Acknowledge | Again


class StreamSpec(NamedTuple):
    """A stream as data. Made by `provision`, never on the request path."""

    name: str  # 'ORDERS'
    subjects: tuple[str, ...]
    duplicate_window_seconds: float = 120


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

        Raises `TimedOut`, `Unavailable`.
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

    def stored_ids(self, stream: str) -> AsyncIterator[str]:
        """Yield the message id of every message of a stream, oldest first."""
        ...

    @property
    def connected(self) -> bool: ...

    async def close(self) -> None: ...
