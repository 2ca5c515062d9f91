"""What the gateway has to know from its environment."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from actors.mesh._settings import Key, NatsClient, Port, Ratio, Secret, Traces
from schemas.principal import Principal, Role
from schemas.values import CustomerId


class Person(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who a development token speaks for."""

    subject: CustomerId
    roles: tuple[Role, ...]
    name: str = ""

    def principal(self) -> Principal:
        """Return the person as the mesh knows them."""
        return Principal(subject=self.subject, roles=self.roles, name=self.name)


class GatewaySettings(msgspec.Struct, frozen=True, kw_only=True):
    """The gateway's whole configuration; without development tokens nobody is let in."""

    nats_url: Secret[str]
    signing_key: Secret[Key]
    signing_issuer: str
    nats_client: NatsClient = "fast"
    gateway_host: str = "127.0.0.1"
    gateway_port: Port = 8080
    development_tokens: Secret[Mapping[str, Person]] | None = None
    otlp_endpoint: str | None = None
    traces: Traces = "lean"
    trace_ratio: Ratio = 1.0
