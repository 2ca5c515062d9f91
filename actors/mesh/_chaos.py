"""Named points at which a test may end the process. Nothing in production: an empty plan costs one comparison.

`MESH_CHAOS="saga.sent.reserve_stock:1,append.done:3"` kills the process (as `kill -9` would) when the first point is
passed for the first time, or the second for the third time. A file beside the data remembers what has fired, so that
the restarted process goes on.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path


def die() -> None:
    """End this process at once, as a power cut of the process kind would."""
    os.kill(os.getpid(), signal.SIGKILL)


class Chaos:
    """A plan of deaths by point."""

    def __init__(self, plan: str = "", fired: Path | None = None, strike: Callable[[], None] = die) -> None:
        pairs = (entry.partition(":") for entry in plan.split(",") if entry)
        self._left = {point: int(count or 1) for point, _, count in pairs}
        self._fired = fired
        self._strike = strike

    def point(self, name: str) -> None:
        """Pass a point."""
        if not self._left or name not in self._left:
            return
        self._left[name] -= 1
        if self._left[name] == 0 and not self._has_fired(name):
            self._strike()

    def _has_fired(self, name: str) -> bool:
        if self._fired is None:
            return False
        marker = self._fired / f"chaos-{name}"
        if marker.exists():
            return True
        marker.write_text("fired")
        return False


NO_CHAOS = Chaos()
