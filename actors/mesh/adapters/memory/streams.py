"""A stream and its durable consumers, as plain data: no waiting, no clock, only what time it is."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from itertools import count
from typing import NamedTuple

from actors.mesh._errors import Refused, Unavailable
from actors.mesh._ports.bus import (
    BrokerSurvey,
    ConsumerSpec,
    ConsumerState,
    Delivered,
    StreamSpec,
    StreamState,
    StreamSurvey,
)
from actors.mesh._ports.subjects import matcher

MESSAGE_ID = "Nats-Msg-Id"

MESSAGES_MAX = 1_000_000
"""A stream in memory is for tests: past this something publishes in a circle."""


class Stored(NamedTuple):
    subject: str
    headers: Mapping[str, str]
    body: bytes
    sequence: int
    at_ms: int

    @property
    def size(self) -> int:
        """Bytes of headers and body."""
        return len(self.body) + sum(len(name) + len(value) for name, value in self.headers.items())


class MemoryStream:
    """What was published, in order; a message id counts once within the duplicate window."""

    def __init__(self, spec: StreamSpec, born: str) -> None:
        self.born = born
        self.messages: list[Stored] = []
        self._seen: dict[str, tuple[int, int]] = {}  # message id -> (sequence, when), oldest first
        self.gone: set[int] = set()
        self._bytes = 0
        self.update(spec)

    def update(self, spec: StreamSpec) -> None:
        """Take what the stream shall be from now on."""
        self.spec = spec
        self._matchers = tuple(matcher(pattern) for pattern in spec.subjects)

    def takes(self, subject: str) -> bool:
        """Tell whether the subject belongs to this stream."""
        return any(matches(subject) for matches in self._matchers)

    def append(self, subject: str, body: bytes, headers: Mapping[str, str], now_ms: int) -> int:
        """Keep the message and return its sequence; return the earlier one where its id was seen within the window."""
        message_id = headers.get(MESSAGE_ID, "")
        oldest_ms = now_ms - round(self.spec.duplicate_window_seconds * 1000)
        while self._seen and next(iter(self._seen.values()))[1] <= oldest_ms:
            del self._seen[next(iter(self._seen))]
        if message_id in self._seen:
            return self._seen[message_id][0]
        sequence = len(self.messages) + 1
        message = Stored(subject, dict(headers), body, sequence, now_ms)
        if 0 < self.spec.message_bytes_max < message.size:
            raise Refused("message_too_large", f"{subject} takes no message of this size", kind="invalid")
        if len(self.messages) >= MESSAGES_MAX or 0 < self.spec.bytes_max < self._bytes + message.size:
            raise Unavailable(f"stream {self.spec.name} is full")
        self.messages.append(message)
        self._bytes += message.size
        if message_id:
            self._seen[message_id] = (sequence, now_ms)
        return sequence

    def forget(self, sequence: int) -> None:
        """Let go of a message that a work queue is done with; its number stays taken."""
        message = self.messages[sequence - 1]
        self._bytes -= message.size
        self.gone.add(sequence)
        self.messages[sequence - 1] = message._replace(headers={}, body=b"")

    def state(self) -> StreamState:
        """Return the stream in three numbers."""
        last_sequence = len(self.messages)
        return StreamState(born=self.born, last_sequence=last_sequence, messages=last_sequence - len(self.gone))

    def survey(self, consumers: tuple[ConsumerState, ...]) -> StreamSurvey:
        """Return the stream as an operator sees it."""
        stored_bytes, messages = sum(len(message.body) for message in self.messages), len(self.messages)
        return StreamSurvey(self.spec.name, self.spec.subjects, messages, stored_bytes, messages, consumers)


class MemoryConsumer:
    """Where a durable consumer stands: what it has had, what of it is unacknowledged, and when that comes again."""

    def __init__(self, spec: ConsumerSpec) -> None:
        self._position = 0
        self._unacknowledged: dict[int, int] = {}  # sequence -> deliveries so far
        self._again: list[tuple[int, int, int]] = []  # (when due, order, sequence)
        self._order = count()
        self.update(spec)

    def update(self, spec: ConsumerSpec) -> None:
        """Take what the consumer shall be from now on; its position stays."""
        self.spec = spec
        self._matchers = tuple(matcher(pattern) for pattern in spec.filter_subjects)

    def take(self, stream: MemoryStream, batch_max: int, now_ms: int) -> list[Delivered]:
        """Return the next messages: those due again first."""
        taken: list[Delivered] = []
        while len(taken) < batch_max and self._again and self._again[0][0] <= now_ms:
            sequence = heapq.heappop(self._again)[2]
            if sequence not in self._unacknowledged:
                continue
            self._unacknowledged[sequence] += 1
            taken.append(self._delivered(stream.messages[sequence - 1]))
        while len(taken) < batch_max and len(self._unacknowledged) < self.spec.in_flight_max:
            message = self._next(stream)
            if message is None:
                break
            self._unacknowledged[message.sequence] = 1
            taken.append(self._delivered(message))
        return taken

    def acknowledge(self, stream: MemoryStream, sequence: int) -> None:
        """Be done with a message."""
        if self._unacknowledged.pop(sequence, None) is not None and stream.spec.is_work_queue:
            stream.forget(sequence)

    def again(self, sequences: Sequence[int], due_ms: int) -> None:
        """Deliver those again from `due_ms` on."""
        for sequence in sequences:
            if sequence in self._unacknowledged:
                heapq.heappush(self._again, (due_ms, next(self._order), sequence))

    def due_ms(self) -> int | None:
        """Return when the next message is due again."""
        return self._again[0][0] if self._again else None

    def pending(self, stream: MemoryStream) -> int:
        """Return how many messages are still to be dealt with."""
        return self._ahead(stream) + len(self._unacknowledged)

    def state(self, stream: MemoryStream) -> ConsumerState:
        """Return where it stands, as an operator sees it."""
        return ConsumerState(
            stream=stream.spec.name,
            name=self.spec.name,
            filter_subjects=self.spec.filter_subjects,
            pending=self._ahead(stream),
            unacknowledged=len(self._unacknowledged),
            redelivered=sum(deliveries > 1 for deliveries in self._unacknowledged.values()),
            pulls=0,
            delivered_sequence=self._position,
        )

    def _ahead(self, stream: MemoryStream) -> int:
        return sum(1 for message in stream.messages[self._position :] if self._wants(message.subject))

    def _next(self, stream: MemoryStream) -> Stored | None:
        while self._position < len(stream.messages):
            message = stream.messages[self._position]
            self._position += 1
            if self._wants(message.subject) and message.sequence not in stream.gone:
                return message
        return None

    def _wants(self, subject: str) -> bool:
        return not self._matchers or any(matches(subject) for matches in self._matchers)

    def _delivered(self, message: Stored) -> Delivered:
        deliveries = self._unacknowledged[message.sequence]
        return Delivered(message.subject, message.headers, message.body, message.sequence, deliveries, message.at_ms)


def surveyed(
    streams: Mapping[str, MemoryStream], consumers: Mapping[tuple[str, str], MemoryConsumer], message_bytes_max: int
) -> BrokerSurvey:
    """Return every stream with who reads it, by name."""
    found = tuple(
        stream.survey(tuple(state.state(stream) for (of, _), state in sorted(consumers.items()) if of == name))
        for name, stream in sorted(streams.items())
    )
    return BrokerSurvey("in memory", message_bytes_max, sum(each.stored_bytes for each in found), 0, 0, found)
