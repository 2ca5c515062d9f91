"""What the gateway has to know from its environment."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from actors.mesh._settings import Key, NatsClient, Port, Ratio, Secret, SettingsError, Traces
from schemas.principal import Principal, UserRole
from schemas.values import UserId

ACCESS_KEYS_MAX = 8
"""The key in use, the one to come and those before: each more is one more that may get lost."""


class Person(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who a development token speaks for."""

    subject: UserId
    roles: tuple[UserRole, ...]
    name: str = ""

    def principal(self) -> Principal:
        """Return the person as the mesh knows them."""
        return Principal(subject=self.subject, roles=self.roles, name=self.name)


class GatewaySettings(msgspec.Struct, frozen=True, kw_only=True):
    """The gateway's whole configuration; without a key to verify access tokens with nobody can log in."""

    nats_url: Secret[str]
    signing_key: Secret[Key]
    signing_issuer: str
    nats_client: NatsClient = "fast"
    gateway_host: str = "127.0.0.1"
    gateway_port: Port = 8080
    access_verify_keys: Mapping[str, Key] = {}
    development_tokens: Secret[Mapping[str, Person]] | None = None
    otlp_endpoint: str | None = None
    traces: Traces = "lean"
    trace_ratio: Ratio = 1.0

    def __post_init__(self) -> None:
        if len(self.access_verify_keys) > ACCESS_KEYS_MAX:
            told = f"MESH_ACCESS_VERIFY_KEYS holds {len(self.access_verify_keys)} keys, {ACCESS_KEYS_MAX} at most"
            raise SettingsError((f"{told}: take out those whose tokens have expired",))
