"""Interleaved rounds: every peer at every load, one after the other, so that the neighbours' noise hits all alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from bench.processes import Child, cpu_seconds

PAUSE_SECONDS = 0.2
"""Spans that wait are sent meanwhile, and are not the next peer's cost."""
WARM_CALLERS = 32
WARM_SECONDS = 0.6


class Shot(NamedTuple):
    """One peer under one load for a moment; `cpu_us` is per operation, by process."""

    rate: float
    p50_us: float
    p99_us: float
    errors: int
    cpu_us: Mapping[str, float]

    @property
    def cpu_us_total(self) -> float:
        return sum(self.cpu_us.values())


@dataclass
class Peer:
    """What is measured: the client that loads it, and the processes that share the work by name."""

    name: str
    client: Child
    others: Mapping[str, Callable[[], Sequence[int]]]
    shots: dict[int, list[Shot]] = field(default_factory=dict)

    def shot(self, load: int, seconds: float) -> Shot:
        """Load it for a moment."""
        pids = {name: find() for name, find in self.others.items()}
        before = {name: cpu_seconds(found) for name, found in pids.items()}
        answer = self.client.ask({"c": load, "s": seconds})
        done = max(1, answer["n"])
        used = {"client": answer["cpu"] / done * 1e6}
        for name, found in pids.items():
            earlier, now = before[name], cpu_seconds(found)
            if earlier is not None and now is not None:
                used[name] = (now - earlier) / done * 1e6
        return Shot(answer["n"] / answer["el"], answer["p50"], answer["p99"], answer["err"], used)


class Row(msgspec.Struct, frozen=True):
    """One line of a table: medians over the rounds, ratios of shots of the same round."""

    peer: str
    load: str
    rate: float
    rate_ratio: float | None
    cpu_us: Mapping[str, float]
    cpu_ratio: float | None
    p50_us: float
    p99_us: float
    errors: int


class Table(msgspec.Struct, frozen=True):
    """What one bench found."""

    name: str
    what: str
    base: str
    rows: tuple[Row, ...]
    missing: Mapping[str, str]
    """Rows that could not be had here, each with its reason."""
    notes: tuple[str, ...] = ()


def measure(peers: Sequence[Peer], loads: Sequence[int], rounds: int, seconds: float) -> None:
    """Take the shots, every other round in the opposite order."""
    for peer in peers:
        peer.shot(WARM_CALLERS, WARM_SECONDS)
    for number in range(rounds):
        for load in loads:
            for peer in peers if number % 2 == 0 else peers[::-1]:
                peer.shots.setdefault(load, []).append(peer.shot(load, seconds))
                time.sleep(PAUSE_SECONDS)


def rows_of(peers: Sequence[Peer], base: Peer, loads: Sequence[int], unit: str) -> tuple[Row, ...]:
    """Put the shots together, load by load."""
    return tuple(row_of(peer, base, load, unit.format(load)) for load in loads for peer in peers)


def row_of(peer: Peer, base: Peer, load: int, label: str) -> Row:
    """Put one peer's shots at one load together."""
    shots = peer.shots[load]
    pairs = list(zip(shots, base.shots[load], strict=True))
    names = shots[0].cpu_us
    return Row(
        peer=peer.name,
        load=label,
        rate=statistics.median(shot.rate for shot in shots),
        rate_ratio=statistics.median(shot.rate / other.rate for shot, other in pairs),
        cpu_us={name: statistics.median(shot.cpu_us[name] for shot in shots) for name in names},
        cpu_ratio=statistics.median(shot.cpu_us_total / other.cpu_us_total for shot, other in pairs),
        p50_us=statistics.median(shot.p50_us for shot in shots),
        p99_us=statistics.median(shot.p99_us for shot in shots),
        errors=sum(shot.errors for shot in shots),
    )
