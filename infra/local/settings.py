"""The environment as the local platform reads it: the one place that does."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from infra.local.failures import StartFailed

PROJECT = Path(__file__).resolve().parents[2]

# Ports that stay the same from one `mesh up` to the next, so that a bookmark and a copied command keep working.
FIXED_PORTS: Mapping[str, int] = MappingProxyType(
    {
        "gateway": 8080,
        "nats": 4222,
        "nats_monitor": 8222,
        "postgres": 5433,
        "redis": 6380,
        "traces": 4318,
        "mailbox": 8025,
        "smtp": 1025,
    }
)
PORT_NAMES = (*FIXED_PORTS, "cards")

# Read here and of no meaning to a service: handing them on would look like a setting nobody knows.
_OURS_ALONE = frozenset(
    {"MESH_NATS_SERVER", "MESH_POSTGRES_BIN", "MESH_VALKEY_SERVER", "MESH_PYTHON", "MESH_DOWNLOAD_PYTHON"}
    | {f"MESH_{name.upper()}_PORT" for name in PORT_NAMES}
)


@dataclass(frozen=True, slots=True)
class LocalSettings:
    """Everything the environment says; an empty text means that it says nothing."""

    data_folder: Path
    nats_server: str
    postgres_bin: str
    valkey_server: str
    nats_url: str
    postgres_url: str
    redis_url: str
    mongo_url: str
    ports: Mapping[str, int]
    path: str
    inherited: Mapping[str, str]


def read_settings(environment: Mapping[str, str] | None = None) -> LocalSettings:
    """The settings of this process, or of a mapping that a test hands in."""
    env = os.environ if environment is None else environment
    folder = env.get("MESH_DATA_FOLDER", "")
    return LocalSettings(
        data_folder=Path(folder).expanduser().absolute() if folder else PROJECT / ".mesh",
        nats_server=env.get("MESH_NATS_SERVER", ""),
        postgres_bin=env.get("MESH_POSTGRES_BIN", ""),
        valkey_server=env.get("MESH_VALKEY_SERVER", ""),
        nats_url=env.get("MESH_NATS_URL", ""),
        postgres_url=env.get("MESH_POSTGRES_URL", ""),
        redis_url=env.get("MESH_REDIS_URL", ""),
        mongo_url=env.get("MESH_MONGO_URL", ""),
        ports=MappingProxyType(dict(_ports(env))),
        path=env.get("PATH", os.defpath),
        inherited=MappingProxyType({name: value for name, value in env.items() if name not in _OURS_ALONE}),
    )


def _ports(env: Mapping[str, str]) -> list[tuple[str, int]]:
    asked: list[tuple[str, int]] = []
    for name in PORT_NAMES:
        variable = f"MESH_{name.upper()}_PORT"
        text = env.get(variable, "")
        if not text:
            continue
        if not text.isdecimal() or int(text) > 65535:
            raise StartFailed(name, f"{variable} is {text!r}", "set it to a port up to 65535, or to 0 for a free one")
        asked.append((name, int(text)))
    return asked
