"""The environment of a service as it would have it on a platform that runs already: for commands run beside it."""

from pathlib import Path
from urllib.parse import urlsplit

from infra.local.endpoints import read_endpoints
from infra.local.failures import StartFailed
from infra.local.plan import Plan
from infra.local.secrets import load_or_make
from infra.local.services import TABLE, ServiceName, shared_environment
from infra.local.settings import LocalSettings


def attached_environment(folder: Path, settings: LocalSettings, service: ServiceName) -> dict[str, str]:
    """Return the variables that a service on this folder's running platform is told."""
    endpoints = read_endpoints(folder)
    if endpoints is None:
        raise StartFailed("platform", f"no platform runs on {folder}", "start one with `just up`")
    ports = {
        name: urlsplit(getattr(endpoints, name)).port or 0 for name in endpoints.__struct_fields__ if name != "tokens"
    }
    running = frozenset(TABLE) if endpoints.gateway else frozenset[str]()
    plan = Plan(folder, settings, load_or_make(folder), ports, running)
    return dict(settings.inherited) | shared_environment(plan) | dict(TABLE[service](plan).environment)
