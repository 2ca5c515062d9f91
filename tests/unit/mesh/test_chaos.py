"""Chaos points: a plan of deaths, each of them once."""

from __future__ import annotations

from pathlib import Path

from actors.mesh._chaos import NO_CHAOS, Chaos


class Struck(Exception):
    """The process would be gone."""


def passes(chaos: Chaos, *points: str) -> list[str]:
    """Return the points that struck."""
    struck = []
    for point in points:
        try:
            chaos.point(point)
        except Struck:
            struck.append(point)
    return struck


def strike() -> None:
    raise Struck


def test_without_a_plan_nothing_strikes() -> None:
    NO_CHAOS.point("append.before.place_order")


def test_a_point_strikes_the_time_that_was_planned_and_no_other() -> None:
    chaos = Chaos("a:2,b", strike=strike)
    assert passes(chaos, "a", "c", "b", "a", "a", "b", "a") == ["b", "a"]


def test_a_process_that_comes_back_does_not_strike_again(tmp_path: Path) -> None:
    assert passes(Chaos("a", tmp_path, strike), "a", "a") == ["a"]
    assert passes(Chaos("a", tmp_path, strike), "a", "a") == []
    assert passes(Chaos("b", tmp_path, strike), "b") == ["b"]
