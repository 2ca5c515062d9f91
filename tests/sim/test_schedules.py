"""Seeded schedules of the whole shop: whatever is lost, late, doubled or dies, whoever runs next, all rules hold."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from tests.sim.__main__ import app
from tests.sim.planted_bugs import planted
from tests.sim.schedules import Mode, Ran, Schedule, command_of, ran, smaller, told

ROOT = Path(__file__).parents[2]
AT_ONCE = 50
"""Schedules of one test: some two seconds."""
AT_ONCE_SLOW = 1000


def hold(first: int, count: int, mode: Mode) -> list[Ran]:
    """Run schedules; fail with the smallest that shows the first failure."""
    runs = []
    for seed in range(first, first + count):
        found = ran(Schedule(seed, mode))
        assert not found.problems, told(smaller(found))
        runs.append(found)
    return runs


@pytest.mark.parametrize("first", range(0, 4 * AT_ONCE, AT_ONCE))
def test_when_faults_stop_all_comes_to_rest_and_every_invariant_holds(first: int) -> None:
    runs = hold(first, AT_ONCE, "liveness")
    happened = {fault.split()[0] for found in runs for fault in found.faults}
    assert happened == {"request", "reply", "store", "acknowledgement", "delivery", "deliveries", "killed"}


def test_while_faults_go_on_what_must_always_hold_does() -> None:
    runs = hold(1000, AT_ONCE, "safety")
    assert sum(len(found.faults) for found in runs) > AT_ONCE


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("mode", ["liveness", "safety"])
@pytest.mark.parametrize("first", range(10_000, 10_000 + 10 * AT_ONCE_SLOW, AT_ONCE_SLOW))
def test_every_invariant_holds_in_twenty_thousand_schedules(first: int, mode: Mode) -> None:
    hold(first, AT_ONCE_SLOW, mode)


def test_no_fault_strikes_where_none_is_planned() -> None:
    found = ran(Schedule(3, faults=()))
    assert (found.faults, found.problems) == ((), ())


def test_processes_die_between_any_two_writes() -> None:
    trace: list[str] = []
    for seed in range(6):
        ran(Schedule(seed), trace=trace)
    points = {line.partition("killed at ")[2].partition("#")[0] for line in trace}
    for write in ("journal.append", "sagas.save", "effects.begin", "effects.finish", "timers.finish", "outbox.clear"):
        assert {f"{write}.before", f"{write}.after"} <= points
    assert {"publish.before.order_placed", "publish.after.order_placed", "acknowledge.before.orders_sagas"} <= points


def test_one_seed_is_one_schedule_turn_by_turn() -> None:
    for seed in range(6):
        one, other = list[str](), list[str]()
        first, second = ran(Schedule(seed), trace=one), ran(Schedule(seed), trace=other)
        assert one == other
        assert first == second
    assert ran(Schedule(0)).digest != ran(Schedule(1)).digest


def test_another_order_of_turns_is_another_schedule_of_the_same_faults() -> None:
    drawn, in_order = ran(Schedule(4, faults=())), ran(Schedule(4, faults=(), shuffled=False))
    assert drawn.digest != in_order.digest


def test_one_seed_is_one_schedule_in_every_process() -> None:
    script = "from tests.sim.schedules import *; print([ran(Schedule(seed)).digest for seed in range(8)])"
    told_by = [
        subprocess.Popen(
            [sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, env={**os.environ, "PYTHONHASHSEED": seed}
        )
        for seed in ("1", "2")
    ]
    digests = {process.communicate(timeout=60)[0].decode().strip() for process in told_by}
    assert digests == {str([ran(Schedule(seed)).digest for seed in range(8)])}


def test_a_failure_is_made_small_and_its_one_command_shows_it_again() -> None:
    with planted("relay_cursor") as actors:
        found = next(each for seed in range(60) if (each := ran(Schedule(seed), actors=actors)).problems)
        small = smaller(found, actors=actors)
    assert 1 == len(small.faults) <= len(found.faults)
    assert small.broken & found.broken
    again = command_of(small, "relay_cursor")
    assert again in told(small, "relay_cursor")
    assert again.startswith(f"./just schedules --seed {found.schedule.seed} ")
    shown = command("--bug", "relay_cursor", "--seed", str(small.schedule.seed), "--fault", *small.faults, "--in-order")
    assert shown.returncode == 1, shown.stderr
    answer = msgspec.json.decode(shown.stdout)
    assert (answer["digest"], tuple(answer["problems"])) == (small.digest, small.problems)
    assert answer["again"] == again


def test_a_bug_that_is_not_known_is_told_with_those_that_are() -> None:
    shown = CliRunner().invoke(app, ["--bug", "of-mine"])
    assert shown.exit_code == 2
    assert "relay_cursor" in shown.output


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run what `./just schedules` runs."""
    return subprocess.run(
        [sys.executable, "-m", "tests.sim", "--json", *arguments],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
