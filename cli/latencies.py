"""How long the answers of a day took: counted by kind, told as percentiles."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter_ns

import msgspec


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """The answers of one kind; percentiles are of the samples themselves."""

    count: int
    p50_ms: float
    p99_ms: float
    longest_ms: float


class Latencies:
    """Samples by kind."""

    def __init__(self) -> None:
        self._nanoseconds: dict[str, list[int]] = {}

    @contextmanager
    def timed(self, kind: str) -> Iterator[None]:
        """Time a block that ends well; what raises was no answer."""
        began = perf_counter_ns()
        yield
        self._nanoseconds.setdefault(kind, []).append(perf_counter_ns() - began)

    def told(self) -> dict[str, Latency]:
        """Return what there is by now."""
        return {kind: latency(samples) for kind, samples in sorted(self._nanoseconds.items())}


def latency(nanoseconds: list[int]) -> Latency:
    """Return the percentiles of some samples (nearest rank), at least one."""
    ordered = sorted(nanoseconds)

    def percentile(share: float) -> float:
        return round(ordered[max(0, math.ceil(share * len(ordered)) - 1)] / 1e6, 1)

    return Latency(
        count=len(ordered), p50_ms=percentile(0.5), p99_ms=percentile(0.99), longest_ms=round(ordered[-1] / 1e6, 1)
    )
