"""Delta debugging: of all that went wrong in a schedule, the little that it takes to fail."""

from __future__ import annotations

from collections.abc import Callable, Sequence

RUNS_MAX = 400
"""Schedules run to make one smaller: seconds, and by then little is left to leave out."""


def shrunk(faults: Sequence[str], fails: Callable[[Sequence[str]], bool], *, runs_max: int = RUNS_MAX) -> list[str]:
    """Return faults of which none can be left out, or as few as were found in that many runs.

    `fails` says whether a schedule with only these faults fails still; that it fails with all is taken as known.
    """
    kept, parts, runs = list(faults), 1, 0
    while kept and runs < runs_max:
        size = -(-len(kept) // parts)
        for start in range(0, len(kept), size):
            fewer = kept[:start] + kept[start + size :]
            runs += 1
            if fails(fewer):
                kept, parts = fewer, max(1, parts - 1)
                break
            if runs >= runs_max:
                return kept
        else:
            if size == 1:
                return kept
            parts = min(len(kept), parts * 2)
    return kept
