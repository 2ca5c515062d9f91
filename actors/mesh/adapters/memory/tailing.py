"""Reading on from a position in a stream of this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence

from actors.mesh._errors import Unavailable
from actors.mesh._ports.bus import Delivered
from actors.mesh._ports.subjects import matcher
from actors.mesh.adapters.memory.streams import MemoryStream


async def read_on(
    where: Callable[[], MemoryStream],
    subjects: Sequence[str],
    after_sequence: int | None,
    wakers: set[Callable[[], None]],
) -> AsyncGenerator[Delivered, None]:
    """Yield what comes after that sequence; `where` finds the stream or raises, `wakers` are called at each change."""
    matchers = tuple(matcher(subject) for subject in subjects)
    woken = asyncio.Event()
    wakers.add(woken.set)
    try:
        stream = where()
        position = len(stream.messages) if after_sequence is None else after_sequence
        if position > len(stream.messages):
            raise Unavailable(f"stream {stream.spec.name} ends at {len(stream.messages)}, before {position}")
        while True:
            woken.clear()
            if where() is not stream:
                raise Unavailable(f"stream {stream.spec.name} was made anew")
            if position == len(stream.messages):
                await woken.wait()
                continue
            message = stream.messages[position]
            position += 1
            if not matchers or any(matches(message.subject) for matches in matchers):
                yield Delivered(message.subject, message.headers, message.body, message.sequence, 1, message.at_ms)
    finally:
        wakers.discard(woken.set)
