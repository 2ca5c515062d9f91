"""All that is being listened to in this process: one feed a stream, who is connected, and the end of it all."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from actors.mesh._ports.world import Clock, Ids
from gateway.errors import RETRY_AFTER_SECONDS, HttpProblem
from gateway.live.feeds import CATCHING_UP_MAX, EventStreams, Feed
from gateway.live.listeners import Listener
from gateway.live.topics import TOPICS, Topic, by_subject

WAIT = (("retry-after", str(RETRY_AFTER_SECONDS)),)


@dataclass(frozen=True, slots=True)
class LiveBounds:
    """The limits of the live connections of one process."""

    connections: int = 1000
    """Half of what the server takes: the rest is for requests."""
    connections_each: int = 12
    """Of one principal: two browsers with six tabs each, though one connection is enough for all topics."""
    heartbeat_seconds: float = 15.0
    """Shorter than any proxy's idle time-out."""
    send_seconds: float = 10.0
    """A client that takes nothing for so long is gone, or as good as gone."""


class Broadcast:
    """Made by the composition root, and closed by it before the server waits for its connections to end."""

    def __init__(
        self,
        streams: EventStreams,
        *,
        clock: Clock,
        ids: Ids,
        topics: Sequence[Topic] = TOPICS,
        bounds: LiveBounds | None = None,
    ) -> None:
        self.topics = tuple(topics)
        self.bounds = bounds or LiveBounds()
        self.clock = clock
        self.ids = ids
        subjects = by_subject(topics)
        catching_up = asyncio.Semaphore(CATCHING_UP_MAX)
        self._feeds = {
            domain: Feed(domain, subjects, streams, clock, catching_up)
            for domain in sorted({topic.domain for topic in topics})
        }
        self._connected: Counter[str] = Counter()
        self._listeners: set[Listener] = set()
        self._is_closed = False

    def feeds_of(self, topics: Iterable[Topic]) -> list[Feed]:
        """Return the feeds that carry the topics."""
        return [self._feeds[domain] for domain in sorted({topic.domain for topic in topics})]

    @contextmanager
    def admitted(self, subject: str) -> Iterator[None]:
        """Count a connection of that principal; raise HttpProblem where there are too many."""
        if self._is_closed:
            raise HttpProblem(503, "gateway_closing", "this gateway is being stopped", headers=WAIT)
        if self._connected.total() >= self.bounds.connections:
            raise HttpProblem(503, "overloaded", "too many listen already", headers=WAIT)
        if self._connected[subject] >= self.bounds.connections_each:
            detail = f"you have {self.bounds.connections_each} live connections; one is enough for all topics"
            raise HttpProblem(429, "live_connections_limited", detail, headers=WAIT)
        self._connected[subject] += 1
        try:
            yield
        finally:
            self._connected[subject] -= 1
            if not self._connected[subject]:
                del self._connected[subject]

    @contextmanager
    def known(self, listener: Listener) -> Iterator[None]:
        """Reach the listener when all is closed."""
        self._listeners.add(listener)
        if self._is_closed:
            listener.end("closing")
        try:
            yield
        finally:
            self._listeners.discard(listener)

    def close(self) -> None:
        """Send every client away at once, and let nobody in."""
        self._is_closed = True
        for listener in self._listeners:
            listener.end("closing")
