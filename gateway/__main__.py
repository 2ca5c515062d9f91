"""The gateway's composition root: settings read once, the mesh opened, the app served until SIGTERM."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from actors.mesh import Unavailable
from actors.mesh._client import Client
from actors.mesh._log import configure_logging, get_logger
from actors.mesh._ports.world import Clock, Ids
from actors.mesh._principals import Signer
from actors.mesh._settings import SettingsError, read_settings
from actors.mesh._telemetry import Telemetry, TelemetrySettings, open_telemetry
from actors.mesh.adapters.nats.bus import open_nats
from actors.mesh.adapters.world import SystemClock, SystemIds
from gateway.access_tokens import AccessTokens
from gateway.app import create_app
from gateway.auth import DevelopmentTokens, UserTokens
from gateway.live.broadcast import Broadcast
from gateway.live.feeds import EventStreams
from gateway.mesh import MeshClient
from gateway.server import server_of
from gateway.settings import GatewaySettings
from gateway.standings import Standings
from schemas.principal import Principal

SERVICE = "gateway"


def main() -> int:
    """Run the process; its exit status says whether it ended as it was told."""
    configure_logging(SERVICE)
    try:
        settings = read_settings(GatewaySettings, os.environ)
        with asyncio.Runner(loop_factory=fast_loop()) as runner:
            runner.run(serve(settings))
    except (SettingsError, Unavailable) as error:
        get_logger().error("gateway.start_failed", reason=str(error))
        return 1
    return 0


async def serve(settings: GatewaySettings) -> None:
    """Serve until the process is told to end; then close in reverse what was opened."""
    clock, ids = SystemClock(), SystemIds()
    signer = Signer(settings.signing_key.reveal(), settings.signing_issuer, clock)
    telemetry = open_telemetry(
        TelemetrySettings(
            service=SERVICE, endpoint=settings.otlp_endpoint, mode=settings.traces, ratio=settings.trace_ratio
        )
    )
    people = settings.development_tokens.reveal() if settings.development_tokens else {}
    access = AccessTokens(settings.access_verify_keys, clock)
    development = DevelopmentTokens({token: person.principal() for token, person in people.items()})
    try:
        async with open_mesh(settings, signer, clock, ids, telemetry) as (mesh, streams):
            live = Broadcast(streams, clock=clock, ids=ids)
            app = create_app(
                mesh,
                authenticate=UserTokens(access, Standings(mesh, clock), development),
                access_keys=settings.access_verify_keys,
                signer=signer,
                clock=clock,
                ids=ids,
                telemetry=telemetry,
                live=live,
            )
            await server_of(app, settings.gateway_host, settings.gateway_port, on_exit=live.close).serve()
    finally:
        await telemetry.close()


@asynccontextmanager
async def open_mesh(
    settings: GatewaySettings, signer: Signer, clock: Clock, ids: Ids, telemetry: Telemetry
) -> AsyncIterator[tuple[MeshClient, EventStreams]]:
    """Open the door to the actors, and to what they tell.

    The gateway asks in its clients' names; its own is for what it asks itself.
    """
    identity = Principal(subject=SERVICE, roles=("service",))
    url, nats_client = settings.nats_url.reveal(), settings.nats_client
    async with open_nats(url, name=SERVICE, clock=clock, ids=ids, client=nats_client) as bus:
        client = Client(bus, signer, identity, clock=clock, ids=ids, telemetry=telemetry)
        try:
            yield client, bus
        finally:
            await client.close()


def fast_loop() -> type[asyncio.AbstractEventLoop] | None:
    """Return uvloop's loop where there is one: Windows has none."""
    if sys.platform == "win32":
        return None
    import uvloop

    return uvloop.Loop


if __name__ == "__main__":
    sys.exit(main())
