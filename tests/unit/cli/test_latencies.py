"""Percentiles are samples that were taken, and what failed is none."""

import pytest

from cli.latencies import Latencies, latency

MILLISECOND = 1_000_000


def test_percentiles_are_samples_of_the_day() -> None:
    told = latency([number * MILLISECOND for number in range(1, 101)])
    assert (told.count, told.p50_ms, told.p99_ms, told.longest_ms) == (100, 50.0, 99.0, 100.0)


def test_one_sample_is_every_percentile() -> None:
    told = latency([7 * MILLISECOND])
    assert (told.count, told.p50_ms, told.p99_ms, told.longest_ms) == (1, 7.0, 7.0, 7.0)


def test_an_answer_that_failed_is_not_counted() -> None:
    latencies = Latencies()
    with latencies.timed("place"):
        pass
    with pytest.raises(RuntimeError), latencies.timed("place"):
        raise RuntimeError
    assert [(kind, each.count) for kind, each in latencies.told().items()] == [("place", 1)]
