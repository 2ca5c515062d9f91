"""What happens on a connection, counted every time and logged at most once in a while."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

LOG_EVERY_SECONDS = 5.0
"""nats-py reports every dropped message by itself: a flood of messages must not become a flood of lines."""

_log = logging.getLogger(__name__)


class Notices:
    """Counts what happens by name. Never raises: nats-py goes deaf when one of its callbacks does."""

    def __init__(self, name: str, counters: Callable[[str], None]) -> None:
        self._name = name
        self._counters = counters
        self._counting_failed = False
        self._logged: dict[str, float] = {}

    def count(self, what: str) -> None:
        """Count what needs no line in the log."""
        try:
            self._counters(what)
        except Exception:  # noqa: BLE001 - whoever counts must not stop who is counted
            if not self._counting_failed:  # once: what fails now will fail every time
                _log.exception("counting %s failed", what)
            self._counting_failed = True

    def tell(self, what: str, detail: object = "") -> None:
        """Count it, and log the first and then at most one in a while."""
        self.count(what)
        now = asyncio.get_running_loop().time()
        if now - self._logged.get(what, -LOG_EVERY_SECONDS) >= LOG_EVERY_SECONDS:
            self._logged[what] = now
            failed = isinstance(detail, Exception)
            _log.warning("%s: %s: %s", self._name, what, repr(detail) if failed else detail)
