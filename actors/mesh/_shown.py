"""What of a message a person may see: everything but what is personal, secret, or has the name of a secret."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import msgspec

from actors.mesh._log import mask as without_secrets
from actors.mesh._personal import MASK, mask
from actors.mesh._privacy import PREFIX


def shown(struct: type[Any], data: Any) -> Any:
    """Return a struct's decoded JSON as tools may show it."""
    masked = mask(struct, data) if issubclass(struct, msgspec.Struct) else data
    return without_secrets(masked) if isinstance(masked, Mapping) else masked


def hidden_texts(data: Any, as_shown: Any) -> Iterator[str]:
    """Yield every text that stands in the data and was hidden."""
    if isinstance(data, Mapping):
        for name, value in data.items():
            yield from hidden_texts(value, as_shown.get(name) if isinstance(as_shown, Mapping) else None)
    elif isinstance(data, (list, tuple)):
        others = as_shown if isinstance(as_shown, (list, tuple)) else [None] * len(data)
        for value, other in zip(data, others, strict=True):
            yield from hidden_texts(value, other)
    elif isinstance(data, str) and data and data != as_shown:
        yield data


def without(data: Any, hidden: Collection[str]) -> Any:
    """Return data with these texts hidden wherever they stand, and all that is sealed."""
    if isinstance(data, str):
        return MASK if data in hidden or data.startswith(PREFIX) else data
    if isinstance(data, Mapping):
        return {without(name, hidden): without(value, hidden) for name, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [without(value, hidden) for value in data]
    return data
