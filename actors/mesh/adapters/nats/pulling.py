"""Pulling from a consumer: what is there at once, or the first message that comes. Nothing is on its way in between."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import msgspec

from actors.mesh._errors import Unavailable
from actors.mesh.adapters.nats.binding import Binding
from actors.mesh.adapters.nats.connection import Connection
from actors.mesh.adapters.nats.failures import as_mesh_errors
from actors.mesh.adapters.nats.headers import DESCRIPTION, STATUS
from actors.mesh.adapters.nats.message import Message
from actors.mesh.adapters.nats.settling import SETTLED_AT

LINGER_SECONDS = 2.0
"""How long a pull waits for a first message: it costs two small messages each time, and a stop waits for its end."""

GRACE_SECONDS = 1.0
"""What the server may be late with the end of a pull; past it the pull was lost."""

NOTHING_THERE = ("404", "408")


class Puller:
    """Pulls for one follower over an inbox of its own.

    nats-py's `fetch` is not used: it takes a task, a timer and a UUID a message, and learns of a reconnect only when
    its time is over. Here the loss of the connection, with which the server forgets the pull, ends it at once.
    """

    def __init__(self, connection: Connection, stream: str, consumer: str, inbox: str) -> None:
        self._connection = connection
        self._what = f"consumer {consumer} of {stream}"
        self._subject = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"
        self._inbox = inbox
        self._number = 0
        self._binding: Binding | None = None
        self._came = asyncio.Event()
        self._wake = self._came.set
        self._messages: list[Message] = []
        self._ended = ""  # why the pull of now is over
        self._busy = True  # there was something last time: look at once, before waiting for more

    async def pull(self, batch_max: int) -> list[Message]:
        """Return up to that many messages, none where none came within a while. Raises `Unavailable`."""
        if self._binding is None:
            self._binding = await self._connection.subscribe(
                f"{self._inbox}.*", "", self._on_message, pending_max=2 * batch_max + 100
            )
            self._connection.on_session.add(self._wake)
        if self._messages:  # they came when their pull had been given up
            messages, self._messages = self._messages[:batch_max], self._messages[batch_max:]
            return messages
        messages = []
        if not self._busy:
            messages = await self._ask(1, LINGER_SECONDS)
            if not messages or batch_max == 1:
                return messages
        messages += await self._ask(batch_max - len(messages), 0)
        self._busy = bool(messages)
        return messages

    async def settle(self, message: Message, how: bytes) -> None:
        """Tell the server what becomes of a message. Raises what nats-py raises."""
        await self._connection.publish(message.reply, how)

    async def close(self) -> None:
        """Take nothing more."""
        if self._binding is not None:
            self._connection.on_session.discard(self._wake)
            await self._binding.stop()

    async def _ask(self, batch: int, linger_seconds: float) -> list[Message]:
        self._number += 1
        self._ended = ""
        session = self._connection.sessions
        order: dict[str, int | bool] = {"batch": batch}
        order |= {"expires": round(linger_seconds * 1e9)} if linger_seconds else {"no_wait": True}
        with as_mesh_errors(self._what):
            await self._connection.publish(
                self._subject, msgspec.json.encode(order), reply=f"{self._inbox}.{self._number}"
            )
        with suppress(TimeoutError):
            async with asyncio.timeout(linger_seconds + GRACE_SECONDS):
                while len(self._messages) < batch and not self._ended and session == self._connection.sessions:
                    self._came.clear()
                    await self._came.wait()
        messages, self._messages = self._messages, []
        if not messages and self._ended not in ("", *NOTHING_THERE):
            raise Unavailable(f"{self._what}: {self._ended}")
        return messages

    def _on_message(self, message: Message) -> None:
        if message.reply.startswith(SETTLED_AT):
            self._messages.append(message)
        elif message.subject == f"{self._inbox}.{self._number}":
            status = message.headers.get(STATUS, "")
            self._ended = status if status in NOTHING_THERE else f"{status} {message.headers.get(DESCRIPTION, '')}"
        self._came.set()
