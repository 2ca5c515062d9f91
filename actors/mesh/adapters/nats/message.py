"""A message as the adapter has it, whichever client it came from."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class Message(msgspec.Struct, frozen=True):
    """What came in: `reply` is empty where nobody asked."""

    subject: str
    reply: str
    body: bytes
    headers: Mapping[str, str] = NO_HEADERS
