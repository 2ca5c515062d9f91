"""Making one client of nats-py and ending it, with every option that its pitfalls ask for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Literal, NamedTuple

from nats.aio.client import Client

from actors.mesh._ports.world import Clock, Ids
from actors.mesh.adapters.nats.fast_client import FastClient
from actors.mesh.adapters.nats.lenient_client import LenientClient
from actors.mesh.adapters.nats.notices import Notices

RECONNECT_PAUSE_SECONDS = 0.25
CONNECT_TRY_SECONDS = 2
PING_EVERY_SECONDS = 2
PINGS_OUT_MAX = 2
CLOSE_WITHIN_SECONDS = 1.0

ClientName = Literal["fast", "stock"]
CLIENTS: Mapping[ClientName, Callable[[], Client]] = {"fast": FastClient, "stock": LenientClient}


class Settings(NamedTuple):
    """What all connections of a process have in common."""

    url: str
    name: str
    inbox_prefix: str
    clock: Clock
    ids: Ids
    notices: Notices
    make_client: Callable[[], Client]
    on_dead: Callable[[], None] | None


class Calls(NamedTuple):
    """What nats-py tells. None of them may raise: one that does leaves the client deaf, or never to reconnect."""

    failed: Callable[[Exception], None]
    disconnected: Callable[[], None]
    reconnected: Callable[[], None]
    closed: Callable[[], None]


async def dial(client: Client, settings: Settings, role: str, calls: Calls) -> None:
    """Connect. It tries for ever: bound it from outside."""

    async def on_error(error: Exception) -> None:
        with suppress(Exception):
            calls.failed(error)

    async def on_disconnected() -> None:
        with suppress(Exception):
            calls.disconnected()

    async def on_reconnected() -> None:
        with suppress(Exception):
            calls.reconnected()

    async def on_closed() -> None:
        with suppress(Exception):
            calls.closed()

    await client.connect(
        settings.url,
        name=f"{settings.name} {role}",
        error_cb=on_error,
        disconnected_cb=on_disconnected,
        reconnected_cb=on_reconnected,
        closed_cb=on_closed,
        max_reconnect_attempts=-1,
        reconnect_time_wait=RECONNECT_PAUSE_SECONDS,  # type: ignore[arg-type]  # declared int, only slept on
        connect_timeout=CONNECT_TRY_SECONDS,
        ping_interval=PING_EVERY_SECONDS,
        max_outstanding_pings=PINGS_OUT_MAX,
        inbox_prefix=settings.inbox_prefix,
        pending_size=0,  # without a connection nothing is kept, lest it be executed when nobody waits for it
    )


async def end(client: Client) -> None:
    """Close a client in whatever state it is; it is not used again."""
    with suppress(Exception):
        async with asyncio.timeout(CLOSE_WITHIN_SECONDS):
            await client.close()
