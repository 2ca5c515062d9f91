"""What nats-py raises, as the mesh's own errors; and how large a message may be: the server hangs up on others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import nats.errors
import nats.js.errors

from actors.mesh._errors import Refused, TimedOut, Unavailable

FRAME_BYTES = 14
"""`NATS/1.0`, the end of its line, the empty line: what headers cost even where there is one only."""

LINE_BYTES = 4
"""The colon, the space and the end of the line of one header."""


def mesh_error(what: str, error: nats.errors.Error) -> Exception:
    """Return `TimedOut` where it may have happened, `Unavailable` where it cannot have."""
    match error:
        case nats.errors.TimeoutError():
            return TimedOut(f"{what}: no answer in time")
        case nats.errors.BadSubjectError() | nats.errors.BadHeaderError() | nats.js.errors.BadRequestError():
            return ValueError(f"{what}: {error}")
        case nats.errors.MaxPayloadError():
            return Refused("message_too_large", what, kind="invalid")
        case _:  # not connected, closed, draining, nobody there, not found, JetStream away
            return Unavailable(f"{what}: {error}")


@contextmanager
def as_mesh_errors(what: str) -> Iterator[None]:
    """Raise what nats-py raises as the mesh's own."""
    try:
        yield
    except nats.errors.Error as error:
        raise mesh_error(what, error) from error


def check_size(body: bytes, headers: Mapping[str, str], bytes_max: int) -> None:
    """Refuse what the server would cut the connection for; nats-py looks at the body only."""
    length = len(body)
    if headers:
        length += FRAME_BYTES + sum(len(name) + len(value) + LINE_BYTES for name, value in headers.items())
        if length <= bytes_max < length + 3 * (length - len(body)):  # near the limit: count octets, not characters
            length += sum(len(value.encode()) - len(value) for value in headers.values())
    if length > bytes_max:
        raise Refused("message_too_large", f"{length} bytes, {bytes_max} at most", kind="invalid")
