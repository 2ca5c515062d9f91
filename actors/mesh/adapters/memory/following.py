"""One follower of a durable consumer: takes a batch, has it handled, says what became of each message."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from actors.mesh._ports.bus import Acknowledge, Again, Delivered, Verdict
from actors.mesh._ports.world import Clock
from actors.mesh.adapters.memory.streams import MemoryConsumer, MemoryStream

AGAIN_AFTER_SECONDS = 1.0
"""A handler that failed gets its batch again: late enough for a store to come back, early enough not to be noticed."""

_log = logging.getLogger(__name__)


class MemoryFollower:
    """Implements `Subscription`."""

    def __init__(
        self,
        where: Callable[[], tuple[MemoryStream, MemoryConsumer] | None],
        handler: Callable[[Sequence[Delivered]], Awaitable[Sequence[Verdict]]],
        batch_max: int,
        clock: Clock,
        changed: Callable[[], None],
        ended: Callable[[MemoryFollower], None],
        *,
        stream: str = "",
    ) -> None:
        self.stream = stream
        self._where = where
        self._handler = handler
        self._batch_max = batch_max
        self._clock = clock
        self._changed = changed  # what one gives back or is done with makes room for the others
        self._stopping = False
        self._woken = asyncio.Event()
        self._task = asyncio.create_task(self._run(), name="memory-follower")
        self._task.add_done_callback(lambda _: ended(self))

    def wake(self) -> None:
        """Look whether there is something to take."""
        self._woken.set()

    async def stop(self) -> None:
        """Take nothing more; return when the batch taken is dealt with."""
        self._stopping = True
        self.wake()
        if asyncio.current_task() is not self._task:
            await asyncio.wait({self._task})

    async def crash(self) -> None:
        """Be gone at once, as a killed process: what was taken comes again when it was not acknowledged in time."""
        self._task.cancel()
        await asyncio.wait({self._task})

    async def _run(self) -> None:
        while not self._stopping:
            self._woken.clear()
            found = self._where()
            batch = found[1].take(found[0], self._batch_max, self._clock.now_ms()) if found else []
            if found and batch:
                await self._deal(*found, batch)
            else:
                await self._wait(found[1].due_ms() if found else None)

    async def _deal(self, stream: MemoryStream, consumer: MemoryConsumer, batch: Sequence[Delivered]) -> None:
        try:
            verdicts = await self._handler(batch)
            assert len(verdicts) == len(batch), f"{len(verdicts)} verdicts on {len(batch)} messages"
        except asyncio.CancelledError:
            if self._task.cancelling():
                self._again(consumer, batch, consumer.spec.acknowledge_within_seconds)
                self._changed()
                raise
            verdicts = [Again(AGAIN_AFTER_SECONDS)] * len(batch)  # it was something of the handler's own
        except Exception:  # noqa: BLE001 - whatever a handler does, the follower goes on
            _log.exception("the handler of %s failed on %d messages", consumer.spec.name, len(batch))
            verdicts = [Again(AGAIN_AFTER_SECONDS)] * len(batch)
        for message, verdict in zip(batch, verdicts, strict=True):
            match verdict:
                case Acknowledge():
                    consumer.acknowledge(stream, message.sequence)
                case Again(after_seconds):
                    self._again(consumer, (message,), after_seconds)
        self._changed()

    def _again(self, consumer: MemoryConsumer, batch: Sequence[Delivered], after_seconds: float) -> None:
        due_ms = self._clock.now_ms() + round(after_seconds * 1000)
        consumer.again([message.sequence for message in batch], due_ms)

    async def _wait(self, due_ms: int | None) -> None:
        if due_ms is None:
            await self._woken.wait()
            return
        woken = asyncio.create_task(self._woken.wait())
        due = asyncio.create_task(self._clock.sleep((due_ms - self._clock.now_ms()) / 1000))
        try:
            await asyncio.wait({woken, due}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            woken.cancel()
            due.cancel()
