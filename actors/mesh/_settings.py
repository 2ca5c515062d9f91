"""Settings: one frozen struct a process, decoded from the environment; what is wrong is told all at once."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Annotated, Any, Generic, Literal, TypeVar, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

VARIABLES: dict[str, str] = {
    "MESH_NATS_URL": "Where NATS is; user and password may be part of it.",
    "MESH_NATS_CLIENT": "How NATS is spoken to: fast (nats-py with a hot path of ours) or stock (nats-py as it is).",
    "MESH_POSTGRES_URL": "Where the journals are. Pools need no superuser in production.",
    "MESH_DOMAIN_PASSWORDS": 'What each domain logs into PostgreSQL with: JSON {"orders": password}, for provision.',
    "MESH_DOMAIN_PASSWORD": "What this pool logs into PostgreSQL with, as its own role; else the URL names the role.",
    "MESH_REDIS_URL": "Where Redis or Valkey is: caches, inboxes, throttles.",
    "MESH_MONGO_URL": "Where MongoDB is; without it the views of orders are kept in PostgreSQL.",
    "MESH_CARDS_URL": "Where the card processor is; payments need it.",
    "MESH_SMTP_URL": "The mail server: smtp://, smtp+starttls:// (insists on TLS) or smtps://; notifications need it.",
    "MESH_MAIL_FROM": "Whom mails come from: Name <address>.",
    "MESH_MAILBOX_URL": "The HTTP interface of a mail server that can be asked what it took; few have one.",
    "MESH_SMS_URL": "Where the gateway for text messages is; notifications need it.",
    "MESH_PUSH_URL": "Where the gateway for push messages is; notifications need it.",
    "MESH_MASTER_KEY": "Wraps the data keys of people; 32 bytes in base64. Keep it apart from the backups.",
    "MESH_HMAC_KEY": "Keys the fingerprints of commands and the blind indexes; 32 bytes in base64.",
    "MESH_SIGNING_KEY": "The Ed25519 seed this process signs principals with; 32 bytes in base64.",
    "MESH_SIGNING_ISSUER": "The name under which others know that key.",
    "MESH_ACCESS_SIGNING_KEY": "The Ed25519 seed that users signs access tokens with; 32 bytes in base64.",
    "MESH_ACCESS_KEY_ID": "The name under which the gateway knows that key; users needs both.",
    "MESH_ACCESS_VERIFY_KEYS": 'Whose access tokens to trust: JSON {"key id": "Ed25519 public key in base64"}.',
    "MESH_VERIFY_KEYS": 'Whom to trust: JSON {"issuer": "Ed25519 public key in base64"}.',
    "OTEL_EXPORTER_OTLP_ENDPOINT": "Base URL of an OTLP/HTTP collector; without it no spans are recorded.",
    "MESH_TRACES": "How spans leave: lean (our encoder), sdk (OpenTelemetry's own), off.",
    "MESH_TRACE_RATIO": "The share of new traces that is recorded, from 0 to 1.",
    "MESH_HEALTH_PORT": "Where a pool answers /healthz and /readyz; 0 takes any free port.",
    "MESH_DATA_FOLDER": "Where the local platform and its tools keep their files.",
    "MESH_CHAOS": "Fault points to fire, for tests of crashes; never set in production.",
    "MESH_GATEWAY_HOST": "The address the gateway listens on.",
    "MESH_GATEWAY_PORT": "The port the gateway listens on; 0 takes any free port.",
    "MESH_DEVELOPMENT_TOKENS": 'Bearer tokens for a laptop: JSON {"token": {"subject", "name", "roles"}}.',
    "MESH_TRACES_PORT": "The port of the local trace viewer.",
    "MESH_TRACES_HOURS": "How long the local trace viewer keeps a span.",
    "MESH_TRACES_BYTES": "How much the local trace viewer keeps.",
    "MESH_TRACES_QUEUE_BYTES": "How much may wait to be stored in the local trace viewer.",
    "MESH_CARDS_PORT": "The port of the card processor's stand-in.",
    "MESH_CARDS_LOG": "Where the card processor's stand-in notes what it was asked.",
    "MESH_CARDS_LATE_SECONDS": "How late the card processor's stand-in answers where it plays a time-out.",
    "MESH_MAILBOX_PORT": "The port at which the local mailbox is read.",
    "MESH_SMTP_PORT": "The port at which the local mailbox takes mail.",
    "MESH_MAILBOX_LOG": "Where the local mailbox keeps what it took.",
    "MESH_MAILBOX_LATE_SECONDS": "How late the local mailbox answers where it plays a slow server.",
    "MESH_NATS_PORT": "The port of the local NATS server.",
    "MESH_NATS_MONITOR_PORT": "The port of the local NATS server's monitoring pages.",
    "MESH_POSTGRES_PORT": "The port of the local PostgreSQL.",
    "MESH_REDIS_PORT": "The port of the local Valkey.",
    "MESH_DASHBOARD_PORT": "The port of the dashboard in development.",
    "MESH_NATS_SERVER": "A nats-server binary to use instead of the packaged one.",
    "MESH_POSTGRES_BIN": "The folder of a PostgreSQL to use instead of the packaged one.",
    "MESH_VALKEY_SERVER": "A valkey-server or redis-server binary to use instead of the packaged one.",
    "MESH_MONGO_BUILD": "A folder with a build of the MongoDB-compatible store.",
    "MESH_PYTHON": "The Python that the `just` wrapper makes its environment with.",
    "MESH_DOWNLOAD_PYTHON": "Whether the `just` wrapper may download a Python (1).",
}
"""Every variable of the house, with what it is for: one that is not here is a typo. The documentation prints this."""

NAMED_BY_OTHERS = {"otlp_endpoint": "OTEL_EXPORTER_OTLP_ENDPOINT"}
"""Fields whose variable has a name that the world agreed on; all others are MESH_ and the field in capitals."""

Held = TypeVar("Held")
Settings = TypeVar("Settings", bound=msgspec.Struct)


class SettingsError(Exception):
    """The environment does not describe a process that could run; lists all that is wrong with it."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("cannot start with this environment:\n" + "\n".join(f"  {problem}" for problem in problems))
        self.problems = problems


