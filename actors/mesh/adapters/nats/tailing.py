"""Reading on from a position in a stream: in order, without gap or duplicate, whatever becomes of the connection.

The consumer behind it is the server's, in memory, and acknowledges nothing. So it may be lost at any time, and what was
on its way with it: another one is made after the last message handed over, as soon as anything points to a loss.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import suppress

from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.errors import NotFoundError

from actors.mesh._errors import Fault, Unavailable
from actors.mesh._ports.bus import ConsumerSpec, Delivered
from actors.mesh._ports.world import Clock, Ids
from actors.mesh.adapters.nats.connection import Connection
from actors.mesh.adapters.nats.failures import as_mesh_errors
from actors.mesh.adapters.nats.following import RETRY_PAUSE_SECONDS, RETRY_PAUSE_SECONDS_MAX, delivered
from actors.mesh.adapters.nats.notices import Notices
from actors.mesh.adapters.nats.pulling import Puller
from actors.mesh.adapters.nats.settling import place
from actors.mesh.adapters.nats.streams import READER_KEPT_SECONDS, STORE_WITHIN_SECONDS, Streams

PAGE = 100
"""Messages asked for at a time, and so the most that wait in memory for whoever reads."""


class StreamGone(Unavailable):
    """The stream is not there, or it is another one of the same name: positions in it mean nothing any more."""


class Tail:
    """One reader's way through a stream; `messages` may be called once."""

    def __init__(
        self,
        stream: str,
        subjects: Sequence[str],
        connection: Connection,
        streams: Streams,
        next_inbox: Callable[[], str],
        clock: Clock,
        ids: Ids,
        notices: Notices,
    ) -> None:
        self._stream = stream
        self._subjects = list(subjects)
        self._connection = connection
        self._streams = streams
        self._next_inbox = next_inbox
        self._clock = clock
        self._ids = ids
        self._notices = notices
        self._born = ""
        self._reader = ""
        self._puller: Puller | None = None
        self._session = 0
        self._received = 0  # by the reader of now

    async def messages(
        self, after_sequence: int | None, is_closed: Callable[[], bool]
    ) -> AsyncGenerator[Delivered, None]:
        """Yield what comes after that sequence, or from now on. Raises `Unavailable` where it cannot go on."""
        state = await self._streams.state(self._stream)
        self._born = state.born
        sequence = state.last_sequence if after_sequence is None else after_sequence
        pause_seconds = RETRY_PAUSE_SECONDS
        try:
            while True:
                try:
                    page = await self._page(sequence)
                except Fault as error:
                    await self._let_go()
                    if isinstance(error, StreamGone) or is_closed():
                        raise
                    self._notices.tell("tail_failed", error)
                    await self._clock.sleep(pause_seconds * (0.5 + self._ids.jitter()))
                    pause_seconds = min(RETRY_PAUSE_SECONDS_MAX, pause_seconds * 2)
                    continue
                pause_seconds = RETRY_PAUSE_SECONDS
                for message in page:
                    sequence = message.sequence
                    yield message
        finally:
            await self._end()

    async def _page(self, sequence: int) -> list[Delivered]:
        puller = self._puller
        if puller is None or self._session != self._connection.sessions:
            puller = await self._make_reader(sequence)
        page = []
        for message in await puller.pull(PAGE):
            self._received += 1
            if place(message).handed_over != self._received:
                self._notices.tell("tail_torn", self._stream)
                await self._let_go()  # the next one begins behind what is whole
                break
            page.append(delivered(message))
        return page

    async def _make_reader(self, sequence: int) -> Puller:
        await self._let_go()
        self._session = self._connection.sessions  # before: what is made may be lost while it is being made
        self._reader = f"tail_{self._ids.new().replace('-', '')}"
        self._received = 0
        api = self._connection.client.jetstream(timeout=STORE_WITHIN_SECONDS)
        with as_mesh_errors(f"stream {self._stream}"):
            try:
                await api.add_consumer(
                    self._stream,
                    ConsumerConfig(
                        name=self._reader,
                        filter_subjects=self._subjects,
                        deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
                        opt_start_seq=sequence + 1,
                        ack_policy=AckPolicy.NONE,
                        mem_storage=True,
                        num_replicas=1,
                        inactive_threshold=READER_KEPT_SECONDS,
                    ),
                )
                await self._check_stream(sequence)
            except NotFoundError:
                raise StreamGone(f"stream {self._stream} is not there") from None
        self._puller = Puller(self._connection, self._stream, self._reader, self._next_inbox())
        return self._puller

    async def _check_stream(self, sequence: int) -> None:
        """Asked after the reader was made, so that it is about the stream which the reader reads."""
        state = await self._streams.state(self._stream)
        if state.born != self._born:
            raise StreamGone(f"stream {self._stream} was made anew")
        if state.last_sequence < sequence:  # numbers that were read will be given again, to other messages
            raise StreamGone(f"stream {self._stream} ends at {state.last_sequence}, before {sequence}")

    async def _let_go(self) -> None:
        puller, self._puller = self._puller, None
        if puller is not None:
            await puller.close()

    async def _end(self) -> None:
        await self._let_go()
        if self._reader and self._connection.connected:  # else the server forgets it by itself
            with suppress(Fault):
                await self._streams.forget_consumer(ConsumerSpec(self._stream, self._reader, ()))
