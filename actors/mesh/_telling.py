"""How a command is told: where it is published, and the headers it is signed with."""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from actors.mesh._errors import Refused
from actors.mesh._ports import Clock, Ids
from actors.mesh._principals import digest_of
from actors.mesh._telemetry import traceparent
from schemas.envelope import CANONICAL_UUID, Envelope
from schemas.message import Accepted, Command, reply_type, sensitive_fields
from schemas.principal import Principal


class SignsOnly(Protocol):
    """Turns a principal into a token that is good for one told message alone."""

    def sign_only(self, principal: Principal, digest: str, lifetime_seconds: int = ...) -> str: ...


class Telling:
    """Signs told commands in the name of one identity."""

    def __init__(self, signer: SignsOnly, identity: Principal, clock: Clock, ids: Ids) -> None:
        self._signer, self._identity, self._clock, self._ids = signer, identity, clock, ids

    def sealed(self, subject: str, body: bytes, given: Envelope) -> Envelope:
        """Return the envelope of one told message: an id, a time, and a principal that fits no other message."""
        command_id = given.command_id or self._ids.new()
        if not CANONICAL_UUID.fullmatch(command_id):
            raise Refused("command_id_invalid", "a command's id is a UUID, in lower case with dashes", kind="invalid")
        return msgspec.structs.replace(
            given,
            command_id=command_id,
            correlation_id=given.correlation_id or command_id,
            issued_at_ms=given.issued_at_ms or self._clock.now_ms(),
            principal=given.principal or self._signer.sign_only(self._identity, digest_of(subject, command_id, body)),
            traceparent=given.traceparent or traceparent() or "",
        )


def telling_id(subject: str, body: bytes, envelope: Envelope) -> str:
    """Return what the stream knows a repeated telling by.

    Not the command's id alone: a refused command may be told again, and the stream would drop it unread for as long
    as its window is. That a command is done once is the journal's promise anyway.
    """
    return f"{digest_of(subject, envelope.command_id, body)}@{envelope.issued_at_ms}"


def refuse_untellable(command: type[Command[Any]]) -> None:
    """Refuse what may not lie in a stream, and what is pointless without its answer."""
    if fields := sensitive_fields(command):
        detail = f"{command.__name__} holds {', '.join(fields)}, which nobody may keep: ask it"
        raise Refused("command_sensitive", detail, kind="invalid", pointer=f"/{fields[0]}")
    if reply_type(command) is not Accepted:
        raise Refused("answer_lost", f"{command.__name__} has an answer that a tell would lose: ask it", kind="invalid")
