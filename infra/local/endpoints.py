"""Where a running platform is reached: written to `endpoints.json` when it is ready, gone when it has stopped."""

from pathlib import Path

import msgspec

from infra.local.secrets import write_private
from schemas.principal import UserRole

FILE = "endpoints.json"


class Account(msgspec.Struct, frozen=True):
    """What somebody logs in with."""

    user_id: str
    name: str
    email: str
    password: str
    roles: tuple[UserRole, ...]


class Endpoints(msgspec.Struct, frozen=True):
    """Addresses with passwords in them, the development token of each person by first name, and all demo accounts."""

    gateway: str
    nats: str
    nats_monitor: str
    postgres: str
    redis: str
    traces: str
    tokens: dict[str, str]
    cards: str = ""
    mailbox: str = ""
    smtp: str = ""
    accounts: dict[str, Account] = {}


def read_endpoints(folder: Path) -> Endpoints | None:
    """The addresses of the platform that runs on a folder, or None if none does."""
    try:
        return msgspec.json.decode((folder / FILE).read_bytes(), type=Endpoints)
    except (OSError, msgspec.DecodeError):
        return None


def write_endpoints(folder: Path, endpoints: Endpoints) -> None:
    """Tell the world, and nobody but the owner, since there are passwords in it."""
    write_private(folder / FILE, msgspec.json.format(msgspec.json.encode(endpoints)) + b"\n")


def remove_endpoints(folder: Path) -> None:
    """Nothing is reached there any more."""
    (folder / FILE).unlink(missing_ok=True)
