"""What one start has settled before any process runs: folder, settings, secrets and ports."""

from dataclasses import dataclass
from pathlib import Path

from infra.local.endpoints import Account, Endpoints
from infra.local.ports import LOOPBACK
from infra.local.secrets import PEOPLE, TEAMS, Person, Secrets
from infra.local.settings import LocalSettings

NATS_USER = "mesh"
POSTGRES_USER = "mesh"
POSTGRES_DATABASE = "mesh"


@dataclass(frozen=True, slots=True)
class Plan:
    """The facts that servers and services are described from."""

    folder: Path
    settings: LocalSettings
    secrets: Secrets
    ports: dict[str, int]
    services: frozenset[str]

    @property
    def server_environment(self) -> dict[str, str]:
        """What a server sees of our environment: nothing that could change how it behaves."""
        return {"PATH": self.settings.path, "LC_ALL": "C.UTF-8", "TZ": "UTC"}

    @property
    def nats_url(self) -> str:
        """Where NATS is, embedded or configured."""
        own = f"nats://{NATS_USER}:{self.secrets.nats_password}@{LOOPBACK}:{self.ports['nats']}"
        return self.settings.nats_url or own

    @property
    def postgres_url(self) -> str:
        """Where PostgreSQL is, embedded or configured."""
        return self.settings.postgres_url or self.postgres_url_of(POSTGRES_DATABASE)

    def postgres_url_of(self, database: str) -> str:
        """A database of the embedded server, which has no TLS to offer."""
        who = f"{POSTGRES_USER}:{self.secrets.postgres_password}"
        return f"postgresql://{who}@{LOOPBACK}:{self.ports['postgres']}/{database}?sslmode=disable"

    @property
    def redis_url(self) -> str:
        """Where Valkey, or another server that speaks its protocol, is."""
        own = f"redis://:{self.secrets.redis_password}@{LOOPBACK}:{self.ports['redis']}/0"
        return self.settings.redis_url or own

    def http_url(self, name: str) -> str:
        """The address of a part that speaks HTTP."""
        return f"http://{LOOPBACK}:{self.ports[name]}"

    @property
    def smtp_url(self) -> str:
        """Where the mailbox of this machine takes mail."""
        return f"smtp://{LOOPBACK}:{self.ports['smtp']}"

    def endpoints(self) -> Endpoints:
        """The addresses of what runs; a part that does not run has an empty one."""
        return Endpoints(
            gateway=self.http_url("gateway") if "gateway" in self.services else "",
            nats=self.nats_url,
            nats_monitor="" if self.settings.nats_url else self.http_url("nats_monitor"),
            postgres=self.postgres_url,
            redis=self.redis_url,
            traces=self.http_url("traces") if "collector" in self.services else "",
            tokens={person.name.lower(): token for token, person in self.secrets.tokens.items()},
            cards=self.http_url("cards") if "cards" in self.services else "",
            mailbox=self.http_url("mailbox") if "mailbox" in self.services else "",
            smtp=self.smtp_url if "mailbox" in self.services else "",
            accounts={person.name.lower(): self.account(person) for person in (*PEOPLE, *TEAMS)},
        )

    def account(self, person: Person) -> Account:
        """What a person of the demo logs in with."""
        password = self.secrets.passwords[person.subject]
        return Account(person.subject, person.name, person.email, password, person.roles)
