"""A handler and what it listens to, within one process."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Callable

from actors.mesh._ports.bus import Received
from actors.mesh._ports.subjects import matcher

_log = logging.getLogger(__name__)


class MemorySubscription:
    """A handler and what it listens to."""

    def __init__(
        self,
        subject: str,
        queue: str,
        handler: Callable[[Received], None],
        stopped: Callable[[MemorySubscription], None],
    ) -> None:
        self.matches = matcher(subject)
        self.queue = queue
        self._handler = handler
        self._stopped = stopped
        # A handler runs in the context it was subscribed in, as over a wire: not in that of whoever asks.
        self._context = contextvars.copy_context()

    def deliver(self, received: Received) -> None:
        """Let the handler have it at the next turn of the event loop."""
        asyncio.get_running_loop().call_soon(self._handle, received, context=self._context)

    async def stop(self) -> None:
        """Take nothing more."""
        self._stopped(self)
        await asyncio.sleep(0)  # what was taken is handled within this turn

    def _handle(self, received: Received) -> None:
        try:
            self._handler(received)
        except Exception:  # noqa: BLE001 - whatever a handler does, the subscription goes on
            _log.exception("a handler of %s failed", received.subject)
