"""What became of a told command, as the domain says when asked: `<domain>.query.tell_outcome.<command id>`."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from schemas.message import Accepted, Refusal

TELL_OUTCOME = "tell_outcome"
"""The question's name. Who told the command may ask, and who operates the mesh."""

CommandId = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![\s\S])")]
"""A UUID as the mesh writes it."""


class TellQuestion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Ask what became of one command."""

    command_id: CommandId


class TellOutcome(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How it ended. `refused`: a rule said no. `dead`: it could not be dealt with, and waits for a person.

    `pending` is also said of what was never told, of what somebody else told, and of what ended too long ago.
    `issued_at_ms` is when the sender says to have told what was refused or died: it may be told again under its id.
    """

    ending: Literal["pending", "accepted", "refused", "dead"]
    accepted: Accepted | None = None
    refusal: Refusal | None = None
    issued_at_ms: int = 0
