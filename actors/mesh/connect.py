"""How a tool joins the mesh: `async with connect(tool_settings(os.environ), "stock-import") as mesh`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from msgspec import Struct

from actors.mesh._client import Client
from actors.mesh._principals import Signer
from actors.mesh._settings import Key, NatsClient, Secret, read_settings
from actors.mesh._telemetry import Telemetry
from actors.mesh.adapters.nats import open_nats
from actors.mesh.adapters.world import SystemClock, SystemIds
from schemas.principal import Principal

__all__ = ["Client", "ToolSettings", "connect", "tool_settings"]


class ToolSettings(Struct, frozen=True, kw_only=True):
    """What a tool needs: where NATS is, and a signing key whose public half the pools trust."""

    nats_url: Secret[str]
    signing_key: Secret[Key]
    signing_issuer: str
    nats_client: NatsClient = "fast"


def tool_settings(environment: Mapping[str, str]) -> ToolSettings:
    """Read MESH_NATS_URL, MESH_SIGNING_KEY and MESH_SIGNING_ISSUER; raise `SettingsError` listing what is wrong."""
    return read_settings(ToolSettings, environment)


@asynccontextmanager
async def connect(settings: ToolSettings, name: str, telemetry: Telemetry | None = None) -> AsyncIterator[Client]:
    """Open a client that asks as the service `name`; raise `Unavailable` where NATS is not reached."""
    clock, ids = SystemClock(), SystemIds()
    url, nats_client = settings.nats_url.reveal(), settings.nats_client
    async with open_nats(url, name=name, clock=clock, ids=ids, client=nats_client) as bus:
        client = Client(
            bus,
            Signer(settings.signing_key.reveal(), settings.signing_issuer, clock),
            Principal(subject=name, roles=("service",)),
            clock=clock,
            ids=ids,
            telemetry=telemetry or Telemetry(name),
        )
        try:
            yield client
        finally:
            await client.close()
