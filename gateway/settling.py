"""A command that is answered by what became of it: 201 with the entity, the refusal, or 202 when it takes too long."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from actors.mesh import Fault, Refused
from actors.mesh._ports.world import Clock
from gateway.answer import Answer
from gateway.mesh import MeshClient, RawReply, Settled
from gateway.routes import Settles
from schemas.message import Accepted, Message, key_of, reply_type

SETTLE_SECONDS = 5.0
"""How long a person watches a spinner; after that they are told where to look."""

LOOK_SECONDS = 1.0
"""A view is a moment behind its events; one that is not there by then leaves the client with 202."""

Ask = Callable[[Message, float], Awaitable[RawReply]]
"""Puts a question within so many seconds."""


async def settle(
    settles: Settles,
    command: Message,
    *,
    mesh: MeshClient,
    clock: Clock,
    send: Callable[[], Awaitable[RawReply]],
    ask: Ask,
    location: tuple[tuple[str, str], ...],
    waits: bool,
) -> Answer:
    """Send the command and answer with its outcome; the listening begins before, so that no outcome is missed."""
    until_ms = clock.now_ms() + round(SETTLE_SECONDS * 1000)
    with mesh.awaiting((*settles.success, *settles.failure), key_of(command)) as awaiting:
        reply = await send()
        accepted = Answer(202, reply.body, location)
        if not waits:
            return accepted
        version = msgspec.json.decode(reply.body, type=Accepted).version
        if reply.repeated:  # its events may have passed long ago
            shown = await look(settles, command, version, ask=ask)
            if shown is not None:
                return Answer(201, shown, location)
        settled = await awaiting.result(max(0.0, (until_ms - clock.now_ms()) / 1000))
    if settled is not None:
        shown = await outcome(settles, command, settled, ask=ask)
    else:  # what is published is heard at most once: the view knows, should it have been missed
        shown = await look(settles, command, version, ask=ask)
    return accepted if shown is None else Answer(201, shown, location)


async def outcome(settles: Settles, command: Message, settled: Settled, *, ask: Ask) -> bytes | None:
    """Return what is shown of an entity that settled, None where its view cannot be had; raise what refused it."""
    refusal = settles.failure.get(type(settled.event))
    if refusal is not None:
        raise refusal(settled.event)
    try:
        return (await ask(settles.show(command, settled.version), LOOK_SECONDS)).body
    except (Fault, Refused):
        return None


async def look(settles: Settles, command: Message, version: int, *, ask: Ask) -> bytes | None:
    """Return what is shown of the entity if it has settled; raise what refused it."""
    question = settles.show(command, version)
    try:
        body = (await ask(question, LOOK_SECONDS)).body
        view: Any = msgspec.json.decode(body, type=reply_type(type(question)))
    except (Fault, Refused, msgspec.DecodeError):
        return None
    standing = settles.standing(view)
    if isinstance(standing, Refused):
        raise standing
    return body if standing else None
