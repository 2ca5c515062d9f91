"""Passwords, keys and demo tokens of one installation: made at the first start, kept for their owner alone."""

import base64
import os
import secrets
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from infra.local.failures import StartFailed

FILE = "secrets.json"
DOMAINS = ("users", "orders", "inventory", "payments", "notifications")
ISSUERS = ("gateway", "tools", *DOMAINS)
_KEY_BYTES = 32


class Person(msgspec.Struct, frozen=True):
    """Who a development token speaks for."""

    subject: str
    name: str
    roles: tuple[str, ...]


PEOPLE = (
    Person("cust-ada", "Ada", ("customer",)),
    Person("cust-grace", "Grace", ("customer",)),
    Person("staff-sam", "Sam", ("support",)),
    Person("staff-wendy", "Wendy", ("warehouse",)),
    Person("staff-otto", "Otto", ("operator",)),
)


class Secrets(msgspec.Struct, frozen=True):
    """All secrets of one data folder; keys and seeds are base64."""

    nats_password: str
    postgres_password: str
    redis_password: str
    master_key: str
    hmac_key: str
    domain_passwords: dict[str, str]
    signing_seeds: dict[str, str]
    tokens: dict[str, Person]

    def __repr__(self) -> str:
        return "Secrets(...)"

    def token_of(self, name: str) -> str:
        """The development token of a person, by first name."""
        return next(token for token, person in self.tokens.items() if person.name.lower() == name.lower())


def load_or_make(folder: Path) -> Secrets:
    """The secrets of a data folder, the same at every start."""
    file = folder / FILE
    try:
        if file.exists():
            return msgspec.json.decode(file.read_bytes(), type=Secrets)
        made = _make()
        write_private(file, msgspec.json.encode(made))
    except (OSError, msgspec.DecodeError) as error:
        remedy = "restore that file or wipe all with `just reset`"
        raise StartFailed("platform", f"{file} cannot be read ({error})", remedy) from error
    return made


def write_private(file: Path, content: bytes) -> None:
    """Write a file that nobody else may read, whole or not at all."""
    fresh = file.with_name(file.name + ".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:
        opened.write(content)
    fresh.replace(file)


def public_key(seed: str) -> str:
    """The base64 public half of a base64 Ed25519 seed."""
    key = Ed25519PrivateKey.from_private_bytes(base64.b64decode(seed))
    return base64.b64encode(key.public_key().public_bytes_raw()).decode()


def _make() -> Secrets:
    return Secrets(
        nats_password=secrets.token_hex(16),
        postgres_password=secrets.token_hex(16),
        redis_password=secrets.token_hex(16),
        master_key=_key(),
        hmac_key=_key(),
        domain_passwords={domain: secrets.token_hex(16) for domain in DOMAINS},
        signing_seeds={issuer: _key() for issuer in ISSUERS},
        tokens={f"dev-{person.name.lower()}-{secrets.token_hex(8)}": person for person in PEOPLE},
    )


def _key() -> str:
    return base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()
