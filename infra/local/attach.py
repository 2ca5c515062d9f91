"""The environment of a service or a tool on a platform that runs already: for what is run beside it."""

from pathlib import Path
from urllib.parse import urlsplit

from infra.local.endpoints import read_endpoints
from infra.local.failures import StartFailed
from infra.local.plan import Plan
from infra.local.secrets import load_or_make
from infra.local.services import TABLE, ServiceName, shared_environment, tool_environment
from infra.local.settings import PORT_NAMES, LocalSettings


def attached_environment(folder: Path, settings: LocalSettings, service: ServiceName) -> dict[str, str]:
    """Return the variables that a service on this folder's running platform is told."""
    plan = attached_plan(folder, settings)
    return dict(settings.inherited) | shared_environment(plan) | dict(TABLE[service](plan).environment)


def attached_tool_environment(folder: Path, settings: LocalSettings) -> dict[str, str]:
    """Return the variables that a tool on this folder's running platform needs, and no others."""
    told = tool_environment(attached_plan(folder, settings))
    return {name: told[name] for name in ("MESH_NATS_URL", "MESH_SIGNING_KEY", "MESH_SIGNING_ISSUER")}


def attached_plan(folder: Path, settings: LocalSettings) -> Plan:
    """Return the facts a running platform was started with; raise `StartFailed` where none runs."""
    endpoints = read_endpoints(folder)
    if endpoints is None:
        raise StartFailed("platform", f"no platform runs on {folder}", "start one with `just up`")
    ports = {name: urlsplit(getattr(endpoints, name, "")).port or 0 for name in PORT_NAMES}
    running = frozenset(TABLE) if endpoints.gateway else frozenset[str]()
    return Plan(folder, settings, load_or_make(folder), ports, running)
