"""Where a message of a stream stands and what becomes of it: both are in the subject it is to be settled at."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from actors.mesh.adapters.nats.message import Message

SETTLED_AT = "$JS.ACK."

ACKNOWLEDGED = b"+ACK"
WORKING = b"+WPI"

SHORT_WORDS = 9
"""`$JS.ACK.<stream>.<consumer>.<deliveries>.<sequence>. ...`; a longer one names domain and account first."""


class Place(NamedTuple):
    """Where a message stands in its stream and among all that its consumer handed over; `deliveries` counts from 1."""

    sequence: int
    deliveries: int
    handed_over: int
    stored_at_ms: int


def place(message: Message) -> Place:
    """Return where a message stands in its stream; raise ValueError where it is of none."""
    words = message.reply.split(".")
    first = 4 if len(words) == SHORT_WORDS else 6
    if not message.reply.startswith(SETTLED_AT) or len(words) < SHORT_WORDS or len(words) == SHORT_WORDS + 1:
        raise ValueError(f"{message.reply} is no place in a stream")
    deliveries, sequence, handed_over, stored_at_ns = (int(word) for word in words[first : first + 4])
    return Place(sequence, deliveries, handed_over, round(stored_at_ns / 1e6))


def again(after_seconds: float) -> bytes:
    """Return what has a message delivered again, later."""
    if after_seconds <= 0:
        return b"-NAK"
    return b"-NAK " + msgspec.json.encode({"delay": int(after_seconds * 1e9)})
