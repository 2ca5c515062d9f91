"""Journal -> JetStream, in order a key. Who committed publishes at once; a sweeper takes what a crash left behind."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence

import msgspec

from actors.mesh._blueprint import Blueprint
from actors.mesh._chaos import Chaos
from actors.mesh._log import get_logger
from actors.mesh._ports import BrokerMark, Bus, Clock, Commit, NewEvent, Outbox, StreamState, Unpublished
from actors.mesh._telemetry import SpanKind, Telemetry, parse_traceparent, traceparent
from schemas.envelope import KEY, PRIVATE, TRACEPARENT, VERSION
from schemas.message import shard

QUEUE_MAX = 20_000
"""Commits that may wait to be published; what comes after is left to the sweeper, it is in the outbox anyway."""
IN_FLIGHT_MAX = 64
"""Keys published at a time: measured, more does not store faster."""
CLEAR_EVERY_SECONDS = 0.05
"""One delete clears what was acknowledged meanwhile."""
SWEEP_EVERY_SECONDS = 1.0
SWEEP_OLDER_THAN_SECONDS = 5.0
SWEEP_AT_ONCE_MAX = 500
CHECK_EVERY_SWEEPS = 5
"""How often, in sweeps, the stream is asked whether it is still the one we know."""

log = get_logger()


class Relay:
    """Publishes a domain's events; one commit in flight a key, and a key that failed waits for the sweeper."""

    def __init__(self, blueprint: Blueprint, bus: Bus, clock: Clock, telemetry: Telemetry, chaos: Chaos) -> None:
        self._blueprint, self._bus = blueprint, bus
        self._outbox: Outbox  # comes with the start: the store that holds it wants `appended` first
        self._clock, self._telemetry, self._chaos = clock, telemetry, chaos
        self._queue: deque[tuple[str, int, Sequence[NewEvent]]] = deque()
        self._later: dict[str, deque[tuple[str, int, Sequence[NewEvent]]]] = {}
        self._backlog = 0
        self._held: set[str] = set()
        self._published: list[tuple[str, int]] = []
        self._last_sequence = 0
        self._born = ""
        self._room = asyncio.Semaphore(IN_FLIGHT_MAX)
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._sending: set[asyncio.Task[None]] = set()

    @property
    def backlog(self) -> int:
        """How many commits wait here; what a crash left is in the outbox besides."""
        return self._backlog

    async def start(self, outbox: Outbox) -> None:
        """Repair what the broker lost, then publish."""
        self._outbox = outbox
        await self.repair()
        self._tasks = [
            asyncio.create_task(work(), name=work.__name__) for work in (self._publish, self._clear, self._sweep)
        ]

    async def stop(self, timeout_seconds: float) -> None:
        """Publish what waits, as long as there is time; the rest is in the outbox."""
        end = asyncio.get_running_loop().time() + timeout_seconds
        # Looked at, not signalled: once, at the end of a process, while an event would cost every commit.
        while self.backlog and asyncio.get_running_loop().time() < end:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        for task in (*self._tasks, *self._sending):
            task.cancel()
        await asyncio.gather(*self._tasks, *self._sending, return_exceptions=True)
        await self._clear_now()

    def appended(self, commits: Sequence[Commit]) -> None:
        """Take what has just been committed, in commit order."""
        for commit in commits:
            for part in commit.parts:
                if not part.events or part.key in self._held:
                    continue
                if self._backlog >= QUEUE_MAX:
                    self._held.add(part.key)
                    continue
                self._backlog += 1  # counted, not summed up: this is the path of every commit
                if part.key in self._later:
                    self._later[part.key].append((part.key, part.expected + 1, part.events))
                else:
                    self._later[part.key] = deque()
                    self._queue.append((part.key, part.expected + 1, part.events))
        self._wake.set()

    async def _publish(self) -> None:
        while True:
            while not self._queue:
                self._wake.clear()
                await self._wake.wait()
            await self._room.acquire()
            key, first, events = self._queue.popleft()
            task = asyncio.create_task(self._send_key(key, first, events))
            self._sending.add(task)
            task.add_done_callback(self._sent)

    def _sent(self, task: asyncio.Task[None]) -> None:
        self._sending.discard(task)
        self._room.release()

    async def _send_key(self, key: str, first: int, events: Sequence[NewEvent]) -> None:
        """Publish one commit's events on one key, then those that came meanwhile."""
        try:
            await self._send(key, first, events)
            self._backlog -= 1
            while later := self._later.get(key):
                _, first, events = later.popleft()
                await self._send(key, first, events)
                self._backlog -= 1
            del self._later[key]
        except Exception as error:  # noqa: BLE001 - whatever it was, the key must not be stuck here
            self._held.add(key)  # the sweeper's from here: order within the key would be lost otherwise
            self._backlog -= 1 + len(self._later.pop(key, ()))
            log.warning("publishing failed", aggregate_key=key, error=repr(error))

    async def _send(self, key: str, first: int, events: Sequence[NewEvent]) -> None:
        for version, event in enumerate(events, first):
            await self._store(key, version, event)
        self._published.append((key, first))

    async def _store(self, key: str, version: int, event: NewEvent) -> None:
        headers = msgspec.json.decode(event.headers, type=dict[str, str])
        subject = f"{self._blueprint.name}.event.{event.name}.{shard(key.partition('/')[2])}"
        parent = parse_traceparent(headers.get(TRACEPARENT))
        self._chaos.point(f"publish.before.{event.name}")
        if parent is None:
            sequence = await self._stored(subject, key, version, event, headers)
        else:
            with self._telemetry.span(
                f"publish {self._blueprint.name}.event.{event.name}", SpanKind.PRODUCER, parent=parent
            ):
                sequence = await self._stored(
                    subject, key, version, event, {**headers, TRACEPARENT: traceparent() or ""}
                )
        self._chaos.point(f"publish.after.{event.name}")
        self._last_sequence = max(self._last_sequence, sequence)

    async def _stored(self, subject: str, key: str, version: int, event: NewEvent, headers: dict[str, str]) -> int:
        headers = {**headers, KEY: key, VERSION: str(version)}
        body = event.body
        if event.private:
            headers, body = {**headers, PRIVATE: "1"}, b"{}"
        return await self._bus.store(subject, body, headers, message_id=f"{key}@{version}")

    async def _clear(self) -> None:
        while True:
            await self._clock.sleep(CLEAR_EVERY_SECONDS)
            await self._clear_now()

    async def _clear_now(self) -> None:
        done, self._published = self._published, []
        if not done:
            return
        try:
            await self._outbox.clear(done, BrokerMark(self._born, self._last_sequence))
        except Exception as error:  # noqa: BLE001 - published twice at worst: the message id and the readers know
            log.warning("clearing the outbox failed", error=str(error))

    async def _sweep(self) -> None:
        rounds = 0
        while True:
            await self._clock.sleep(SWEEP_EVERY_SECONDS)
            rounds += 1
            try:
                if rounds % CHECK_EVERY_SWEEPS == 0 and (await self._state()).born != self._born:
                    await self.repair()
                await self.sweep()
            except Exception as error:  # noqa: BLE001 - nobody starts the sweeper again
                log.warning("sweeping failed", error=repr(error))

    async def sweep(self, older_than_seconds: float = SWEEP_OLDER_THAN_SECONDS) -> int:
        """Publish what the outbox still holds, oldest first; return how many commits that were."""
        swept = 0
        while rows := await self._outbox.take(older_than_seconds=older_than_seconds, limit=SWEEP_AT_ONCE_MAX):
            by_key: dict[str, list[Unpublished]] = {}
            for row in rows:
                by_key.setdefault(row.key, []).append(row)
            found = await asyncio.gather(*map(self._sweep_key, by_key.values()), return_exceptions=True)
            failed = {key: error for key, error in zip(by_key, found, strict=True) if error is not None}
            done = [(row.key, row.first_version) for row in rows if row.key not in failed]
            await self._outbox.clear(done, BrokerMark(self._born, self._last_sequence))
            swept += len(done)
            if failed:  # they stay for the next time, and keep nobody else from being published
                log.warning("sweeping failed", keys=len(failed), error=repr(next(iter(failed.values()))))
                break
        if self._held:
            self._held &= await self._outbox.waiting(sorted(self._held))
        return swept

    async def _sweep_key(self, rows: Sequence[Unpublished]) -> None:
        for row in rows:
            for event in row.events:
                await self._store(
                    row.key, event.version, NewEvent(event.name, event.body, event.headers, event.private)
                )

    async def _state(self) -> StreamState:
        return await self._bus.stream_state(self._blueprint.stream.name)

    async def repair(self) -> int:
        """Put back into the outbox what the broker no longer has; return how many commits that were."""
        state, known, lost = await self._state(), await self._outbox.mark(), 0
        if known is None or known.born != state.born or state.last_sequence < known.last_sequence:
            lost = await self._outbox.put_back(self._stored_versions(), BrokerMark(state.born, state.last_sequence))
        if self._born != state.born:  # only now: until it is mended, what is cleared must not be marked as of this one
            self._born, self._last_sequence = state.born, state.last_sequence
        if lost:
            log.warning("the broker had lost events", stream=self._blueprint.stream.name, commits=lost)
        return lost

    async def _stored_versions(self) -> AsyncIterator[tuple[str, int]]:
        async for message_id in self._bus.stored_ids(self._blueprint.stream.name):
            key, _, version = message_id.rpartition("@")
            yield key, int(version)
