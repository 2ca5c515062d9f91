"""How a tool joins the mesh: `async with connect(tool_settings(os.environ), "stock-import") as mesh`.

`operate` is the same for who looks after it: the pools, the broker, what passes by, and what happened to an entity.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from msgspec import Struct

from actors.mesh._client import Client
from actors.mesh._operator import Heard, Operator, Published, Tap
from actors.mesh._ports.bus import BrokerSurvey, ConsumerState, StreamSurvey
from actors.mesh._principals import Signer
from actors.mesh._service_api import READY, Declared, Info, PoolState, Stats, read_declared
from actors.mesh._settings import Key, NatsClient, Secret, SettingsError, read_settings, unknown_variables
from actors.mesh._telemetry import Telemetry
from actors.mesh.adapters.nats import open_nats
from actors.mesh.adapters.world import SystemClock, SystemIds
from schemas.principal import Principal

__all__ = [
    "READY",
    "BrokerSurvey",
    "Client",
    "ConsumerState",
    "Declared",
    "Heard",
    "Info",
    "Operator",
    "PoolState",
    "Published",
    "SettingsError",
    "Stats",
    "StreamSurvey",
    "Tap",
    "ToolSettings",
    "connect",
    "operate",
    "read_declared",
    "tool_settings",
    "unknown_variables",
]


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
    async with operate(settings, name, telemetry) as operator:
        yield operator.client


@asynccontextmanager
async def operate(settings: ToolSettings, name: str, telemetry: Telemetry | None = None) -> AsyncIterator[Operator]:
    """Open the same client with what an operator may look at; raise `Unavailable` where NATS is not reached."""
    clock, ids = SystemClock(), SystemIds()
    url, nats_client = settings.nats_url.reveal(), settings.nats_client
    async with open_nats(url, name=name, clock=clock, ids=ids, client=nats_client) as bus:
        telemetry = telemetry or Telemetry(name)
        signer = Signer(settings.signing_key.reveal(), settings.signing_issuer, clock)
        identity = Principal(subject=name, roles=("service",))
        client = Client(bus, signer, identity, clock=clock, ids=ids, telemetry=telemetry)
        try:
            yield Operator(bus, client, clock, telemetry)
        finally:
            await client.close()
