"""A bounded memory of persons' unwrapped keys, short enough that an erasure elsewhere is felt here soon."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

CACHED_KEYS_MAX = 10_000  # some 10 MB, and more persons than one process serves within the lifetime
LIFETIME_MS = 30_000  # how long a key destroyed by another process may still be used here


class Known(NamedTuple):
    """What is remembered of a person: the key, or None where it was destroyed."""

    key: AESGCM | None
    until_ms: int


class KeyCache:
    """Keys by person; the one not asked for longest goes first."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._known: OrderedDict[str, Known] = OrderedDict()

    def get(self, person: str) -> Known | None:
        """Return what is remembered, unless it is too old."""
        known = self._known.get(person)
        if known is None:
            return None
        if known.until_ms <= self._now_ms():
            del self._known[person]
            return None
        self._known.move_to_end(person)
        return known

    def remember(self, person: str, key: AESGCM | None) -> AESGCM | None:
        """Remember a key just read; one that was read before an erasure here does not bring the person back."""
        known = self.get(person)
        if known is not None and known.key is None:
            return None
        self._known[person] = Known(key, self._now_ms() + LIFETIME_MS)
        self._known.move_to_end(person)
        while len(self._known) > CACHED_KEYS_MAX:
            self._known.popitem(last=False)
        return key

    def remember_erased(self, person: str) -> None:
        """Forget a person's key, and remember that there is none."""
        self._known.pop(person, None)
        self.remember(person, None)
