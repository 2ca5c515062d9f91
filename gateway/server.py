"""The HTTP server: uvicorn, taught not to wait for ever for a header (docs/decisions/0001)."""

from __future__ import annotations

import asyncio
import signal
from asyncio.events import TimerHandle
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType
from typing import Any, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway.answer import ABORT

HEADER_SECONDS = 10.0
"""Time for the whole head of a request, and for the first byte on a new connection."""

HEAD_BYTES = 128 * 1024
"""What may arrive before a head is complete. The app refuses at 8 KB; this bounds what the parser has to hold for it,
and leaves room for a body that comes in the same piece."""

CONNECTIONS_MAX = 2048
"""Beyond it a request is answered 503: a connection costs 20 KB, and files are finite."""

KEEP_ALIVE_SECONDS = 30
"""Longer than the usual load balancer's probe interval, so that connections are reused."""

GRACE_SECONDS = 15
"""For what is under way when the process is told to end: longer than any request, half the usual time to the kill."""

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class PromptProtocol(HttpToolsProtocol):
    """Closes a connection whose request does not get as far as its body in time."""

    _head_timer: TimerHandle | None = None
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # uvicorn narrows it too
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_head()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._head_timer is not None:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES:
                self.transport.abort()
                return
        super().data_received(data)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        cast(dict[str, Any], self.scope)[ABORT] = self.transport.abort
        if self._head_timer is None:
            self._expect_head()

    def on_headers_complete(self) -> None:
        self._forget_head()
        super().on_headers_complete()

    def _expect_head(self) -> None:
        self._head_bytes = 0
        self._head_timer = self.loop.call_later(HEADER_SECONDS, self.transport.abort)

    def _forget_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


class Server(uvicorn.Server):
    """Ends at SIGTERM by returning: uvicorn's own raises the signal again, and what is open would never be closed."""

    def __init__(self, config: uvicorn.Config, on_exit: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_exit = on_exit

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Tell what goes on by itself to end, before the connections are waited for."""
        self._on_exit()
        super().handle_exit(sig, frame)

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Let the loop hear the signals while it serves."""
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in SIGNALS:
                loop.remove_signal_handler(number)


def server_of(app: Any, host: str, port: int, *, on_exit: Callable[[], None] = lambda: None) -> Server:
    """Return a server that serves the app until it is told to end; `on_exit` ends answers that would go on for ever."""
    return Server(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            http=PromptProtocol,
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # who asks is told by a token; an address from a header could be anybody's
            limit_concurrency=CONNECTIONS_MAX,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=GRACE_SECONDS,
        ),
        on_exit,
    )
