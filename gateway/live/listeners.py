"""One client that listens: what waits to be sent to it, within bounds, and how far it has come."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from gateway.live.moments import Moment, said
from gateway.live.positions import Position, written
from gateway.live.topics import Topic

EVENTS_MAX = 256
BYTES_MAX = 128 * 1024
"""What may wait for a client besides what the sockets hold: two seconds of a busy shop."""

Ending = Literal["closing", "interrupted", "dropped", "expired", "gone"]

COME_BACK = "reconnect with the header Last-Event-ID: {id}"
SAID_AT_THE_END: Mapping[Ending, tuple[str, str, str]] = {
    "closing": ("closing", "gateway_closing", COME_BACK),
    "interrupted": ("closing", "stream_interrupted", COME_BACK),
    "dropped": ("dropped", "client_too_slow", f"read faster or choose fewer topics; {COME_BACK}"),
    "expired": ("expired", "principal_expired", f"get a new token; {COME_BACK}"),
}
"""The name of the event, its code, and what to do: nothing is missed by whoever does it."""

HEARTBEAT = b": heartbeat\nid: %b\n\n"
"""A comment, so that nobody has to handle it, and an id, so that one who hears little need not catch up on much."""


@dataclass(slots=True)
class Waiting:
    """What is to be sent, and where the client stands when it has it."""

    positions: dict[str, Position]
    text: bytes


class Listener:
    """Takes what a client may have; the connection takes it from here at the client's pace."""

    def __init__(
        self, topics: Iterable[Topic], person: str, own_only: frozenset[str], positions: Mapping[str, Position]
    ) -> None:
        self.topics = frozenset(topic.name for topic in topics)
        self.woken = asyncio.Event()
        """Set when there is something to send, or the end has come."""
        self.ending: Ending | None = None
        self._person = person
        self._own_only = own_only  # topics in which it may hear of its person's things alone
        self._positions = dict(positions)  # what the client has, once what was taken is sent
        self._offered = dict(positions)
        self._waiting: deque[Waiting] = deque()
        self._bytes = 0
        self._is_to_beat = False
        self._room = asyncio.Event()

    @property
    def event_id(self) -> str:
        """Where the client stands."""
        return written(self._positions)

    def offer(self, domain: str, position: Position, moment: Moment | None) -> None:
        """Take the next event of a stream; what the client has had is skipped, one too many ends it."""
        if position.sequence <= self._offered[domain].sequence:
            return
        self._offered[domain] = position
        if moment is not None and self._may_have(moment):
            self._put(domain, position, moment.text)
        elif self._waiting:  # it has nothing of this one, so it may as well stand behind it
            self._waiting[-1].positions[domain] = position
        else:
            self._positions[domain] = position

    def reset(self, domain: str, position: Position, topics: Iterable[str], reason: str) -> None:
        """Go on from another place in a stream, and tell the client that it has missed something."""
        self._offered[domain] = position
        data = {"reason": reason, "topics": sorted(self.topics.intersection(topics)), "detail": "load it again"}
        self._put(domain, position, said("reset", data))

    def end(self, ending: Ending) -> None:
        """Send no more than how to come back; the first reason counts."""
        self.ending = self.ending or ending
        self.woken.set()
        self._room.set()

    def beat(self) -> None:
        """Show the client that it is connected, and where it stands."""
        self._is_to_beat = True
        self.woken.set()

    def take(self) -> bytes:
        """Return all that waits."""
        parts = []
        for waiting in self._waiting:
            self._positions |= waiting.positions
            parts.append(b"id: %b\n%b" % (self.event_id.encode(), waiting.text))
        if self._is_to_beat:
            parts.append(HEARTBEAT % self.event_id.encode())
        self._waiting.clear()
        self._bytes, self._is_to_beat = 0, False
        self._room.set()
        return b"".join(parts)

    def last_words(self) -> bytes:
        """Return what the client is told at the end: why, and how to go on without a gap."""
        if self.ending is None or self.ending not in SAID_AT_THE_END:
            return b""
        # What waits is sent where the client could take it; else it comes after the reconnection.
        rest = self.take() if self.ending == "closing" else b""
        event, code, detail = SAID_AT_THE_END[self.ending]
        told = said(event, {"code": code, "detail": detail.format(id=self.event_id)})
        return b"%bid: %b\n%b" % (rest, self.event_id.encode(), told)

    async def room(self) -> None:
        """Wait until half of the room is free: who catches up goes at the client's pace, and leaves the rest to now."""
        while self.ending is None and (len(self._waiting) > EVENTS_MAX // 2 or self._bytes > BYTES_MAX // 2):
            self._room.clear()
            await self._room.wait()

    def _may_have(self, moment: Moment) -> bool:
        if moment.topic.name not in self.topics:
            return False
        return moment.topic.name not in self._own_only or moment.topic.is_public or moment.owner == self._person

    def _put(self, domain: str, position: Position, text: bytes) -> None:
        if len(self._waiting) >= EVENTS_MAX or self._bytes + len(text) > BYTES_MAX:
            self.end("dropped")
        if self.ending is not None:
            return
        self._waiting.append(Waiting({domain: position}, text))
        self._bytes += len(text)
        self.woken.set()
