"""The platform that end-to-end tests share, and what they do with it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import httpx

from cli.check import Verdict, at_rest, check
from cli.shop import Shop
from infra.local.platform import LocalPlatform

REST_SECONDS = 90.0


class Running(NamedTuple):
    """The platform, the folder it runs on, and the connections of the people who use it."""

    platform: LocalPlatform
    folder: Path
    http: httpx.AsyncClient

    def shop(self, name: str) -> Shop:
        return Shop(self.http, self.platform.endpoints.tokens[name])

    async def rest(self, timeout_seconds: float = REST_SECONDS) -> None:
        """Wait until nothing is under way."""
        still = await at_rest(self.folder, timeout_seconds)
        assert not still, f"not at rest within {timeout_seconds} s: {still[:10]}"

    async def checked(self, *, acknowledged: Sequence[str] = ()) -> Verdict:
        """Decide every invariant, at rest."""
        await self.rest()
        return await check(self.folder, acknowledged=acknowledged)

    async def read(self) -> Verdict:
        """Decide every invariant as things are now."""
        return await check(self.folder)

    @asynccontextmanager
    async def administrator(self) -> AsyncIterator[Any]:
        """A session that may do everything in PostgreSQL."""
        connection = await asyncpg.connect(self.platform.endpoints.postgres)
        try:
            yield connection
        finally:
            await connection.close()
