"""The NATS service API (ADR-32) as data: what a service answers on `$SRV.PING`, `$SRV.INFO` and `$SRV.STATS`."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

import msgspec

from actors.mesh._ports import ConsumerSpec

PREFIX = "$SRV"
Verb = Literal["PING", "INFO", "STATS"]
VERBS: tuple[Verb, ...] = get_args(Verb)

PING_TYPE = "io.nats.micro.v1.ping_response"
INFO_TYPE = "io.nats.micro.v1.info_response"
STATS_TYPE = "io.nats.micro.v1.stats_response"

READY = "ready"
"""The endpoint whose `data` is the pool's `PoolState`."""
CONSUMERS = "consumers"
"""In a pool's metadata: which streams it reads by which consumers, JSON of `Declared`."""


class Ping(msgspec.Struct, frozen=True, kw_only=True):
    """Who is there."""

    name: str
    id: str
    version: str
    metadata: dict[str, str] | None = None
    type: str = PING_TYPE


class EndpointInfo(msgspec.Struct, frozen=True, kw_only=True):
    """Where one message goes."""

    name: str
    subject: str
    queue_group: str = ""
    metadata: dict[str, str] | None = None


class Info(msgspec.Struct, frozen=True, kw_only=True):
    """What a service takes."""

    name: str
    id: str
    version: str
    description: str = ""
    endpoints: list[EndpointInfo] = []
    metadata: dict[str, str] | None = None
    type: str = INFO_TYPE


class EndpointStats(msgspec.Struct, frozen=True, kw_only=True):
    """How one message has fared since the start. Times are nanoseconds."""

    name: str
    subject: str
    queue_group: str = ""
    num_requests: int = 0
    num_errors: int = 0
    last_error: str = ""
    processing_time: int = 0
    average_processing_time: int = 0
    data: Any = None


class Stats(msgspec.Struct, frozen=True, kw_only=True):
    """How a service has fared since it `started` (RFC 3339, milliseconds, UTC)."""

    name: str
    id: str
    version: str
    started: str
    endpoints: list[EndpointStats] = []
    metadata: dict[str, str] | None = None
    type: str = STATS_TYPE


class Declared(msgspec.Struct, frozen=True, kw_only=True):
    """One durable consumer that a pool reads by."""

    stream: str
    name: str
    filter_subjects: tuple[str, ...]


Count = Annotated[int, msgspec.Meta(ge=0)]


class PoolState(msgspec.Struct, frozen=True, kw_only=True):
    """How a pool stands: the first four are of this process, the others of its domain, the same in every pool of it.

    `sagas`, `effects`: by name, how many are unfinished; a saga's also by whether it goes on or is undone.
    """

    in_flight: Count = 0
    mailboxes: Count = 0
    relay_backlog: Count = 0
    restarts: Count = 0
    unpublished: Count = 0
    sagas: dict[str, dict[str, int]] = {}
    effects: dict[str, int] = {}
    dead_letters: Count = 0
    problems: tuple[str, ...] = ()


def declared(consumers: tuple[ConsumerSpec, ...]) -> str:
    """Return what a pool says of its consumers."""
    return msgspec.json.encode(
        [Declared(stream=each.stream, name=each.name, filter_subjects=each.filter_subjects) for each in consumers]
    ).decode()


def read_declared(metadata: dict[str, str] | None) -> tuple[Declared, ...]:
    """Return what a pool said of its consumers; raise msgspec's error where that cannot be read."""
    return msgspec.json.decode((metadata or {}).get(CONSUMERS, "[]"), type=tuple[Declared, ...])
