"""The writing half of the trace store: a queue bounded in bytes, one writer, COPY in batches.

accept (parsed, queued, answered) -> writer: rows -> operations numbered -> COPY, repeated while PostgreSQL is away
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import asyncpg
import msgspec

from actors.mesh._log import get_logger
from infra.local.trace_partitions import HOUR_NS, Connection, make_partitions, make_schema, retain
from infra.local.trace_rows import Operation, Rows, SpanRow, TraceKey, parse, rows

BATCH_SPANS = 4096  # rows in one COPY; a hundred milliseconds of one core
GATHER_SECONDS = 0.05  # requests that arrive together are written together
OPERATIONS = 5000  # beyond it a sender makes names out of ids: they become one operation, the name an attribute
KNOWN_KEYS = 65_536  # pairs of value and trace written lately; a trace names its order in each span, one row is enough
FIRST_PAUSE_SECONDS = 0.1
LAST_PAUSE_SECONDS = 2.0
CONNECT_SECONDS = 5.0
COMMAND_SECONDS = 30.0  # a COPY that hangs is a connection that is gone
ATTEMPTS = 3  # a batch that PostgreSQL refuses this often for its content would block all that follow
KEEP_SECONDS = 60.0  # between two looks at age and size
OTHER = "(other)"
SPAN_COLUMNS = tuple("operation_id" if name == "operation" else name for name in SpanRow._fields)
WORLD_ERRORS = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError)
# PostgreSQL speaks, but is starting, stopping, full, locked, or was just wiped: waiting helps.
AWAY_ERRORS = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
)


class StoreSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where spans are kept, how long, how many, and how much may wait."""

    postgres_url: str
    age_hours: float = 24.0
    size_bytes: int = 1 << 30
    queue_bytes: int = 32 << 20


class Counts(msgspec.Struct):
    """What the store did since it started."""

    accepted: int = 0
    refused: int = 0
    stored: int = 0
    rejected: int = 0


