"""Which services run on the embedded servers, in which order, and what each is told: one table."""

import asyncio
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import msgspec

from infra.local.closing import close
from infra.local.failures import NotReady
from infra.local.parts import Part
from infra.local.plan import Plan
from infra.local.ports import LOOPBACK, free_ports
from infra.local.secrets import ISSUERS, key_id, public_key
from infra.local.settings import PROJECT

ServiceName = Literal[
    "collector", "cards", "mailbox", "provision",
    "users", "orders", "inventory", "payments", "notifications", "gateway",
]  # fmt: skip

_PROBE_SECONDS = 2.0
_READY_SECONDS = 60.0  # the imports of a whole pool on a machine of two busy cores


@dataclass(frozen=True, slots=True)
class Service:
    """A process of ours: `ready` is the address that answers 200 when it serves, or empty for a step that ends."""

    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str]
    ready: str
    stage: int = 0


def _collector(plan: Plan) -> Service:
    own = {"MESH_TRACES_PORT": str(plan.ports["traces"])}
    ready = f"{plan.http_url('traces')}/healthz"
    return _python("collector", "infra.local.traces", ready=ready, environment=own, stage=0)


def _cards(plan: Plan) -> Service:
    own = {"MESH_CARDS_PORT": str(plan.ports["cards"]), "MESH_CARDS_LOG": str(plan.folder / "cards.sqlite")}
    return _python("cards", "infra.local.cards", ready=f"{plan.http_url('cards')}/healthz", environment=own, stage=0)


def _mailbox(plan: Plan) -> Service:
    own = {
        "MESH_SMTP_PORT": str(plan.ports["smtp"]),
        "MESH_MAILBOX_PORT": str(plan.ports["mailbox"]),
        "MESH_MAILBOX_LOG": str(plan.folder / "mailbox.sqlite"),
    }
    ready = f"{plan.http_url('mailbox')}/healthz"
    return _python("mailbox", "infra.local.mailbox", ready=ready, environment=own, stage=0)


def _provision(plan: Plan) -> Service:
    own = {"MESH_DOMAIN_PASSWORDS": msgspec.json.encode(plan.secrets.domain_passwords).decode()}
    return _python("provision", "actors", "provision", ready="", environment=own, stage=1)


def _pool(domain: str, more: Callable[[Plan], dict[str, str]] = lambda plan: {}) -> Callable[[Plan], Service]:
    def pool(plan: Plan) -> Service:
        health = free_ports(1)[0]
        own = {"MESH_HEALTH_PORT": str(health), "MESH_DOMAIN_PASSWORD": plan.secrets.domain_passwords[domain]}
        own |= _crypto(plan) | _signing(plan, domain) | more(plan)
        return _python(domain, "actors", domain, ready=f"http://{LOOPBACK}:{health}/readyz", environment=own, stage=2)

    return pool


def _access(plan: Plan) -> dict[str, str]:
    seed = plan.secrets.access_seed
    return {"MESH_ACCESS_SIGNING_KEY": seed, "MESH_ACCESS_KEY_ID": key_id(seed)}


def _messengers(plan: Plan) -> dict[str, str]:
    """The mailbox of this machine carries what is sent, unless the environment names others."""
    named, mailbox = plan.settings.inherited, plan.http_url("mailbox")
    told = {
        "MESH_SMTP_URL": plan.smtp_url,
        "MESH_MAILBOX_URL": "" if "MESH_SMTP_URL" in named else mailbox,
        "MESH_SMS_URL": mailbox,
        "MESH_PUSH_URL": mailbox,
    }
    return {name: value for name, value in told.items() if value and name not in named}


def _gateway(plan: Plan) -> Service:
    own = {
        "MESH_GATEWAY_PORT": str(plan.ports["gateway"]),
        "MESH_DEVELOPMENT_TOKENS": msgspec.json.encode(plan.secrets.tokens).decode(),
        "MESH_ACCESS_VERIFY_KEYS": msgspec.json.encode(
            {key_id(plan.secrets.access_seed): public_key(plan.secrets.access_seed)}
        ).decode(),
    }
    environment = own | _crypto(plan) | _signing(plan, "gateway")
    return _python("gateway", "gateway", ready=f"{plan.http_url('gateway')}/readyz", environment=environment, stage=3)


