"""Group commit: what arrives while a statement is under way forms the next one.

The happy path is one statement that inserts all or nothing; only when a unique key says that somebody was first do we
look (one more round trip), answer the losers, and write the rest again. A statement is a whole transaction, so no lock
ever waits for a client.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

import asyncpg

from actors.mesh._errors import Broken
from actors.mesh._ports import Answer, Appended, Commit, Contended, Rejected
from actors.mesh.adapters.postgres.columns import APPEND, columns
from actors.mesh.adapters.postgres.connect import (
    AGAIN,
    AWAY_SECONDS,
    LOST,
    PAUSE_SECONDS,
    SHUT,
    Connection,
    connect,
    is_away,
)
from actors.mesh.adapters.postgres.judge import INSPECT, Waiting, judge, look_of, questions
from actors.mesh.adapters.postgres.queue import Queue

LOG = logging.getLogger(__name__)

AGAIN_SECONDS = 0.005  # after a rollback for no fault of ours: others must get a chance to finish
STRIKES_MAX = 3  # looks that found nobody guilty: then it is an inline table's own constraint
WATCH_SECONDS = 0.5  # how exactly the time of those who wait is kept


class Flusher:
    """One connection and one task that writes all of a journal's commits, one batch after another."""

    def __init__(self, dsn: str, domain: str, appended: Callable[[Sequence[Commit]], None]) -> None:
        self._dsn = dsn
        self._domain = domain
        self._appended = appended
        self._queue = Queue()
        self._wake = asyncio.Event()
        self._connection: Connection | None = None
        self._in_flight: list[Waiting] = []
        self._wary = False  # the last append failed: look before the next leap
        self._closing = False
        self._writer = self._start_writer()
        self._watcher = asyncio.create_task(self._watch())

    async def append(self, commit: Commit, in_turn: bool) -> Answer:
        """Wait for a commit's answer. A caller that is cancelled does not change what happens to its commit."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer] = loop.create_future()
        self._queue.put(Waiting(commit, in_turn, future, loop.time()))
        self._wake.set()
        return await future

    async def close(self) -> None:
        """Stop writing; whoever still waits is told."""
        self._closing = True
        tasks = (self._writer, self._watcher)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._forget_connection()
        self._queue.put_back(self._in_flight, unknown=True)
        self._queue.fail_all()

    def _start_writer(self) -> asyncio.Task[None]:
        writer = asyncio.create_task(self._write_all())
        writer.add_done_callback(self._writer_ended)
        return writer

    def _writer_ended(self, writer: asyncio.Task[None]) -> None:
        """Start again after a bug: the callers of this batch hear of it, the next batch goes on."""
        if self._closing or writer.cancelled():
            return
        error = writer.exception()
        LOG.error("the journal's writer failed and starts again", exc_info=error)
        for waiting in self._in_flight:
            if not waiting.future.done():
                fault = Broken(f"the journal's writer failed: {type(error).__name__}")
                fault.__cause__ = error
                waiting.future.set_exception(fault)
        self._in_flight = []
        self._forget_connection()
        self._writer = self._start_writer()

    def _forget_connection(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
        self._connection = None

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            self._queue.expire(asyncio.get_running_loop().time())

    async def _write_all(self) -> None:
        while True:
            while not self._queue:
                self._wake.clear()
                await self._wake.wait()
            await asyncio.sleep(0)  # whoever is ready in this tick comes along
            try:
                if self._connection is None or self._connection.is_closed():
                    self._connection = await connect(self._dsn, self._domain)
            except (*LOST, *SHUT):
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            self._in_flight = self._queue.take()
            try:
                doomed: set[str] = set()
                batch = _without(self._in_flight, _held(self._in_flight), doomed)
                await self._write(self._connection, batch, doomed)
            except AGAIN:
                self._queue.put_back(self._in_flight, unknown=False)
            except LOST:  # ask again; what was committed answers "already done"
                self._queue.put_back(self._in_flight, unknown=True)
                self._forget_connection()
                self._wary = True
                await asyncio.sleep(PAUSE_SECONDS)
            self._in_flight = []

    async def _write(self, connection: Connection, batch: list[Waiting], doomed: set[str]) -> None:
        look, self._wary = self._wary or bool(doomed), False
        strikes = 0
        while batch:
            try:
                if look:
                    rest = judge(look_of(await connection.fetch(INSPECT, *questions(batch))), batch, doomed)
                    strikes = strikes + 1 if len(rest) == len(batch) else 0
                    batch, look = rest, False
                    continue
                contended = await self._append(connection, batch)
            except AGAIN:
                if asyncio.get_running_loop().time() - batch[0].since > AWAY_SECONDS:
                    raise  # back to the queue, where the time of those who wait is kept
                await asyncio.sleep(AGAIN_SECONDS)
            except asyncpg.UniqueViolationError as error:
                look = self._wary = True
                if strikes == STRIKES_MAX:
                    await self._isolate(connection, batch, doomed, error)
                    return
            except (asyncpg.PostgresError, ValueError) as error:
                if isinstance(error, LOST) and is_away(error):
                    raise
                await self._isolate(connection, batch, doomed, error)
                return
            else:
                if not contended:
                    self._written(batch)
                    return
                batch = _without(batch, contended, doomed)
                look = True

    async def _append(self, connection: Connection, batch: Sequence[Waiting]) -> frozenset[str]:
        commits = [waiting.commit for waiting in batch]
        polite = [waiting.commit for waiting in batch if not waiting.in_turn]
        return frozenset(await connection.fetchval(APPEND, *columns(commits, polite)) or ())

    def _written(self, batch: Sequence[Waiting]) -> None:
        for waiting in batch:
            parts = waiting.commit.parts
            waiting.answer(Appended({part.key: part.expected + len(part.events) for part in parts}))
        self._appended([waiting.commit for waiting in batch])

    async def _isolate(self, connection: Connection, batch: list[Waiting], doomed: set[str], error: Exception) -> None:
        """Halve until the commit that the database refuses stands alone; the others are none the worse."""
        if len(batch) == 1:
            doomed.update(part.key for part in batch[0].commit.parts)
            batch[0].answer(Rejected(reason_of(error)))
            return
        middle = len(batch) // 2
        await self._write(connection, batch[:middle], doomed)
        await self._write(connection, batch[middle:], doomed)


def _held(batch: Sequence[Waiting]) -> frozenset[str]:
    """Return the keys of those who hold the turn: a look must not count who waits for it as written before them."""
    if any(waiting.unknown for waiting in batch):
        return frozenset()  # who may have been written must be looked for before anything is said
    return frozenset(part.key for waiting in batch if waiting.in_turn for part in waiting.commit.parts)


def _without(batch: Sequence[Waiting], contended: frozenset[str], doomed: set[str]) -> list[Waiting]:
    """Answer the commits whose turn it is not and return the others, in order."""
    rest: list[Waiting] = []
    for waiting in batch:
        keys = [part.key for part in waiting.commit.parts if part.key in contended]
        if waiting.in_turn or not keys:
            rest.append(waiting)
        else:
            waiting.answer(Contended(sorted(keys)))
            doomed.update(part.key for part in waiting.commit.parts)
    return rest


def reason_of(error: Exception) -> str:
    """Return what the database said, without the detail: that quotes values, which may be a person's."""
    if isinstance(error, asyncpg.PostgresError):
        return f"{error.sqlstate} {error.as_dict().get('message') or type(error).__name__}"
    return type(error).__name__
