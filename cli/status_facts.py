"""How a mesh stands, made of two looks at it. Pure: what is wrong is decided here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from actors.mesh.connect import READY, BrokerSurvey, ConsumerState, PoolState, Stats

LAG_HIGH = 1000
"""Messages before a reader, or commits before the broker: so many, and not getting fewer, is trouble."""


class Look(NamedTuple):
    """What was seen at one moment; `at_ms` is of a clock that only goes forward."""

    at_ms: float
    stats: Sequence[Stats]
    survey: BrokerSurvey


class PoolStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One domain, all its instances together. Rates and times are of what happened between the two looks."""

    domain: str
    instances: int
    requests_per_second: float = 0.0
    errors: int = 0
    refusals: int = 0
    average_ms: float | None = None
    in_flight: int = 0
    relay_backlog: int = 0
    unpublished: int = 0
    sagas_running: int = 0
    sagas_undoing: int = 0
    effects: int = 0
    dead_letters: int = 0
    restarts: int = 0
    problems: tuple[str, ...] = ()


class ConsumerStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One durable reader; `lag` is what was not delivered to it yet."""

    stream: str
    name: str
    lag: int
    unacknowledged: int
    redelivered: int
    growing: bool = False


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """The whole mesh; `troubles` are sentences, and `ok` says that there are none."""

    ok: bool
    nats: str
    seconds: float
    pools: tuple[PoolStatus, ...]
    consumers: tuple[ConsumerStatus, ...]
    troubles: tuple[str, ...]


class _Sum(NamedTuple):
    requests: int = 0
    errors: int = 0
    refusals: int = 0
    spent_ns: int = 0

    def minus(self, other: _Sum) -> _Sum:
        """What came since; a counter that began anew is taken as it is."""
        return self if self.requests < other.requests else _Sum(*(a - b for a, b in zip(self, other, strict=True)))


def compare(before: Look, now: Look, domains: Sequence[str]) -> Status:
    """Return how the mesh stands; `domains` are those that there ought to be."""
    seconds = max(0.0, (now.at_ms - before.at_ms) / 1000)
    pools = tuple(pools_of(before, now, domains, seconds))
    consumers = tuple(consumers_of(before.survey, now.survey))
    troubles = (*pool_troubles(pools, unpublished_of(before)), *consumer_troubles(consumers))
    return Status(
        ok=not troubles,
        nats=now.survey.version,
        seconds=round(seconds, 3),
        pools=pools,
        consumers=consumers,
        troubles=troubles,
    )


def pools_of(before: Look, now: Look, domains: Sequence[str], seconds: float) -> Iterator[PoolStatus]:
    earlier = {each.id: sum_of(each) for each in before.stats}
    by_domain = instances_of(now)
    for domain in sorted({*domains, *by_domain}):
        instances = by_domain.get(domain, ())
        since = [sum_of(stats).minus(earlier.get(stats.id, _Sum())) for stats, _ in instances]
        total = _Sum(*(sum(values) for values in zip(*since, strict=True))) if since else _Sum()
        states = [state for _, state in instances]
        yield PoolStatus(
            domain=domain,
            instances=len(instances),
            requests_per_second=round(total.requests / seconds, 1) if seconds else 0.0,
            errors=total.errors,
            refusals=total.refusals,
            average_ms=round(total.spent_ns / total.requests / 1e6, 2) if total.requests else None,
            in_flight=sum(state.in_flight for state in states),
            relay_backlog=sum(state.relay_backlog for state in states),
            restarts=sum(state.restarts for state in states),
            problems=tuple(dict.fromkeys(problem for state in states for problem in state.problems)),
            **of_domain(states),
        )


def of_domain(states: Sequence[PoolState]) -> Mapping[str, Any]:
    """What every pool of a domain says alike, as far as it could count."""
    return {
        "unpublished": max((state.unpublished for state in states), default=0),
        "sagas_running": max((unfinished(state, "running") for state in states), default=0),
        "sagas_undoing": max((unfinished(state, "undoing") for state in states), default=0),
        "effects": max((sum(state.effects.values()) for state in states), default=0),
        "dead_letters": max((state.dead_letters for state in states), default=0),
    }


def unfinished(state: PoolState, status: str) -> int:
    return sum(counts.get(status, 0) for counts in state.sagas.values())


def instances_of(look: Look) -> dict[str, list[tuple[Stats, PoolState]]]:
    """Return the pools by domain; services that are none of the mesh's are left out."""
    found: dict[str, list[tuple[Stats, PoolState]]] = {}
    for stats in look.stats:
        if (state := state_of(stats)) is not None:
            found.setdefault(stats.name, []).append((stats, state))
    return found


def state_of(stats: Stats) -> PoolState | None:
    """Return how a pool stands by its own word; None for another kind of service."""
    for endpoint in stats.endpoints:
        if endpoint.name == READY and endpoint.subject == f"{stats.name}.{READY}":
            try:
                return msgspec.convert(endpoint.data, PoolState)
            except msgspec.ValidationError:
                return PoolState(problems=("what it says of itself cannot be read: is it of another version?",))
    return None


def sum_of(stats: Stats) -> _Sum:
    refusals = 0
    for each in stats.endpoints:
        refused = each.data.get("refusals", 0) if isinstance(each.data, dict) else 0
        refusals += refused if isinstance(refused, int) else 0
    return _Sum(
        sum(each.num_requests for each in stats.endpoints),
        sum(each.num_errors for each in stats.endpoints),
        refusals,
        sum(each.processing_time for each in stats.endpoints),
    )


def unpublished_of(look: Look) -> dict[str, int]:
    return {
        domain: of_domain([state for _, state in found])["unpublished"] for domain, found in instances_of(look).items()
    }


def consumers_of(before: BrokerSurvey, now: BrokerSurvey) -> Iterator[ConsumerStatus]:
    earlier = {(each.stream, each.name): each.pending for each in all_consumers(before)}
    for each in all_consumers(now):
        yield ConsumerStatus(
            stream=each.stream,
            name=each.name,
            lag=each.pending,
            unacknowledged=each.unacknowledged,
            redelivered=each.redelivered,
            growing=0 < earlier.get((each.stream, each.name), each.pending) <= each.pending,
        )


def all_consumers(survey: BrokerSurvey) -> Iterator[ConsumerState]:
    for stream in survey.streams:
        yield from stream.consumers


def pool_troubles(pools: Sequence[PoolStatus], unpublished_before: Mapping[str, int]) -> Iterator[str]:
    for pool in pools:
        if not pool.instances:
            yield f"{pool.domain} has no instance: nobody answers for it"
        for problem in pool.problems:
            yield f"{pool.domain}: {problem}"
        if LAG_HIGH <= unpublished_before.get(pool.domain, 0) <= pool.unpublished:
            yield f"{pool.domain}: {pool.unpublished} commits wait for the broker and do not get fewer"
        if pool.dead_letters:
            letters = "letter waits" if pool.dead_letters == 1 else "letters wait"
            yield f"{pool.domain}: {pool.dead_letters} dead {letters} for a person"


def consumer_troubles(consumers: Sequence[ConsumerStatus]) -> Iterator[str]:
    for each in consumers:
        if each.lag >= LAG_HIGH and each.growing:
            yield f"{each.name} is {each.lag} messages of {each.stream} behind and does not catch up"
