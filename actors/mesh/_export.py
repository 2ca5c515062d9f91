"""The background half of tracing: finished spans leave in batches over OTLP/HTTP, and no failure reaches the caller.

put -> queue (bounded) -> batch -> slices of 64 encoded -> gzip -> POST, repeated while the collector is busy
"""

from __future__ import annotations

import asyncio
import contextvars
import os
import struct
import zlib
from collections import deque

import httpx

from actors.mesh._log import get_logger
from actors.mesh._span_bytes import encode_request, encode_resource
from actors.mesh._spans import FinishedSpan

QUEUE_SPANS = 65_536  # about 40 MB and many seconds of full speed; beyond it spans are dropped and counted
BATCH_SPANS = 512  # one request's worth; a full batch leaves at once
BATCH_BYTES = 2_000_000  # half of what a collector takes, since one more slice may follow
SLICE_SPANS = 64  # encoded between two turns of the event loop: about 0.4 ms, so that no request feels it
EXPORT_SECONDS = 0.25  # how long a span waits for company
POST_SECONDS = 10.0  # a collector that hangs is a collector that is down
ATTEMPTS = 8  # with the pauses below about 20 s: a collector's restart is survived, its loss is not waited for
FIRST_PAUSE_SECONDS = 0.25
LAST_PAUSE_SECONDS = 5.0
RETRY_AFTER_SECONDS = 30.0  # the longest wish of a collector that is honoured
CLOSE_SECONDS = 2.0  # a draining process does not wait longer for its spans
RETRIED_STATUSES = frozenset((429, 502, 503, 504))  # OTLP's list; anything else will be refused again


class SpanExporter:
    """The sink of a real process. Its task starts with the first span, because a sink may be built before the loop."""

    def __init__(self, endpoint: str, service: str, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.dropped = 0
        self._url = httpx.URL(f"{endpoint.rstrip('/')}/v1/traces")
        if self._url.scheme not in ("http", "https") or not self._url.host:
            raise ValueError(f"{endpoint!r} is no http(s) URL of a trace collector")  # at the start, not in the task
        self._resource = encode_resource({"service.name": service, "process.pid": os.getpid()})
        self._transport = transport
        self._queue: deque[FinishedSpan] = deque()
        self._sending = 0
        self._full = asyncio.Event()
        self._empty = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closed = False
        self._failing = False

    def put(self, span: FinishedSpan) -> None:
        """Take one span; never wait, never raise."""
        queue = self._queue
        if self._closed or len(queue) >= QUEUE_SPANS:
            self.dropped += 1
            return
        queue.append(span)
        if self._task is None:
            self._start()
        elif len(queue) == BATCH_SPANS:
            self._full.set()

    async def flush(self, timeout_seconds: float) -> None:
        """Send what is held, as far as the time allows."""
        if not self._queue and not self._sending:
            return
        if self._task is None:
            self._start()
        self._empty.clear()
        self._full.set()
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._empty.wait()
        except TimeoutError:
            return

    async def close(self) -> None:
        """Flush and stop; what could not be sent in time is counted as dropped."""
        await self.flush(CLOSE_SECONDS)
        self._closed = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self.dropped += len(self._queue) + self._sending
        self._queue.clear()
        self._sending = 0

    def _start(self) -> None:
        """Run the task in a context of its own: begun inside a span, it must not stay inside it for ever."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return  # a span before the loop runs; a later one starts the task
        self._task = loop.create_task(self._run(), name="span-exporter", context=contextvars.Context())

    async def _run(self) -> None:
        async with httpx.AsyncClient(transport=self._transport, timeout=POST_SECONDS, trust_env=False) as client:
            while True:
                try:
                    async with asyncio.timeout(EXPORT_SECONDS):
                        await self._full.wait()
                except TimeoutError:
                    pass
                self._full.clear()
                while self._queue:
                    body = await self._take_batch()
                    delivered = await self._deliver(client, body)
                    self.dropped += 0 if delivered else self._sending
                    self._sending = 0
                self._empty.set()

    async def _take_batch(self) -> bytes:
        """Encode and compress slice by slice, with a turn of the event loop between two."""
        compressor = zlib.compressobj(1, zlib.DEFLATED, 31)
        parts: list[bytes] = []
        encoded_bytes = 0
        while self._queue and self._sending < BATCH_SPANS and encoded_bytes < BATCH_BYTES:
            spans = [self._queue.popleft() for _ in range(min(SLICE_SPANS, len(self._queue)))]
            encoded = self._encode(spans)
            encoded_bytes += len(encoded)
            parts.append(compressor.compress(encoded))
            await asyncio.sleep(0)
        parts.append(compressor.flush())
        return b"".join(parts)

    def _encode(self, spans: list[FinishedSpan]) -> bytes:
        self._sending += len(spans)
        try:
            return encode_request(spans, self._resource)
        except (AttributeError, TypeError, ValueError, struct.error):
            self._sending -= len(spans)  # a value that mypy would have refused costs its slice, not the exporter
            self.dropped += len(spans)
            return b""

    async def _deliver(self, client: httpx.AsyncClient, body: bytes) -> bool:
        if not self._sending:
            return True
        headers = {"content-type": "application/x-protobuf", "content-encoding": "gzip"}
        pause_seconds = FIRST_PAUSE_SECONDS
        for attempt in range(1, ATTEMPTS + 1):
            wished_seconds: float | None = None
            try:
                response = await client.post(self._url, content=body, headers=headers)
            except (httpx.HTTPError, OSError) as error:
                self._note_failure(type(error).__name__)
            else:
                if response.is_success:
                    self._note_success()
                    return True
                self._note_failure(f"status {response.status_code}")
                if response.status_code not in RETRIED_STATUSES:
                    return False
                wished_seconds = _retry_after_seconds(response.headers.get("retry-after"))
            if attempt < ATTEMPTS:
                await asyncio.sleep(_jittered(pause_seconds) if wished_seconds is None else wished_seconds)
                pause_seconds = min(pause_seconds * 2, LAST_PAUSE_SECONDS)
        return False

    def _note_failure(self, reason: str) -> None:
        """One line an outage: a collector that is away must not fill the logs that have to explain it."""
        if not self._failing:
            self._failing = True
            get_logger().warning("trace_export_failing", url=str(self._url), reason=reason, dropped=self.dropped)

    def _note_success(self) -> None:
        if self._failing:
            self._failing = False
            get_logger().info("trace_export_recovered", url=str(self._url), dropped=self.dropped)


def _retry_after_seconds(header: str | None) -> float | None:
    """Seconds only: a date would need the collector's clock to agree with ours."""
    if header is None or not header.isdecimal():
        return None
    return min(float(header), RETRY_AFTER_SECONDS)


def _jittered(seconds: float) -> float:
    """Half to all of the pause, so that the processes of one host do not come back together."""
    return seconds * (0.5 + os.urandom(1)[0] / 512)
