"""nats-py with its hot path replaced: how bytes are read, handed on and written. All else is nats-py's, and so are the
subscriptions that are not ours. It leans on private attributes: nats-py is pinned, and `stock` is one setting away.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import msgspec
from nats.aio.client import Client
from nats.aio.subscription import Subscription
from nats.errors import (
    BadSubjectError,
    ConnectionClosedError,
    ConnectionDrainingError,
    FlushTimeoutError,
    MaxPayloadError,
    OutboundBufferLimitError,
    ProtocolError,
    UnexpectedEOF,
)

from actors.mesh.adapters.nats.fast_parser import Failed, FastParser, Foreign, Found, Line
from actors.mesh.adapters.nats.fast_transport import FastTransport
from actors.mesh.adapters.nats.headers import header_text
from actors.mesh.adapters.nats.inlet import Inlet
from actors.mesh.adapters.nats.lenient_client import LenientClient
from actors.mesh.adapters.nats.message import Message

PING, LINE_END = b"PING\r\n", b"\r\n"


async def _never(_: object) -> None:
    """Stand in for the callback that nats-py asks for: what is handed on directly does not come here."""


class FastClient(LenientClient):
    """A client of nats-py in all but speed. `subscribe_directly` is the one addition."""

    def __init__(self) -> None:
        super().__init__()
        self._handlers: dict[int, Callable[[Message], None]] = {}
        self._writing = False

    # Out: all that is sent within one turn of the event loop is one write.

    async def publish(
        self, subject: str, payload: bytes = b"", reply: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        """Publish, as `Client.publish` does; `MaxPayloadError` counts the headers as the server does."""
        self.send(subject, payload, reply, headers)

    def send(self, subject: str, payload: bytes, reply: str, headers: Mapping[str, str] | None) -> None:
        """Publish, as `publish` does: there is nothing to wait for."""
        where = f"{subject} {reply}"
        if not subject or where.count(" ") != 1 or "\n" in where or "\r" in where or "\t" in where:
            raise BadSubjectError  # white space in a subject would smuggle commands in
        if self._status != Client.CONNECTED:
            self._check_sendable(len(payload))
        if not headers:
            size = len(payload)
            head = f"PUB {where} {size}\r\n".encode()
        else:
            block = f"NATS/1.0\r\n{header_text(headers)}\r\n"
            length = len(block) if block.isascii() else len(block.encode())
            size = length + len(payload)
            head = f"HPUB {where} {length} {size}\r\n{block}".encode()
        if size > self._max_payload:
            raise MaxPayloadError
        stats = self.stats
        stats["out_msgs"] += 1
        stats["out_bytes"] += len(payload)
        self._pending += (head, payload, LINE_END)
        self._pending_data_size += len(head) + len(payload) + 2
        if not self._writing:
            self._write_soon()

    def _check_sendable(self, size: int) -> None:
        if self.is_closed:
            raise ConnectionClosedError
        if self.is_draining_pubs:
            raise ConnectionDrainingError
        room = self._max_pending_size - self._pending_data_size
        if not self.is_connected and (self._max_pending_size <= 0 or size > room):
            raise OutboundBufferLimitError

    def _write_soon(self) -> None:
        self._writing = True
        asyncio.get_running_loop().call_soon(self._write_out)

    def _write_out(self) -> None:
        """Write what is pending, but for what a connection that is not there or takes nothing has to wait for."""
        self._writing = False
        transport = self._transport
        if not self._pending or not self.is_connected or transport is None:
            return  # nats-py calls `_flush_pending` when it is connected again
        if isinstance(transport, FastTransport) and transport.congested:
            return  # it calls back
        data = b"".join(self._pending)
        self._pending.clear()
        self._pending_data_size = 0
        with suppress(OSError, RuntimeError):  # closed just now: lost with what was under way; who reads finds out
            transport.write(data)

    async def _flush_pending(self, force_flush: bool = False) -> None:
        if not self._writing:
            self._write_soon()
        if force_flush and isinstance(self._transport, FastTransport):
            try:
                async with asyncio.timeout(self._flush_timeout):
                    await self._transport.drain()
            except TimeoutError:
                await self._error_cb(FlushTimeoutError())

    async def _send_ping(self, future: asyncio.Future[Any] | None = None) -> None:
        """Send a PING in its turn: nats-py's overtakes what is pending, so that its PONG proves nothing about it."""
        self._pongs.append(future or asyncio.get_running_loop().create_future())
        await self._send_command(PING)
        await self._flush_pending()

    async def _process_pong(self) -> None:
        """Take a PONG that comes after its time-out: nats-py's reading ends with it."""
        if self._pongs and self._pongs[0].done():
            self._pongs.pop(0)
            self._pings_outstanding = 0
        else:
            await super()._process_pong()

    # In: what is ours is handed on in the turn in which it comes, all else goes nats-py's way in the order it came.

    async def subscribe_directly(self, subject: str, queue: str, handler: Callable[[Message], None]) -> Subscription:
        """Subscribe; `handler` is called while the bytes are read, so it only hands on."""
        subscription = await self.subscribe(subject, queue, cb=_never)
        self._handlers[subscription._id] = handler
        return subscription

    def _remove_sub(self, sid: int, max_msgs: int = 0) -> None:
        self._handlers.pop(sid, None)
        super()._remove_sub(sid, max_msgs)

    async def _connect_to_server(self, s: Any) -> None:
        if self._transport is None and s.uri.scheme in ("nats", "tls"):
            self._transport = FastTransport(self._write_out)
        await super()._connect_to_server(s)

    async def _read_loop(self) -> None:
        transport = self._transport
        if not isinstance(transport, FastTransport):
            await super()._read_loop()
            return
        parser = FastParser(self._handlers, self.stats)
        inlet = Inlet(parser.feed)
        wire = transport.wire
        wire.hand_to(inlet.take, inlet.end)
        try:
            while not (self.is_closed or self.is_reconnecting):
                found = await inlet.found()
                if found is not None:
                    await self._deal_with(found)
                elif not (self.is_closed or self.is_reconnecting):
                    await self._lost(UnexpectedEOF())
        except (ProtocolError, OSError) as error:
            await self._process_op_err(error)
        finally:
            wire.hand_to(_ignore, _ignore)

    async def _lost(self, error: Exception) -> None:
        await self._error_cb(error)
        await self._process_op_err(error)

    async def _deal_with(self, found: Found) -> None:
        match found:
            case Foreign(sid, subject, reply, body, headers):
                await self._process_msg(sid, subject, reply, body, headers)
            case Failed(error):
                await self._error_cb(error)
            case Line(text):
                await self._obey(text)

    async def _obey(self, text: bytes) -> None:
        verb, _, rest = text.partition(b" ")
        match verb.strip():
            case b"PING":
                await self._process_ping()
            case b"PONG":
                await self._process_pong()
            case b"INFO":
                await self._process_info(msgspec.json.decode(rest))
            case b"-ERR":
                await self._process_err(rest.strip().decode(errors="replace").lower())
            case b"+OK":
                pass
            case _:
                raise ProtocolError


def _ignore(_: object) -> None:
    pass
