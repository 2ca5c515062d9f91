"""Passwords, keys and demo accounts of one installation: made at the first start, kept for their owner alone."""

import base64
import hashlib
import os
import secrets
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from infra.local.failures import StartFailed
from schemas.principal import UserRole

FILE = "secrets.json"
DOMAINS = ("users", "orders", "inventory", "payments", "notifications")
ISSUERS = ("gateway", "tools", *DOMAINS)
_KEY_BYTES = 32


class Person(msgspec.Struct, frozen=True):
    """Somebody with a demo account, and who their development token speaks for."""

    subject: str
    name: str
    roles: tuple[UserRole, ...]

    @property
    def email(self) -> str:
        """Nobody's: mail to example.org goes nowhere (RFC 2606)."""
        return f"{self.name.lower()}@example.org"


PEOPLE = (
    Person("cust-ada", "Ada", ("customer",)),
    Person("cust-grace", "Grace", ("customer",)),
    Person("staff-sam", "Sam", ("support",)),
    Person("staff-wendy", "Wendy", ("warehouse",)),
    Person("staff-fiona", "Fiona", ("finance",)),
    Person("staff-otto", "Otto", ("operator",)),
    Person("staff-alma", "Alma", ("admin",)),
)
TEAMS = (Person("team-warehouse", "Warehouse", ("warehouse",)),)
"""Accounts that mail goes to; nobody logs in as one, so none has a development token."""


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
    access_seed: str = ""
    passwords: dict[str, str] = {}

    def __repr__(self) -> str:
        return "Secrets(...)"

    def token_of(self, name: str) -> str:
        """The development token of a person, by first name."""
        return next(token for token, person in self.tokens.items() if person.name.lower() == name.lower())


def load_or_make(folder: Path) -> Secrets:
    """The secrets of a data folder, the same at every start; those that came with a later version are added."""
    file = folder / FILE
    try:
        kept = msgspec.json.decode(file.read_bytes(), type=Secrets) if file.exists() else None
        whole = completed(kept or _make())
        if whole != kept:
            write_private(file, msgspec.json.encode(whole))
    except (OSError, msgspec.DecodeError) as error:
        remedy = "restore that file or wipe all with `just reset`"
        raise StartFailed("platform", f"{file} cannot be read ({error})", remedy) from error
    return whole


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


def key_id(seed: str) -> str:
    """The name of the public half of a seed: another key is another name, so both can be known for a while."""
    return hashlib.sha256(base64.b64decode(public_key(seed))).hexdigest()[:16]


def completed(kept: Secrets) -> Secrets:
    """Make what is missing for the domains, issuers and people of today; what is there stays."""
    tokens = {person.subject: token for token, person in kept.tokens.items()}
    return msgspec.structs.replace(
        kept,
        domain_passwords=_filled(kept.domain_passwords, DOMAINS, lambda: secrets.token_hex(16)),
        signing_seeds=_filled(kept.signing_seeds, ISSUERS, _key),
        tokens={tokens.get(person.subject) or _token(person): person for person in PEOPLE},
        access_seed=kept.access_seed or _key(),
        passwords=_filled(
            kept.passwords, [person.subject for person in (*PEOPLE, *TEAMS)], lambda: secrets.token_urlsafe(12)
        ),
    )


def _filled(kept: dict[str, str], names: Iterable[str], make: Callable[[], str]) -> dict[str, str]:
    return kept | {name: make() for name in names if name not in kept}


def _token(person: Person) -> str:
    return f"dev-{person.name.lower()}-{secrets.token_hex(8)}"


def _make() -> Secrets:
    return Secrets(
        nats_password=secrets.token_hex(16),
        postgres_password=secrets.token_hex(16),
        redis_password=secrets.token_hex(16),
        master_key=_key(),
        hmac_key=_key(),
        domain_passwords={},
        signing_seeds={},
        tokens={},
    )


def _key() -> str:
    return base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()
