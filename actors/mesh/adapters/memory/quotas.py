"""Quotas of one process."""

from __future__ import annotations

from collections import OrderedDict

KEYS_MAX = 10_000
"""Windows kept; beyond, the one that was asked for longest ago begins anew."""


class MemoryQuotas:
    """Implements `Quotas`."""

    def __init__(self) -> None:
        self._windows: OrderedDict[str, dict[str, int]] = OrderedDict()

    async def take(self, key: str, member: str, *, limit: int, window_seconds: float, now_ms: int) -> bool:
        """Return whether a member is among the first of the window that ends now."""
        begin_ms = now_ms - window_seconds * 1000
        window = {name: at_ms for name, at_ms in self._windows.pop(key, {}).items() if at_ms > begin_ms}
        if member not in window and len(window) < limit:
            window[member] = now_ms
        self._windows[key] = window
        if len(self._windows) > KEYS_MAX:
            self._windows.popitem(last=False)
        return member in window
