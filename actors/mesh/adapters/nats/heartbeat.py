"""A message to oneself: the only proof that a connection carries, since nats-py's own word is not one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from nats.aio.client import Client
from nats.errors import Error as NatsError

from actors.mesh.adapters.nats.message import Message


class Heartbeat:
    """Numbered messages to one's own inbox.

    Not flush() nor rtt(): a PONG that comes after their time-out kills nats-py's reading.
    """

    def __init__(self, subject: str, client: Callable[[], Client]) -> None:
        self.subject = subject
        self._client = client
        self._sent = 0
        self._back = 0
        self._came = asyncio.Event()

    async def comes_back(self, within_seconds: float) -> bool:
        """Send one and tell whether it came back. What was sent before it has then reached the server, too."""
        self._sent += 1
        number = self._sent
        try:
            async with asyncio.timeout(within_seconds):
                await self._client().publish(self.subject, b"%d" % number)
                while self._back < number:
                    self._came.clear()
                    await self._came.wait()
        except (NatsError, OSError):  # the time-out among them
            return False
        return True

    def on_message(self, message: Message) -> None:
        """Take note of one that came back."""
        if message.body.isdigit():
            self._back = max(self._back, int(message.body))
            self._came.set()
