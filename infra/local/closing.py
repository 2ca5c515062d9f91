"""How a short conversation over TCP ends: with its transport closed, whatever the other side does."""

import asyncio
from contextlib import suppress

_SECONDS = 1.0


async def close(writer: asyncio.StreamWriter) -> None:
    """Close and wait until it is: an event loop that ends first would leave an open transport behind."""
    writer.close()
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(_SECONDS):
            await writer.wait_closed()
