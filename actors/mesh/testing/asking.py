"""Asking one pool among several, past the bus that would choose one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from actors.mesh._client import reply_error
from actors.mesh._pool import Pool
from actors.mesh._ports import BusReply, Received
from actors.mesh._serve import Served, life
from actors.mesh.testing.memory_mesh import MemoryMesh
from schemas.envelope import Envelope
from schemas.message import Message, key_of, reply_type, subject_of


async def ask_pool(mesh: MemoryMesh, pool: Pool, message: Message, envelope: Envelope | None = None) -> Any:
    """Ask this pool; return the decoded reply or raise what the reply stands for."""
    kind = type(message)
    subject = f"{subject_of(kind)}.{key_of(message)}"
    served = await answer_of(pool, subject, msgspec.json.encode(message), mesh.client.envelope(envelope).headers())
    if (error := reply_error(BusReply(served.headers, served.body))) is not None:
        raise error
    return msgspec.json.decode(served.body, type=reply_type(kind))


async def answer_of(pool: Pool, subject: str, body: bytes, headers: Mapping[str, str]) -> Served:
    """Return what the pool answers to these bytes."""
    return await life(pool._serving, Received(subject, headers, body, unheard))


async def unheard(_body: bytes, _headers: Mapping[str, str]) -> None:
    """Nobody hears it: the answer is returned."""
