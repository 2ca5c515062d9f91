"""A connection whose bytes are handed on in the turn of the event loop in which they come: no reader, no task."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from urllib.parse import ParseResult

from nats.aio.transport import Transport

CLOSED_WITHIN_SECONDS = 1.0
"""What is left to be sent to a broker that takes nothing is not waited for any longer."""


class Wire(asyncio.Protocol):
    """One connection. What comes is kept until somebody takes it; nats-py reads the first lines itself."""

    def __init__(self, on_writable: Callable[[], None]) -> None:
        self._on_writable = on_writable
        self._kept = bytearray()
        self._take: Callable[[bytes], None] | None = None
        self._on_end: Callable[[Exception | None], None] | None = None
        self._changed = asyncio.Event()
        self.transport: asyncio.Transport | None = None
        self.congested = False
        """More waits to be sent than the socket takes: keep what else there is."""
        self.ended = False
        self.error: Exception | None = None
        self.lost = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take note."""
        self.transport = transport  # type: ignore[assignment]  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        """Hand on what came."""
        if self._take is not None:
            self._take(data)
        else:
            self._kept += data
            self._changed.set()

    def eof_received(self) -> bool:
        """Be closed."""
        self._end(None)
        return False

    def connection_lost(self, error: Exception | None) -> None:
        """Tell who reads and who writes."""
        self.congested = False
        self._end(error)
        self.lost.set()

    def pause_writing(self) -> None:
        """Take note."""
        self.congested = True

    def resume_writing(self) -> None:
        """Let what was kept be sent."""
        self.congested = False
        self._changed.set()
        self._on_writable()

    def hand_to(self, take: Callable[[bytes], None], on_end: Callable[[Exception | None], None]) -> None:
        """Hand on what was kept, and from now on whatever comes, and the end, which may have an error."""
        self._take, self._on_end = take, on_end
        if self._kept:
            take(bytes(self._kept))
            self._kept.clear()
        if self.ended:
            on_end(self.error)

    async def until(self, ready: Callable[[], bool]) -> None:
        """Wait until something holds, or until the end: then raise its error, if it had one."""
        while not ready() and not self.ended:
            self._changed.clear()
            await self._changed.wait()
        if self.error is not None:
            raise self.error

    async def line(self) -> bytes:
        """Return the next line with its end, or what there is when the connection ends."""
        await self.until(lambda: b"\n" in self._kept)
        return self._taken(self._kept.find(b"\n") + 1 or len(self._kept))

    async def anything(self) -> bytes:
        """Return what came, nothing at the end."""
        await self.until(lambda: bool(self._kept))
        return self._taken(len(self._kept))

    def at_end(self) -> bool:
        """Tell whether nothing can be read any more."""
        return self.ended and not self._kept

    def _taken(self, size: int) -> bytes:
        taken = bytes(self._kept[:size])
        del self._kept[:size]
        return taken

    def _end(self, error: Exception | None) -> None:
        self.error = self.error or error
        self._changed.set()
        if not self.ended:
            self.ended = True
            if self._on_end is not None:
                self._on_end(error)


class FastTransport(Transport):
    """What nats-py connects, writes to and closes; connects again and again."""

    def __init__(self, on_writable: Callable[[], None]) -> None:
        self._on_writable = on_writable
        self.wire = Wire(on_writable)

    @property
    def congested(self) -> bool:
        """Tell whether more waits to be sent than the socket takes."""
        return self.wire.congested

    async def connect(self, uri: ParseResult, buffer_size: int, connect_timeout: int) -> None:
        """Connect; `buffer_size` is the event loop's own affair."""
        assert uri.hostname is not None
        assert uri.port is not None
        wire = Wire(self._on_writable)
        async with asyncio.timeout(connect_timeout):
            await asyncio.get_running_loop().create_connection(lambda: wire, uri.hostname, uri.port)
        self.wire = wire

    async def connect_tls(
        self, uri: ParseResult | str, ssl_context: ssl.SSLContext, buffer_size: int, connect_timeout: int
    ) -> None:
        """Go on encrypted; `uri` may be the name that the server's certificate is for."""
        wire, name = self.wire, uri if isinstance(uri, str) else uri.hostname
        assert wire.transport is not None
        async with asyncio.timeout(connect_timeout):
            encrypted = await asyncio.get_running_loop().start_tls(
                wire.transport, wire, ssl_context, server_hostname=name
            )
        assert encrypted is not None
        wire.transport = encrypted

    def write(self, payload: bytes) -> None:
        """Send."""
        assert self.wire.transport is not None
        self.wire.transport.write(payload)

    def writelines(self, payload: list[bytes]) -> None:
        """Send in one piece."""
        self.write(b"".join(payload))

    async def read(self, buffer_size: int) -> bytes:
        """Return what there is."""
        return await self.wire.anything()

    async def readline(self) -> bytes:
        """Return a line with its end."""
        return await self.wire.line()

    async def drain(self) -> None:
        """Return when the socket takes more."""
        await self.wire.until(lambda: not self.wire.congested)

    async def wait_closed(self) -> None:
        """Return when it is closed, by force if need be."""
        try:
            async with asyncio.timeout(CLOSED_WITHIN_SECONDS):
                await self.wire.lost.wait()
        except TimeoutError:
            if self.wire.transport is not None:
                self.wire.transport.abort()

    def close(self) -> None:
        """Close when what was written is sent."""
        if self.wire.transport is not None:
            self.wire.transport.close()
        else:
            self.wire.lost.set()

    def at_eof(self) -> bool:
        """Tell whether nothing can be read any more."""
        return self.wire.at_end()

    def __bool__(self) -> bool:
        """Be there before it is connected: nats-py makes one of its own otherwise."""
        return True
