"""How a tool joins the mesh: `async with connect(tool_settings(os.environ), "stock-import") as mesh`.

`operate` is the same for who looks after it: the pools, the broker, what passes by, and what happened to an entity.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from msgspec import Struct

from actors.mesh._client import Client
from actors.mesh._followed import Followed
from actors.mesh._operator import Heard, Operator, Published, Tap
from actors.mesh._ports.bus import BrokerSurvey, ConsumerState, StreamSurvey
from actors.mesh._principals import Signer
from actors.mesh._service_api import READY, Declared, Info, PoolState, Stats, read_declared
from actors.mesh._settings import Key, NatsClient, Secret, SettingsError, read_settings, unknown_variables
from actors.mesh._telemetry import Telemetry
from actors.mesh._telling import Telling
from actors.mesh.adapters.nats import open_nats
from actors.mesh.adapters.world import SystemClock, SystemIds
from schemas.envelope import Envelope
from schemas.principal import Principal, Role

__all__ = [
    "READY",
    "BrokerSurvey",
    "Client",
    "ConsumerState",
    "Declared",
    "Followed",
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
    "request_token",
    "tell_headers",
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


def request_token(settings: ToolSettings, principal: Principal) -> str:
    """Return what lets anybody who has it ask as this principal, for about a minute: the header `Mesh-Principal`."""
    return signer_of(settings).sign(principal)


def tell_headers(
    settings: ToolSettings, principal: Principal, subject: str, body: bytes, command_id: str = ""
) -> dict[str, str]:
    """Return the headers to publish one told message with, within a minute; they fit no other subject or body."""
    telling = Telling(signer_of(settings), principal, SystemClock(), SystemIds())
    sealed = telling.sealed(subject, body, Envelope(command_id=command_id))
    return sealed.request_headers(is_command=True)


def signer_of(settings: ToolSettings) -> Signer:
    return Signer(settings.signing_key.reveal(), settings.signing_issuer, SystemClock())


@asynccontextmanager
async def connect(
    settings: ToolSettings, name: str, telemetry: Telemetry | None = None, *, roles: tuple[Role, ...] = ("service",)
) -> AsyncIterator[Client]:
    """Open a client that asks and tells as `name`; raise `Unavailable` where NATS is not reached.

    A service may do everything; a tool that needs less names the roles it needs.
    """
    async with operate(settings, name, telemetry, roles=roles) as operator:
        yield operator.client


@asynccontextmanager
async def operate(
    settings: ToolSettings, name: str, telemetry: Telemetry | None = None, *, roles: tuple[Role, ...] = ("service",)
) -> AsyncIterator[Operator]:
    """Open the same client with what an operator may look at; raise `Unavailable` where NATS is not reached."""
    clock, ids = SystemClock(), SystemIds()
    url, nats_client = settings.nats_url.reveal(), settings.nats_client
    async with open_nats(url, name=name, clock=clock, ids=ids, client=nats_client) as bus:
        telemetry = telemetry or Telemetry(name)
        identity = Principal(subject=name, roles=roles)
        client = Client(bus, signer_of(settings), identity, clock=clock, ids=ids, telemetry=telemetry)
        try:
            yield Operator(bus, client, clock, telemetry)
        finally:
            await client.close()
