"""What can be wrong with this machine before anything runs: Python, programs, settings, the data folder, ports."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from actors.mesh.connect import unknown_variables
from cli.finding import Finding, broken, doubtful, well
from infra.local import nats_server, postgres_home, valkey_server
from infra.local.endpoints import Endpoints, read_endpoints
from infra.local.failures import StartFailed
from infra.local.folder import LEAST_FREE_BYTES, MARKER
from infra.local.ledger import Ledger
from infra.local.ports import is_free, taken_remedy
from infra.local.processes import alive
from infra.local.settings import FIXED_PORTS, PROJECT, LocalSettings

PYTHON_OLDEST = (3, 11)
MEGABYTE = 1024 * 1024
SYNCED = Path(".venv") / "actor-mesh-synced"
"""What `infra/local/sync` leaves behind: the lock file and the project as they were then."""


def machine(settings: LocalSettings, environment: dict[str, str]) -> Iterator[Finding]:
    """Look at everything that a platform here needs."""
    yield from python()
    yield from packages(PROJECT)
    yield from programs(settings)
    yield from variables(environment)
    yield from folder(settings.data_folder)
    yield from platform(settings.data_folder)
    yield from ports(settings, read_endpoints(settings.data_folder))


def python() -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info >= PYTHON_OLDEST:
        yield well("python", version)
    else:
        yield broken("python", f"{version} is too old", "install Python 3.11 or later and run `./just`")


def packages(project: Path) -> Iterator[Finding]:
    """Compare what was installed with what is pinned; an installation of another kind has no such note."""
    stamp = project / SYNCED
    if not stamp.exists():
        return
    wanted = b"".join((project / name).read_bytes() for name in ("requirements.lock", "pyproject.toml"))
    if stamp.read_bytes() == wanted:
        yield well("packages", "as requirements.lock pins them")
    else:
        yield doubtful("packages", "the lock file has changed since they were installed", "run `./just` once")


def programs(settings: LocalSettings) -> Iterator[Finding]:
    """Find the servers that are not somebody else's to start."""
    if not settings.nats_url:
        yield program("nats-server", nats_server.binary(settings), nats_server.REMEDY)
    if not settings.postgres_url:
        try:
            home = postgres_home.programs(settings, None)
        except StartFailed as failure:
            yield broken("postgres", failure.cause, failure.remedy)
        else:
            for name in ("initdb", "postgres"):
                yield program(name, str(home / name), postgres_home.REMEDY)
    if not settings.redis_url:
        try:
            yield program("valkey-server", valkey_server.binary(settings), valkey_server.REMEDY)
        except StartFailed as failure:
            yield broken("valkey-server", failure.cause, failure.remedy)


def program(name: str, path: str, remedy: str) -> Finding:
    if os.access(path, os.X_OK):
        return well(name, "there")
    return broken(name, f"{path} does not exist or cannot be run", remedy)


def variables(environment: dict[str, str]) -> Iterator[Finding]:
    unknown = unknown_variables(environment)
    for sentence in unknown:
        yield broken("settings", sentence, "mend or unset it: no process starts with it")
    if not unknown:
        count = sum(name.startswith("MESH_") for name in environment)
        yield well("settings", f"{count} of ours set, all known" if count else "none of ours is set")


def folder(path: Path) -> Iterator[Finding]:
    """Look whether the data folder can be used."""
    there = next(each for each in (path, *path.parents) if each.exists())
    if not os.access(there, os.W_OK):
        yield broken("data folder", f"{there} cannot be written", "mend it or set MESH_DATA_FOLDER to another")
        return
    if there == path and not (path / MARKER).exists() and any(path.iterdir()):
        yield broken("data folder", f"{path} holds files of something else", "set MESH_DATA_FOLDER to an empty one")
        return
    free_bytes = shutil.disk_usage(there).free
    free = f"{free_bytes // MEGABYTE:,} MB free"
    if free_bytes < LEAST_FREE_BYTES:
        yield broken("data folder", f"{path}: only {free}", "make room or set MESH_DATA_FOLDER to a larger disk")
    elif free_bytes < 5 * LEAST_FREE_BYTES:
        yield doubtful("data folder", f"{path}: only {free}", "make room soon")
    else:
        yield well("data folder", f"{path}, {free}")


def platform(path: Path) -> Iterator[Finding]:
    """Tell whether a platform runs, and whether one has died and left something behind."""
    record = Ledger(path).read()
    running = record.supervisor is not None and alive(record.supervisor)
    living = [name for name, identity in record.processes.items() if alive(identity)]
    if running and record.supervisor is not None:
        yield well("platform", f"runs as process {record.supervisor.pid}, {len(living)} of its parts live")
        for name in sorted(set(record.processes) - set(living)):
            yield doubtful(name, "is not running at the moment", f"look into {path / 'logs' / name}.log")
    elif living:
        names = ", ".join(sorted(living))
        yield doubtful("platform", f"died and left behind {names}", "`just up` ends them and starts afresh")
    else:
        yield doubtful("platform", f"none runs on {path}", "start one with `just up`")


def ports(settings: LocalSettings, endpoints: Endpoints | None) -> Iterator[Finding]:
    """Look whether the well-known ports, or those asked for, are free or ours."""
    ours = {name: urlsplit(getattr(endpoints, name, "")).port for name in FIXED_PORTS} if endpoints else {}
    taken = []
    for name, usual in FIXED_PORTS.items():
        port = settings.ports.get(name, usual)
        # A part of ours that nobody has to find tells no address: what listens at its port may well be it.
        untold = endpoints is not None and ours[name] is None
        if port == 0 or untold or is_free(port) or port in ours.values():
            continue
        taken.append(name)
        make = doubtful if endpoints else broken
        yield make("ports", f"port {port} ({name}) is taken by something else", taken_remedy(name))
    if not taken:
        yield well("ports", "free or our own")