# Read from the top, this is the order of the start; services of one stage start together, and the stop goes back up.
TABLE: Mapping[ServiceName, Callable[[Plan], Service]] = MappingProxyType(
    {
        "collector": _collector,
        "cards": _cards,
        "mailbox": _mailbox,
        "provision": _provision,
        "users": _pool("users", _access),
        "orders": _pool("orders"),
        "inventory": _pool("inventory"),
        "payments": _pool("payments"),
        "notifications": _pool("notifications", _messengers),
        "gateway": _gateway,
    }
)


def shared_environment(plan: Plan) -> dict[str, str]:
    """What every service is told: where the others are, and whose signature to trust."""
    told = {
        "MESH_NATS_URL": plan.nats_url,
        "MESH_POSTGRES_URL": plan.postgres_url,
        "MESH_REDIS_URL": plan.redis_url,
        "MESH_MONGO_URL": plan.settings.mongo_url,
        "MESH_CARDS_URL": plan.http_url("cards") if "cards" in plan.services else "",
        "MESH_DATA_FOLDER": str(plan.folder),
        "MESH_VERIFY_KEYS": msgspec.json.encode(
            {issuer: public_key(plan.secrets.signing_seeds[issuer]) for issuer in ISSUERS}
        ).decode(),
        "OTEL_EXPORTER_OTLP_ENDPOINT": plan.http_url("traces") if "collector" in plan.services else "",
    }
    return {name: value for name, value in told.items() if value}


def tool_environment(plan: Plan) -> dict[str, str]:
    """What a tool on this machine is told: the same, and a signature of its own."""
    return shared_environment(plan) | _signing(plan, "tools")


def service_part(service: Service, plan: Plan) -> Part:
    """The process of a service; it sees our own environment, then what all are told, then its own."""
    log = plan.folder / "logs" / f"{service.name}.log"
    told = dict(plan.settings.inherited) | shared_environment(plan) | dict(service.environment)
    return Part(
        name=service.name,
        argv=service.argv,
        probe=(lambda: answers_200(service.ready)) if service.ready else None,
        remedy=f"look into {log}",
        environment=told | {"PYTHONUNBUFFERED": "1"},
        working_folder=PROJECT,
        stage=service.stage,
        ready_seconds=_READY_SECONDS,
    )


def _python(name: str, module: str, *words: str, ready: str, environment: Mapping[str, str], stage: int) -> Service:
    return Service(name, (sys.executable, "-m", module, *words), environment, ready, stage)


def _crypto(plan: Plan) -> dict[str, str]:
    return {"MESH_MASTER_KEY": plan.secrets.master_key, "MESH_HMAC_KEY": plan.secrets.hmac_key}


def _signing(plan: Plan, issuer: str) -> dict[str, str]:
    return {"MESH_SIGNING_KEY": plan.secrets.signing_seeds[issuer], "MESH_SIGNING_ISSUER": issuer}


async def answers_200(url: str) -> None:
    """One GET, by hand: a client library would cost more start-up time than the answer."""
    authority, _, path = url.removeprefix("http://").partition("/")
    host, _, port = authority.partition(":")
    request = f"GET /{path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n"
    try:
        async with asyncio.timeout(_PROBE_SECONDS):
            reader, writer = await asyncio.open_connection(host, int(port or 80))
            try:
                writer.write(request.encode())
                await writer.drain()
                status = (await reader.readline()).decode(errors="replace").strip()
            finally:
                await close(writer)
    except (OSError, TimeoutError) as error:
        raise NotReady(str(error) or "no answer") from error
    if status.split()[1:2] != ["200"]:
        raise NotReady(status or "no answer")
