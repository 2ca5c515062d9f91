"""Asking everybody at once: an inbox for as long as it takes, and three bounds on how long that is."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from nats.errors import Error as NatsError

from actors.mesh._ports.bus import BusReply
from actors.mesh.adapters.nats.connection import Connection
from actors.mesh.adapters.nats.failures import mesh_error
from actors.mesh.adapters.nats.headers import STATUS
from actors.mesh.adapters.nats.message import Message
from actors.mesh.adapters.nats.requests import NOBODY_THERE

Bounds = tuple[float, float, int]
"""Seconds at most, seconds without a reply, replies at most."""


async def gather(
    connection: Connection, inbox: str, subject: str, body: bytes, headers: Mapping[str, str], bounds: Bounds
) -> Sequence[BusReply]:
    """Publish with an inbox of its own and return what came there."""
    timeout_seconds, stall_seconds, replies_max = bounds
    replies: list[BusReply] = []
    nobody, news = False, asyncio.Event()

    def on_reply(message: Message) -> None:
        nonlocal nobody
        if not message.body and message.headers.get(STATUS) == NOBODY_THERE:
            nobody = True
        elif len(replies) < replies_max:
            replies.append(BusReply(message.headers, message.body))
        news.set()

    subscription = await connection.subscribe(inbox, "", on_reply)
    loop = asyncio.get_running_loop()
    end = loop.time() + timeout_seconds
    try:
        await connection.publish(subject, body, headers, inbox)
        while not nobody and len(replies) < replies_max:
            left_seconds = end - loop.time()
            news.clear()
            async with asyncio.timeout(min(left_seconds, stall_seconds) if replies else left_seconds):
                await news.wait()
    except TimeoutError:
        return replies
    except NatsError as error:
        raise mesh_error(subject, error) from error
    finally:
        await subscription.stop()
    return replies
