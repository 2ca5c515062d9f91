"""The whole life of a user as one table: which command is due in which status, and what is said where it is not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from actors.mesh import Refused
from actors.users.model.state import User
from schemas.message import Command, RefusalKind
from schemas.principal import UserStatus
from schemas.users import (
    AddAddress,
    ChangePassword,
    DeactivateUser,
    RemoveAddress,
    ResendVerification,
    RevokeSessions,
    SetRoles,
    UpdateProfile,
    VerifyEmail,
)

Outcome: TypeAlias = Literal["due", "same"] | str
"""It is done, it is so already, or the code of the refusal."""

DUE, SAME = "due", "same"
UNKNOWN, CLOSED, INVALID, EXISTS = "user_unknown", "user_deactivated", "verification_invalid", "user_exists"

# An unknown user is to whoever is not logged in as any other: nothing tells which accounts there are.
STATUSES: tuple[UserStatus | None, ...] = (
                        None,    "unverified", "active", "deactivated",
)  # fmt: skip
TABLE: Mapping[type[Command[Any]], tuple[Outcome, ...]] = {
    VerifyEmail:        (INVALID, DUE,         INVALID,  INVALID),
    ResendVerification: (SAME,    DUE,         SAME,     SAME),
    UpdateProfile:      (UNKNOWN, DUE,         DUE,      CLOSED),
    AddAddress:         (UNKNOWN, DUE,         DUE,      CLOSED),
    RemoveAddress:      (UNKNOWN, DUE,         DUE,      CLOSED),
    ChangePassword:     (UNKNOWN, DUE,         DUE,      CLOSED),
    RevokeSessions:     (UNKNOWN, DUE,         DUE,      SAME),
    SetRoles:           (UNKNOWN, DUE,         DUE,      CLOSED),
    DeactivateUser:     (UNKNOWN, DUE,         DUE,      SAME),
}  # fmt: skip
"""Registering stands outside: it is due where there is no user, and refused (`user_exists`) where there is one."""

WHY: Mapping[str, tuple[RefusalKind, str]] = {
    UNKNOWN: ("not_found", "there is no such user"),
    CLOSED: ("gone", "a closed account stays closed"),
    INVALID: ("invalid", "this link was used, or is of another mail; ask for a new one"),
    EXISTS: ("conflict", "there is a user of this id; use a fresh one"),
}


def due(user: User | None, command: Command[Any]) -> User | None:
    """Return the user where the command is due, None where it is so already; refuse where the table says a code."""
    outcome = TABLE[type(command)][STATUSES.index(user.status if user else None)]
    if outcome not in (DUE, SAME):
        raise refusal(outcome)
    return user if outcome == DUE else None


def refusal(code: str) -> Refused:
    kind, detail = WHY[code]
    return Refused(code, detail, kind=kind)
