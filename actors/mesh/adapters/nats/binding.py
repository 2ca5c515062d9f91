"""A subscription that outlives its connection, and whose end the server has confirmed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription as NatsSubscription
from nats.errors import Error as NatsError

from actors.mesh.adapters.nats.fast_client import FastClient
from actors.mesh.adapters.nats.message import NO_HEADERS, Message

PENDING_MESSAGES_MAX = 2000
"""For stock nats-py. What it reads from the socket at a time (some 300 KB) holds several hundred messages, all of which
queue before the first is handled. Handlers only hand on, so the queue is empty again at once; past this, messages are
dropped. Ours has no queue."""

PENDING_BYTES_MAX = 32 * 1024 * 1024

Handler = Callable[[Message], None]
"""Called while the socket is read, so it only hands on."""


class Holder(Protocol):
    """What a binding needs of its connection."""

    @property
    def connected(self) -> bool: ...

    def forget(self, binding: Binding) -> None: ...

    async def comes_back(self) -> bool: ...

    async def replace(self) -> None: ...


class Binding:
    """A subscription that is made again on every new connection."""

    def __init__(self, connection: Holder, subject: str, queue: str, handler: Handler, pending_max: int) -> None:
        self._connection = connection
        self.subject = subject
        self._queue = queue
        self._handler = handler
        self._pending_max = pending_max
        self._client: Client | None = None
        self._subscription: NatsSubscription | None = None

    async def attach(self, client: Client) -> None:
        """Subscribe on that client."""
        self._client = client
        if isinstance(client, FastClient):
            self._subscription = await client.subscribe_directly(self.subject, self._queue, self._handler)
            return
        self._subscription = await client.subscribe(
            self.subject,
            queue=self._queue,
            cb=_awaitable(self._handler),
            pending_msgs_limit=self._pending_max,
            pending_bytes_limit=PENDING_BYTES_MAX,
        )

    async def stop(self) -> None:
        """Take nothing more from the server and return when what it had sent is handled. The connection goes on."""
        self._connection.forget(self)
        subscription, self._subscription = self._subscription, None
        client, self._client = self._client, None
        if subscription is None or client is None:
            return
        try:
            if self._connection.connected:
                # Not `drain` alone: its PING overtakes the UNSUB that nats-py has not yet written, so that its PONG
                # proves nothing, and what is still routed to us finds nobody. A heartbeat stands behind the UNSUB.
                await client._send_unsubscribe(subscription._id)
                await self._connection.comes_back()
                await subscription.drain()  # type: ignore[no-untyped-call]  # nats-py forgot the annotation
            else:
                await subscription.unsubscribe()
        except (NatsError, OSError, AttributeError):  # nats-py touches a transport that may be gone
            # It now holds a subscription that it would make again and that nobody can end.
            await self._connection.replace()


def _awaitable(handler: Handler) -> Callable[[Msg], Awaitable[None]]:
    async def on_message(message: Msg) -> None:
        handler(Message(message.subject, message.reply, message.data, message.headers or NO_HEADERS))

    return on_message
