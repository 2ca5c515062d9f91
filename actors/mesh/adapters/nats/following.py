"""One follower of a durable consumer: pulls a batch, has it handled, says what became of each message."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from nats.errors import Error as NatsError

from actors.mesh._ports.bus import Acknowledge, Again, ConsumerSpec, Delivered, Verdict
from actors.mesh._ports.world import Clock, Ids
from actors.mesh.adapters.nats.message import Message
from actors.mesh.adapters.nats.notices import Notices
from actors.mesh.adapters.nats.pulling import Puller
from actors.mesh.adapters.nats.settling import ACKNOWLEDGED, WORKING, again, place

AGAIN_AFTER_SECONDS = 1.0
"""A handler that failed gets its batch again: late enough for a store to come back, early enough not to be noticed."""

RETRY_PAUSE_SECONDS = 0.1
RETRY_PAUSE_SECONDS_MAX = 5.0

WORK_SECONDS_MAX = 600.0
"""A handler that takes longer hangs; others get its messages then."""


class Follower:
    """Implements `Subscription`. Outlives reconnects, and a consumer that is gone until it is provisioned again."""

    def __init__(
        self,
        consumer: ConsumerSpec,
        handler: Callable[[Sequence[Delivered]], Awaitable[Sequence[Verdict]]],
        batch_max: int,
        puller: Puller,
        clock: Clock,
        ids: Ids,
        notices: Notices,
        ended: Callable[[Follower], None],
    ) -> None:
        self._consumer = consumer
        self._handler = handler
        self._batch_max = batch_max
        self._puller = puller
        self._clock = clock
        self._ids = ids
        self._notices = notices
        self._stopping = asyncio.Event()
        self._task = asyncio.create_task(self._run(), name=f"follow-{consumer.name}")
        self._task.add_done_callback(lambda _: ended(self))

    async def stop(self) -> None:
        """Take nothing more; return when the batch taken is dealt with. A pull under way is waited for."""
        self._stopping.set()
        if asyncio.current_task() is not self._task:
            await asyncio.wait({self._task})

    async def abandon(self) -> None:
        """Be gone at once: what was taken comes again when it was not acknowledged in time."""
        self._task.cancel()
        await asyncio.wait({self._task})

    async def _run(self) -> None:
        pause_seconds = RETRY_PAUSE_SECONDS
        try:
            while not self._stopping.is_set():
                try:
                    messages = await self._puller.pull(self._batch_max)
                except Exception as error:  # noqa: BLE001 - a follower never ends by itself
                    self._notices.tell("pull_failed", error)  # a consumer that is gone is made by `provision`, not here
                    await self._pause(pause_seconds * (0.5 + self._ids.jitter()))
                    pause_seconds = min(RETRY_PAUSE_SECONDS_MAX, pause_seconds * 2)
                    continue
                pause_seconds = RETRY_PAUSE_SECONDS
                if messages:
                    await self._deal(messages)
        finally:
            await self._puller.close()

    async def _deal(self, messages: Sequence[Message]) -> None:
        work = asyncio.ensure_future(self._handler([delivered(message) for message in messages]))
        try:
            await self._wait_for(work, messages)
            verdicts: Sequence[Verdict] = work.result()
            assert len(verdicts) == len(messages), f"{len(verdicts)} verdicts on {len(messages)} messages"
        except asyncio.CancelledError:
            if not work.cancelled():  # it is the follower that is abandoned
                work.cancel()
                raise
            verdicts = [Again(AGAIN_AFTER_SECONDS)] * len(messages)
        except Exception as error:  # noqa: BLE001 - whatever a handler does, the follower goes on
            self._notices.tell("handler_failed", error)
            verdicts = [Again(AGAIN_AFTER_SECONDS)] * len(messages)
        try:
            for message, verdict in zip(messages, verdicts, strict=True):
                match verdict:
                    case Acknowledge():
                        await self._puller.settle(message, ACKNOWLEDGED)
                    case Again(after_seconds):
                        await self._puller.settle(message, again(after_seconds))
        except NatsError as error:  # those not told come again
            self._notices.tell("acknowledgement_failed", error)

    async def _wait_for(self, work: asyncio.Future[Sequence[Verdict]], messages: Sequence[Message]) -> None:
        every_seconds = self._consumer.acknowledge_within_seconds / 2
        turns_max = round(WORK_SECONDS_MAX / every_seconds)
        for turn in range(turns_max + 1):
            done, _ = await asyncio.wait({work}, timeout=every_seconds)
            if done:
                return
            with suppress(NatsError):
                for message in messages if turn < turns_max else ():
                    await self._puller.settle(message, WORKING)
        self._notices.tell("handler_hangs", self._consumer.name)
        await asyncio.wait({work})

    async def _pause(self, seconds: float) -> None:
        stopping = asyncio.ensure_future(self._stopping.wait())
        pause = asyncio.ensure_future(self._clock.sleep(seconds))
        try:
            await asyncio.wait({stopping, pause}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            pause.cancel()


def delivered(message: Message) -> Delivered:
    """Return a message of a stream as the port has it."""
    at = place(message)
    return Delivered(message.subject, message.headers, message.body, at.sequence, at.deliveries, at.stored_at_ms)