class Secret(Generic[Held]):
    """A value that does not print: `reveal()` is the one way to it, and easy to find by grep."""

    __slots__ = ("_value",)

    def __init__(self, value: Held) -> None:
        self._value = value

    def reveal(self) -> Held:
        """Return the value; do not keep it where it could be printed."""
        return self._value

    def __repr__(self) -> str:
        return "•••"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(repr(self._value).encode(), repr(other._value).encode())

    def __hash__(self) -> int:
        return hash(Secret)  # a hash of the value would tell something about it


Key = Annotated[bytes, Meta(min_length=32, max_length=32)]
Port = Annotated[int, Meta(ge=0, le=65535)]
Ratio = Annotated[float, Meta(ge=0, le=1)]
Traces = Literal["lean", "sdk", "off"]
NatsClient = Literal["fast", "stock"]


class PoolSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a pool of actors has to know. URLs are secrets because passwords are part of them."""

    nats_url: Secret[str]
    postgres_url: Secret[str]
    redis_url: Secret[str]
    master_key: Secret[Key]
    hmac_key: Secret[Key]
    signing_key: Secret[Key]
    signing_issuer: str
    verify_keys: Mapping[str, Key]
    domain_password: Secret[str] | None = None
    nats_client: NatsClient = "fast"
    mongo_url: Secret[str] | None = None
    cards_url: str | None = None
    smtp_url: Secret[str] | None = None
    mail_from: str = "Actor Mesh <no-reply@actor-mesh.example>"
    mailbox_url: str | None = None
    sms_url: str | None = None
    push_url: str | None = None
    access_signing_key: Secret[Key] | None = None
    access_key_id: str | None = None
    otlp_endpoint: str | None = None
    traces: Traces = "lean"
    trace_ratio: Ratio = 1.0
    health_port: Port = 0
    data_folder: str | None = None
    chaos: str | None = None


class ProvisionSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What making schemas, roles and streams needs; `postgres_url` is an administrator's."""

    nats_url: Secret[str]
    postgres_url: Secret[str]
    domain_passwords: Secret[Mapping[str, str]]
    nats_client: NatsClient = "fast"


def read_settings(settings: type[Settings], environment: Mapping[str, str]) -> Settings:
    """Decode the struct from the environment; raise SettingsError listing all that is missing, unknown or unreadable.

    An empty variable counts as not set: that is what a template leaves behind.
    """
    problems = unknown_variables(environment)
    hints = get_type_hints(settings, include_extras=True)
    given: dict[str, Any] = {}
    for field in msgspec.structs.fields(settings):
        name = variable_of(field.name)
        text = environment.get(name, "")
        if text:
            try:
                given[field.name] = decoded(text, hints[field.name])
            except (msgspec.MsgspecError, ValueError) as error:
                problems.append(f"{name} cannot be read: {error}")
        elif field.required:
            problems.append(f"{name} is missing: {VARIABLES[name]}")
    if problems:
        raise SettingsError(tuple(problems))
    return settings(**given)


def unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """Return a sentence for each variable of ours that nobody reads: most likely a typo."""
    return [unknown(name) for name in sorted(environment) if name.startswith("MESH_") and name not in VARIABLES]


def variable_of(field: str) -> str:
    """Return the name of the variable a field is read from."""
    return NAMED_BY_OTHERS.get(field, f"MESH_{field.upper()}")


def unknown(name: str) -> str:
    """Say that nobody knows the variable, and which one was meant."""
    near = get_close_matches(name, VARIABLES, n=1, cutoff=0.75)
    return f"{name} is unknown" + (f": did you mean {near[0]}?" if near else "")


def decoded(text: str, hint: Any) -> Any:
    """Return the value a variable's text stands for: structures are JSON, bytes base64, secrets wrapped."""
    for part in (hint, *get_args(hint)):
        if get_origin(part) is Secret:
            return Secret(decoded(text, get_args(part)[0]))
    if isinstance(get_origin(hint), type) and issubclass(get_origin(hint), Mapping):
        return msgspec.json.decode(text, type=hint)
    return msgspec.convert(text.strip(), hint, strict=False)
