"""The shop in memory behind the gateway's own app: HTTP at the one end, the real domains at the other."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from actors.mesh._principals import Signer
from actors.mesh._telemetry import Telemetry
from actors.mesh.adapters.world import SystemClock
from actors.mesh.testing.memory_mesh import SEED
from actors.mesh.testing.waiting import until
from gateway.access_tokens import AccessTokens
from gateway.app import create_app
from gateway.auth import DevelopmentTokens, UserTokens
from gateway.live.broadcast import Broadcast
from gateway.server import server_of
from gateway.standings import Standings
from schemas.principal import Principal, UserRole
from schemas.users import AddUser
from tests.unit.notifications.people import Notified

PASSWORD = "correct horse"
ROLES: dict[str, UserRole] = {
    "ada": "customer", "bob": "customer", "sam": "support", "wendy": "warehouse", "fiona": "finance",
    "otto": "operator", "alma": "admin",
}  # fmt: skip
"""Everybody has an account, and a development token of their own name: that one is revoked by nothing."""
START_SECONDS = 20.0
SILENT = Telemetry("test")


class HttpShop:
    """The app, and the shop that it asks. Time is the machine's."""

    def __init__(self) -> None:
        clock = SystemClock()
        self.shop = Notified(clock=clock)
        mesh = self.shop.mesh
        client = mesh.client_of(Principal(subject="gateway", roles=("service",)), SILENT)
        access = AccessTokens({"test": Signer(SEED, "test", clock).public_key}, clock)
        people = {name: Principal(subject=name, roles=(role,)) for name, role in ROLES.items()}
        self.app = create_app(
            client,
            authenticate=UserTokens(access, Standings(client, clock), DevelopmentTokens(people)),
            signer=mesh.signer,
            clock=clock,
            ids=mesh.ids,
            telemetry=SILENT,
            live=Broadcast(mesh.bus, clock=clock, ids=mesh.ids),
        )

    async def serve(self, server: uvicorn.Server) -> None:
        """Open the shop, with everybody in it, for as long as the server runs."""
        async with self.shop.mesh:
            await self.shop.open(stock=1000)
            for name, role in ROLES.items():
                if name != "ada":
                    await self._add(name, role)
            await server.serve()

    async def _add(self, name: str, role: UserRole) -> None:
        email = f"{name}@example.org"
        account = AddUser(user_id=name, name=name.title(), email=email, password=PASSWORD, roles=(role,))
        await self.shop.mesh.client.ask(account)


@contextmanager
def served() -> Iterator[str]:
    """Serve a shop over HTTP on a thread of its own, for tests that wait on theirs; give its address."""
    shop = HttpShop()
    server = uvicorn.Server(server_of(shop.app, "127.0.0.1", 0).config)  # our own listens for signals: not in a thread
    thread = threading.Thread(target=lambda: asyncio.run(shop.serve(server)), daemon=True)
    thread.start()
    try:
        asyncio.run(until(lambda: server.started or not thread.is_alive(), timeout_seconds=START_SECONDS))
        host, port = server.servers[0].sockets[0].getsockname()
        yield f"http://{host}:{port}"
    finally:
        server.should_exit = True
        thread.join(START_SECONDS)
