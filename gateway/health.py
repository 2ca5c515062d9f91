"""Whether the process lives, and whether it can serve: two questions with two consequences."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from litestar import Response
from litestar.handlers import HTTPRouteHandler

from actors.mesh._ports.world import Clock
from gateway.answer import JSON_TYPE
from gateway.mesh import MeshClient

PROBE_SECONDS = 2.0
"""Less than any orchestrator waits for its own probe."""

FRESH_MS = 1000
"""So long an answer is given again: however often it is asked, the pools are asked once a second."""


class Readiness:
    """Asks the mesh how its parts are, one question at a time."""

    def __init__(self, mesh: MeshClient, domains: Sequence[str], clock: Clock) -> None:
        self._mesh = mesh
        self._domains = domains
        self._clock = clock
        self._parts: Mapping[str, str] = {}
        self._looked_at_ms = -FRESH_MS
        self._looking = asyncio.Lock()

    async def parts(self) -> Mapping[str, str]:
        """Return each part with `ok` or the reason why it is not."""
        if not self._mesh.connected:
            return {"nats": "not connected"}
        async with self._looking:
            if self._clock.now_ms() - self._looked_at_ms >= FRESH_MS:
                self._parts = await self._probed()
                self._looked_at_ms = self._clock.now_ms()
        return self._parts

    async def _probed(self) -> Mapping[str, str]:
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                return await self._mesh.probe(self._domains)
        except TimeoutError:
            return {"nats": "the probe was not answered in time"}


def health_handlers(readiness: Readiness) -> list[HTTPRouteHandler]:
    """Return the two paths an orchestrator asks."""

    async def alive() -> Response[bytes]:
        return answered(200, {"status": "ok"})

    async def ready() -> Response[bytes]:
        parts = await readiness.parts()
        is_ready = bool(parts) and all(state == "ok" for state in parts.values())
        return answered(200 if is_ready else 503, {"ready": is_ready, "parts": dict(parts)})

    return [
        HTTPRouteHandler("/healthz", http_method="GET")(alive),
        HTTPRouteHandler("/readyz", http_method="GET")(ready),
    ]


def answered(status: int, content: dict[str, Any]) -> Response[bytes]:
    """Return a small JSON answer."""
    return Response(msgspec.json.encode(content), status_code=status, media_type=JSON_TYPE)
