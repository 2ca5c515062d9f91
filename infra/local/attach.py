"""The environment of a service, or a tool, on a platform that runs already: for commands run beside it."""

from pathlib import Path
from urllib.parse import urlsplit

from infra.local.endpoints import read_endpoints
from infra.local.failures import StartFailed
from infra.local.plan import Plan
from infra.local.secrets import load_or_make
from infra.local.services import TABLE, ServiceName, shared_environment, tool_environment
from infra.local.settings import LocalSettings


def attached_environment(folder: Path, settings: LocalSettings, service: ServiceName) -> dict[str, str]:
    """Return the variables that a service on this folder's running platform is told."""
    plan = _plan_of(folder, settings)
    return dict(settings.inherited) | shared_environment(plan) | dict(TABLE[service](plan).environment)


def attached_tool_environment(folder: Path, settings: LocalSettings) -> dict[str, str]:
    """Return the variables that a tool on this folder's running platform is told."""
    return dict(settings.inherited) | tool_environment(_plan_of(folder, settings))


def _plan_of(folder: Path, settings: LocalSettings) -> Plan:
    endpoints = read_endpoints(folder)
    if endpoints is None:
        raise StartFailed("platform", f"no platform runs on {folder}", "start one with `just up`")
    ports = {
        name: urlsplit(getattr(endpoints, name)).port or 0 for name in endpoints.__struct_fields__ if name != "tokens"
    }
    running = frozenset(TABLE) if endpoints.gateway else frozenset[str]()
    return Plan(folder, settings, load_or_make(folder), ports, running)
