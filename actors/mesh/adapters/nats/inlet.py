"""Between the socket and a client: what is not ours stops the reading, in order, until the client has dealt with it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from actors.mesh.adapters.nats.fast_parser import Found


class Inlet:
    """`take` and `end` are the socket's, `found` is the client's."""

    def __init__(self, feed: Callable[[bytes], Found | None]) -> None:
        self._feed = feed
        self._found: Found | None = None
        self._told = False
        self._behind: list[bytes] = []
        self._ended = False
        self._error: Exception | None = None
        self._changed = asyncio.Event()

    def take(self, data: bytes) -> None:
        """Read on, or keep what stands behind something that is dealt with just now."""
        if self._found is not None:
            self._behind.append(data)
        elif not self._ended:
            self._read(data)

    def end(self, error: Exception | None) -> None:
        """Nothing more will come."""
        self._ended, self._error = True, self._error or error
        self._changed.set()

    async def found(self) -> Found | None:
        """Return what is to be dealt with next, None at the end; raise the error that ended the connection.

        Who comes back for more has dealt with the last one.
        """
        if self._told:
            self._found, self._told = None, False
            behind = b"".join(self._behind)
            self._behind.clear()
            self._read(behind)
        while self._found is None and not self._ended:
            self._changed.clear()
            await self._changed.wait()
        if self._found is not None:
            self._told = True
        elif self._error is not None:
            raise self._error
        return self._found

    def _read(self, data: bytes) -> None:
        try:
            self._found = self._feed(data)
        except Exception as error:  # noqa: BLE001 - for the client to see: the event loop would only log it
            self.end(error)
        if self._found is not None:
            self._changed.set()
