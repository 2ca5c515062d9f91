"""Quotas: how often something may happen within a sliding window. A courtesy, never the truth."""

from __future__ import annotations

from typing import Protocol


class Quotas(Protocol):
    """Windows by key, shared by all processes. What is lost (a flush, a restart) begins anew and full."""

    async def take(self, key: str, member: str, *, limit: int, window_seconds: float, now_ms: int) -> bool:
        """Return whether a member is among the first `limit` of the window that ends now; it is from then on.

        The same member again gets the same answer, as long as the window lasts: asking twice takes once.
        """
        ...
