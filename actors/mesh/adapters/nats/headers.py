"""Headers on their way out: nats-py looks for line breaks character by character, and a signed principal is long."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

LONG_CHARACTERS = 40
"""From here on one look of our own is cheaper; a signed principal has some 300, a traceparent 55."""


class Clean(str):
    """A value without line breaks and without spaces at its ends: what cleaning it again returns is itself."""

    __slots__ = ()

    def strip(self, characters: str | None = None, /) -> Self:
        """Return itself."""
        return self

    def translate(self, table: Any, /) -> Self:
        """Return itself."""
        return self


def outgoing(headers: Mapping[str, str]) -> dict[str, str] | None:
    """Return headers as nats-py takes them; whatever is not clean is left for it to clean."""
    if not headers:
        return None
    return {name: cleaned(value) if len(value) > LONG_CHARACTERS else value for name, value in headers.items()}


def cleaned(value: str) -> str:
    """Mark a value that is clean."""
    if "\n" in value or "\r" in value or value.strip() != value:
        return value
    return Clean(value)
