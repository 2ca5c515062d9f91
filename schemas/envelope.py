"""What travels beside every message: ids, cause, principal, deadline, trace context. The headers, in one place."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping

import msgspec

COMMAND_ID = "Mesh-Command-Id"
"""A UUID made by the sender: the same id again is the same command."""
CAUSE_ID = "Mesh-Cause-Id"
"""The id of the command or the event that this follows from."""
CORRELATION_ID = "Mesh-Correlation-Id"
"""The id of the first command of the story; absent where it is the command's own."""
KEY = "Mesh-Key"
"""On an event: the key of its entity in the journal, `order/0192...`."""
VERSION = "Mesh-Version"
"""On an event: which one of its entity it is, from 1."""
ISSUED_AT = "Mesh-Issued-At"
"""When the command was made, Unix milliseconds."""
DEADLINE = "Mesh-Deadline"
"""When nobody waits any more, Unix milliseconds: what is taken up later is refused."""
PRINCIPAL = "Mesh-Principal"
"""Who is asking, as a signed token."""
DECIDED_AT = "Mesh-Decided-At"
"""On an event: when the pool decided it, Unix milliseconds; kept with it, so that rebuilt views show the same."""
PERSON = "Mesh-Person"
"""On an event: the person whose wish caused it."""
OWNER = "Mesh-Owner"
"""On an event: the person whose entity it is, where its aggregate has an owner. Readers filter by it unopened."""
SCHEMA = "Mesh-Schema"
"""On an event: its version (`schemas.upcasts`); one without it is of the first."""
PRIVATE = "Mesh-Private"
"""On an event: its content stays in the journal, and this message only marks its version."""
TRACEPARENT = "traceparent"
"""The trace it belongs to (W3C Trace Context)."""
TRACESTATE = "tracestate"
"""What goes with the trace (W3C Trace Context)."""
ERROR = "Mesh-Error"
"""On a reply: `refused` (the body is a Refusal) or `failed` (the body is a Failure). Absent: the body is the reply."""
REPEATED = "Mesh-Repeated"
"""On a reply: the command had been done before, and this is the reply remembered."""

MESH = uuid.UUID("6d657368-0000-5000-8000-6163746f7273")
"""Namespace of every id the mesh derives (UUIDv5), so that a repeat derives the same one."""


CANONICAL_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""How ids nearly always come; whatever else stands for a UUID is made to look like it."""


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """The metadata of one message. Times are Unix milliseconds."""

    command_id: str = ""
    cause_id: str = ""
    correlation_id: str = ""
    issued_at_ms: int = 0
    deadline_ms: int = 0
    principal: str = ""
    traceparent: str = ""
    tracestate: str = ""

    def headers(self) -> dict[str, str]:
        """Return the envelope as NATS headers, empty fields left out."""
        headers = self.request_headers(is_command=False)
        if self.command_id:
            headers[COMMAND_ID] = self.command_id
        if self.correlation_id:
            headers[CORRELATION_ID] = self.correlation_id
        if self.issued_at_ms:
            headers[ISSUED_AT] = str(self.issued_at_ms)
        return headers

    def request_headers(self, *, is_command: bool) -> dict[str, str]:
        """Return what a request carries, as little as says the same: each header costs both ends several microseconds.

        A question has no id and no time, for it changes nothing; a correlation id that is the command's is left out.
        """
        headers: dict[str, str] = {}
        if is_command and self.command_id:
            headers[COMMAND_ID] = self.command_id
        if self.cause_id:
            headers[CAUSE_ID] = self.cause_id
        if self.correlation_id and self.correlation_id != self.command_id:
            headers[CORRELATION_ID] = self.correlation_id
        if is_command and self.issued_at_ms:
            headers[ISSUED_AT] = str(self.issued_at_ms)
        if self.deadline_ms:
            headers[DEADLINE] = str(self.deadline_ms)
        if self.principal:
            headers[PRINCIPAL] = self.principal
        if self.traceparent:
            headers[TRACEPARENT] = self.traceparent
        if self.tracestate:
            headers[TRACESTATE] = self.tracestate
        return headers


def read_envelope(headers: Mapping[str, str] | None) -> Envelope:
    """Return the envelope that NATS headers hold; raise ValueError naming the header that cannot be read."""
    given = headers or {}
    get = given.get
    command_id = get(COMMAND_ID, "")
    if command_id and not CANONICAL_UUID.fullmatch(command_id):
        try:
            command_id = str(uuid.UUID(command_id))
        except ValueError:
            raise ValueError(f"{COMMAND_ID} is no UUID") from None
    return Envelope(
        command_id=command_id,
        cause_id=get(CAUSE_ID, "")[:200],
        correlation_id=get(CORRELATION_ID, "")[:200] or command_id,
        issued_at_ms=milliseconds(given, ISSUED_AT) if ISSUED_AT in given else 0,
        deadline_ms=milliseconds(given, DEADLINE) if DEADLINE in given else 0,
        principal=get(PRINCIPAL, ""),
        traceparent=get(TRACEPARENT, ""),
        tracestate=get(TRACESTATE, "")[:512],
    )


def milliseconds(headers: Mapping[str, str], name: str) -> int:
    """Return a time header, 0 where it is absent; raise ValueError where it is no time before the year 2286."""
    text = headers.get(name, "")
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) <= 13):
        raise ValueError(f"{name} is no time in milliseconds")
    return int(text)


def derived_id(*parts: str) -> str:
    """Return the id that follows from other ids: the same parts, the same UUIDv5."""
    return str(uuid.uuid5(MESH, "\x1f".join(parts)))
