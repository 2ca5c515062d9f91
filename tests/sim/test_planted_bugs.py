"""Ten bugs are planted; each is found, told by an invariant that names it, and made small."""

from __future__ import annotations

import pytest

from tests.sim.planted_bugs import BUGS, planted
from tests.sim.schedules import Ran, Schedule, ran, smaller, told

KNOWN = {
    "early_ack": 0, "no_inbox": 0, "lost_compensation": 11, "clamped_stock": 0, "double_capture": 1,
    "stale_decision": 5, "relay_cursor": 0, "counting_twice": 0, "timer_fired_twice": 0, "undo_forward": 0,
}  # fmt: skip
"""The first schedule that found it; where the code has changed since, one of the next will."""
SEARCHED_MAX = 100
"""Schedules looked through from there: three seconds, where one is enough as long as nothing changes."""
FAULTS_MAX = 3
"""No bug here needs more than so many faults at once."""


def searched(name: str, schedules: list[Schedule]) -> Ran:
    """Return the first schedule that tells of a bug by one of its own invariants."""
    with planted(name) as actors:
        for schedule in schedules:
            found = ran(schedule, actors=actors)
            if found.broken & BUGS[name].invariants:
                return found
    raise AssertionError(f"{name} was not found in {len(schedules)} schedules from {schedules[0].seed} on")


@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_found_and_gone_without_it(name: str) -> None:
    first = KNOWN[name]
    found = searched(name, [Schedule(seed, focus=BUGS[name].focus) for seed in range(first, first + SEARCHED_MAX)])
    without = ran(found.schedule)
    assert not without.problems, told(without)


@pytest.mark.parametrize("name", ["clamped_stock", "double_capture", "no_inbox", "timer_fired_twice"])
def test_what_must_never_be_is_seen_while_faults_go_on(name: str) -> None:
    searched(name, [Schedule(seed, mode="safety", focus=BUGS[name].focus) for seed in range(SEARCHED_MAX)])


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", BUGS)
def test_a_long_search_finds_it_where_nobody_looks_closely_and_makes_it_small(name: str) -> None:
    found = searched(name, [Schedule(seed) for seed in range(50_000, 52_000)])
    with planted(name) as actors:
        small = smaller(found, actors=actors)
    assert small.broken & found.broken
    assert len(small.faults) <= FAULTS_MAX, told(small, name)
