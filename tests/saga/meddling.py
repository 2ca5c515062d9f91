"""Requests on their way through a mesh in memory: noted, and some of them interfered with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from actors.mesh._errors import TimedOut
from actors.mesh._ports import BusReply
from actors.mesh.testing.memory_mesh import MemoryMesh
from schemas.envelope import ERROR
from schemas.message import Refusal

Pass = Callable[[], Awaitable[BusReply]]
Meddling = Callable[[Pass], Awaitable[BusReply]]

LOST_SECONDS = 5.0


class Wire:
    """Stands in the way of `request`; `meddle[subject]` lists what happens to the next ones."""

    def __init__(self, mesh: MemoryMesh) -> None:
        self.sent: list[tuple[str, str]] = []
        self.meddle: dict[str, list[Meddling]] = {}
        self.always: dict[str, Meddling] = {}
        self._mesh, self._request = mesh, mesh.bus.request
        mesh.bus.request = self.request  # type: ignore[method-assign]

    async def request(
        self, subject: str, body: bytes, headers: Mapping[str, str], *, timeout_seconds: float
    ) -> BusReply:
        kind = subject.rpartition(".")[0]
        self.sent.append((kind, headers.get("Mesh-Command-Id", "")))

        async def go_on() -> BusReply:
            return await self._request(subject, body, headers, timeout_seconds=timeout_seconds)

        if planned := self.meddle.get(kind):
            return await planned.pop(0)(go_on)
        if (always := self.always.get(kind)) is not None:
            return await always(go_on)
        return await go_on()

    def count(self, subject: str) -> int:
        return sum(kind == subject for kind, _ in self.sent)

    async def refused(self, _go_on: Pass) -> BusReply:
        return refusal("test_refused")

    async def lost(self, _go_on: Pass) -> BusReply:
        """Never arrives."""
        await self._mesh.clock.sleep(LOST_SECONDS)
        raise TimedOut("lost on the way there")

    async def reply_lost(self, go_on: Pass) -> BusReply:
        """Is executed, and nobody hears of it."""
        await go_on()
        await self._mesh.clock.sleep(LOST_SECONDS)
        raise TimedOut("lost on the way back")

    def first(self, work: Callable[[], Awaitable[Any]]) -> Meddling:
        """Do something before it goes on."""

        async def meddling(go_on: Pass) -> BusReply:
            await work()
            return await go_on()

        return meddling

    def then(self, work: Callable[[], Awaitable[Any]]) -> Meddling:
        """Do something after it was executed, before it is answered."""

        async def meddling(go_on: Pass) -> BusReply:
            reply = await go_on()
            await work()
            return reply

        return meddling


def refusal(code: str) -> BusReply:
    return BusReply({ERROR: "refused"}, msgspec.json.encode(Refusal(code=code)))
