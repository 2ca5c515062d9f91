"""One reader a stream, whoever listens: every event is read and made ready once, and handed to all who may have it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from contextvars import Context
from typing import Protocol

from actors.mesh import Fault, Unavailable
from actors.mesh._log import get_logger
from actors.mesh._ports.bus import Delivered, StreamState
from actors.mesh._ports.world import Clock
from gateway.live.listeners import Listener
from gateway.live.moments import moment_of
from gateway.live.positions import Position, mark_of
from gateway.live.topics import Topic

READY_SECONDS = 3.0
"""How long a client waits for a stream that cannot be read; then it is told to come again."""

AGAIN_SECONDS = 1.0

CATCH_UP_MAX = 20_000
"""Events a client may have missed, of all kinds in the stream: reading them takes a second or two. One who has missed
more is better off loading the state anew."""

CATCH_UP_SECONDS = 30.0
"""One who takes them more slowly is sent away; coming back, it goes on where it was."""

CATCHING_UP_MAX = 16
"""Clients that catch up at a time: after a restart all come back at once, and each reads for itself."""

logger = get_logger()


class EventStreams(Protocol):
    """What is needed of the bus."""

    async def stream_state(self, stream: str) -> StreamState:
        """Return where a stream stands; raise `Unavailable` where it is not there."""
        ...

    def tail(
        self, stream: str, subjects: Sequence[str], *, after_sequence: int | None = None
    ) -> AsyncGenerator[Delivered, None]:
        """Yield what a stream holds after a sequence and whatever comes."""
        ...


class Feed:
    """Reads one domain's stream while somebody holds it."""

    def __init__(
        self,
        domain: str,
        topics: Mapping[str, Topic],
        streams: EventStreams,
        clock: Clock,
        catching_up: asyncio.Semaphore,
    ) -> None:
        self.domain = domain
        self._topics = topics
        self._names = {topic.name for topic in topics.values() if topic.domain == domain}
        self._stream = domain.upper()
        self._streams = streams
        self._clock = clock
        self._catching_up = catching_up
        self._listeners: set[Listener] = set()
        self._position: Position | None = None  # None until the stream was found
        self._found = asyncio.Event()
        self._holders = 0
        self._reading: asyncio.Task[None] | None = None

    @contextmanager
    def held(self) -> Iterator[None]:
        """Read on as long as anybody is in here."""
        self._holders += 1
        if self._reading is None:
            # In no request's context: it outlives the one that happened to be first.
            self._reading = asyncio.get_running_loop().create_task(
                self._read(), name=f"live-{self.domain}", context=Context()
            )
        try:
            yield
        finally:
            self._holders -= 1
            if not self._holders:
                reading, self._reading, self._position = self._reading, None, None
                reading.cancel()
                self._found.clear()

    async def ready(self) -> None:
        """Return when it knows where it stands; raise Unavailable where the stream cannot be read."""
        try:
            async with asyncio.timeout(READY_SECONDS):
                await self._found.wait()
        except TimeoutError:
            raise Unavailable(f"the stream of {self.domain} cannot be read") from None

    @property
    def position(self) -> Position:
        """How far it has read; it must be ready."""
        assert self._position is not None
        return self._position

    def join(self, listener: Listener) -> None:
        """Let a listener hear what comes from here on."""
        self._listeners.add(listener)

    async def bring(self, listener: Listener, start: Position) -> None:
        """Let a listener that stood elsewhere hear what it has missed, then what comes. Raises a Fault."""
        reason = await self._why_not_from(start)
        if reason:
            listener.reset(self.domain, self.position, self._names, reason)
            self.join(listener)
            return
        async with self._catching_up:
            try:
                async with asyncio.timeout(CATCH_UP_SECONDS):
                    await self._catch_up(listener, start)
            except TimeoutError:
                listener.end("dropped")

    def leave(self, listener: Listener) -> None:
        """Let it hear nothing more."""
        self._listeners.discard(listener)

    async def _why_not_from(self, start: Position) -> str:
        state = await self._streams.stream_state(self._stream)
        if mark_of(state.born) != start.mark or state.last_sequence < start.sequence:
            return "stream_made_anew"
        return "too_much_missed" if state.last_sequence - start.sequence > CATCH_UP_MAX else ""

    async def _catch_up(self, listener: Listener, start: Position) -> None:
        if start.sequence >= self.position.sequence:  # another gateway was ahead of this one
            self.join(listener)
            return
        async with aclosing(self._streams.tail(self._stream, (), after_sequence=start.sequence)) as tail:
            async for message in tail:
                await listener.room()
                if self.position.mark != start.mark:
                    raise Unavailable(f"the stream of {self.domain} was made anew")
                position = Position(start.mark, message.sequence)
                listener.offer(self.domain, position, moment_of(self._topics, message))
                if message.sequence >= self.position.sequence:
                    # Nothing is awaited since the look at the position, so it hears the very next one.
                    self.join(listener)
                    return

    async def _read(self) -> None:
        while True:
            try:
                await self._find()
                await self._hand_on()
            except Fault as error:
                logger.warning("live.feed_interrupted", domain=self.domain, error=str(error))
            except Exception as error:
                logger.error("live.feed_failed", domain=self.domain, exc_info=error)
                for listener in self._listeners:  # who knows which of them had the event: each says where it stands
                    listener.end("interrupted")
            await self._clock.sleep(AGAIN_SECONDS)

    async def _find(self) -> None:
        state = await self._streams.stream_state(self._stream)
        found = Position(mark_of(state.born), state.last_sequence)
        known = self._position
        if known is None:
            self._position = found
        elif known.mark != found.mark or known.sequence > found.sequence:
            self._position = found
            for listener in self._listeners:
                listener.reset(self.domain, found, self._names, "stream_made_anew")
        self._found.set()

    async def _hand_on(self) -> None:
        assert self._position is not None
        mark, after = self._position
        async with aclosing(self._streams.tail(self._stream, (), after_sequence=after)) as tail:
            async for message in tail:
                position = Position(mark, message.sequence)
                self._position = position
                moment = moment_of(self._topics, message) if self._listeners else None
                for listener in self._listeners:
                    listener.offer(self.domain, position, moment)
                await asyncio.sleep(0)  # a page comes at once: who is to send it has to have a turn