class TraceStore:
    """Opened once a process. `accept` never waits; the writer task holds its batch until PostgreSQL has it."""

    def __init__(self, settings: StoreSettings, *, now_ns: Callable[[], int] = time.time_ns) -> None:
        self.counts = Counts()
        self.ready = False
        self.queued_bytes = 0
        self._settings = settings
        self._now_ns = now_ns
        self._queue: deque[bytes] = deque()
        self._wake = asyncio.Event()
        self._written = asyncio.Event()
        self._busy = False
        self._operations: dict[Operation, int] = {}
        self._known_keys: dict[tuple[int, bytes], None] = {}
        self._connection: asyncpg.Connection[Any] | None = None
        self._keep_at = 0.0
        self._task: asyncio.Task[None] | None = None

    def accept(self, body: bytes) -> bool:
        """Queue a request; False means that there is no room, ValueError that it is none."""
        if self.queued_bytes + len(body) > self._settings.queue_bytes:
            self.counts.refused += 1
            return False
        parse(body)
        self._queue.append(body)
        self.queued_bytes += len(body)
        self.counts.accepted += 1
        self._wake.set()
        return True

    def open(self) -> None:
        """Start the writer, which also makes the schema."""
        self._task = asyncio.create_task(self._run(), name="trace-store-writer")

    async def close(self, timeout_seconds: float) -> None:
        """Write what is queued, as far as the time allows, and stop."""
        await self.settled(timeout_seconds)
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._connection is not None:
            self._connection.terminate()

    async def settled(self, timeout_seconds: float) -> bool:
        """Wait until everything accepted so far is stored."""
        try:
            async with asyncio.timeout(timeout_seconds):
                while self._queue or self._busy:
                    self._written.clear()
                    await self._written.wait()
        except TimeoutError:
            return False
        return True

    async def _run(self) -> None:
        await self._insist(self._keep, attempts=None)
        while True:
            if not self._queue:
                try:
                    async with asyncio.timeout(max(self._keep_at - time.monotonic(), 0)):
                        await self._wake.wait()
                except TimeoutError:
                    await self._insist(self._keep, attempts=None)
                    continue
                await asyncio.sleep(GATHER_SECONDS)
            self._wake.clear()
            self._busy = bool(self._queue)
            batch, taken_bytes = await self._take()
            written = await self._insist(partial(self._write, batch), attempts=ATTEMPTS)
            self.counts.stored += len(batch.spans) if written else 0
            self.counts.rejected += batch.rejected + (0 if written else len(batch.spans))
            self.queued_bytes -= taken_bytes
            self._busy = False
            self._written.set()

    async def _take(self) -> tuple[Rows, int]:
        """Turn queued requests into one batch, yielding between two, so that the door stays open."""
        batch = Rows([], [], 0)
        taken_bytes = 0
        while self._queue and len(batch.spans) < BATCH_SPANS:
            body = self._queue.popleft()
            taken_bytes += len(body)
            more = rows(parse(body))
            batch = Rows(batch.spans + more.spans, batch.keys + more.keys, batch.rejected + more.rejected)
            await asyncio.sleep(0)
        return batch, taken_bytes

    async def _insist(self, work: Callable[[Connection], Awaitable[None]], *, attempts: int | None) -> bool:
        """Do it however long the world is away; what PostgreSQL itself refuses is given up after some attempts."""
        pause_seconds = FIRST_PAUSE_SECONDS
        refusals = 0
        while True:
            try:
                await work(await self._connected())
            except WORLD_ERRORS as error:
                if self.ready:
                    get_logger().warning("trace_store_failing", reason=type(error).__name__)
                self._disconnect()
                if isinstance(error, asyncpg.PostgresError) and not isinstance(error, AWAY_ERRORS):
                    refusals += 1
                    if refusals == attempts:
                        return False
                await asyncio.sleep(pause_seconds)
                pause_seconds = min(pause_seconds * 2, LAST_PAUSE_SECONDS)
            else:
                return True

    async def _connected(self) -> Connection:
        """A connection to a store that is whole: whoever wiped it while we were away gets it made again."""
        if self._connection is None or self._connection.is_closed():
            self._connection = await asyncpg.connect(
                self._settings.postgres_url,
                timeout=CONNECT_SECONDS,
                command_timeout=COMMAND_SECONDS,
                server_settings={"application_name": "mesh-traces"},  # one fsync a batch: a killed server loses nothing
            )
            await make_schema(self._connection)
            await make_partitions(self._connection, self._now_ns())
            self._operations.clear()
            self._known_keys.clear()
            self.ready = True
        return self._connection

    def _disconnect(self) -> None:
        self.ready = False
        if self._connection is not None:
            self._connection.terminate()
        self._connection = None

    async def _keep(self, connection: Connection) -> None:
        settings = self._settings
        age_ns = round(settings.age_hours * HOUR_NS)
        dropped = await retain(connection, self._now_ns(), age_ns=age_ns, size_bytes=settings.size_bytes)
        self._keep_at = time.monotonic() + KEEP_SECONDS
        if dropped:
            get_logger().info("trace_partitions_dropped", count=dropped)

    async def _write(self, batch: Rows, connection: Connection) -> None:
        if not batch.spans:
            return
        for operation in {row.operation for row in batch.spans}.difference(self._operations):
            self._operations[operation] = await self._number(connection, operation)
        keys = {(key.key_hash, key.trace_id): key for key in batch.keys}
        new_keys = [key for pair, key in keys.items() if pair not in self._known_keys]
        async with connection.transaction():
            await connection.copy_records_to_table(
                "span",
                schema_name="otel",
                columns=SPAN_COLUMNS,
                records=[self._record(row) for row in batch.spans],
            )
            await connection.copy_records_to_table(
                "trace_key", schema_name="otel", columns=TraceKey._fields, records=new_keys
            )
        if len(self._known_keys) + len(keys) > KNOWN_KEYS:
            self._known_keys.clear()
        self._known_keys.update(dict.fromkeys(keys))

    def _record(self, row: SpanRow) -> tuple[object, ...]:
        return (self._operations[row.operation], *row[1:])

    async def _number(self, connection: Connection, operation: Operation) -> int:
        """The number of an operation; where there are too many, that of its kind's `(other)`."""
        if len(self._operations) >= OPERATIONS:
            operation = Operation(OTHER, OTHER, operation.kind, "{}")
        await connection.execute(
            "insert into otel.operation (service, name, kind, attributes) values ($1, $2, $3, $4)"
            " on conflict do nothing",
            *operation,
        )
        number = await connection.fetchval(
            "select operation_id from otel.operation where (service, name, kind, attributes) = ($1, $2, $3, $4::jsonb)",
            *operation,
        )
        assert isinstance(number, int)
        return number
