"""What the past of a session adds up to, and what each command does to it. Pure: no clock, no network, no store.

A session is a family of refresh tokens: one is good at a time, by its generation, and each use makes the next.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal, TypeAlias

import msgspec
from msgspec.structs import replace

from actors.mesh import Key, Refused, States
from actors.users.model.rules import raised
from actors.users.model.state import User, UserEvent
from schemas.principal import SessionTokens
from schemas.users import (
    LogIn,
    PasswordSet,
    RefreshSession,
    RevokeSession,
    SessionRefreshed,
    SessionRevoked,
    SessionStarted,
    SessionStatus,
)

SessionEvent: TypeAlias = SessionStarted | SessionRefreshed | SessionRevoked
Turn: TypeAlias = Literal["rotated", "repeated", "reused"]
"""What showing a refresh token comes to: the next one, the same next one again, or the end of the family."""

IDLE_MS = 30 * 24 * 60 * 60 * 1000
"""How long a session that nobody uses can still be gone on with."""
GRACE_MS = 10 * 1000
"""How long the token before the present one is answered as it was: an answer that was lost logs nobody out."""


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """One log-in on one device; `generation` counts its refresh tokens, `epoch` is its user's at the log-in."""

    session_id: str
    user_id: str
    status: SessionStatus
    epoch: int
    generation: int
    refreshed_at_ms: int


class Admitted(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody whose password fits. `password_hash` is there where it was hashed anew, and harder."""

    user_id: str
    epoch: int
    now_ms: int
    tokens: SessionTokens
    password_hash: str = ""


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A refresh token of ours, by its generation, and the answer; none where it was used before."""

    generation: int
    now_ms: int
    tokens: SessionTokens | None


def log_in(session: Session | None, command: LogIn, admitted: Admitted) -> Iterator[SessionEvent | UserEvent]:
    if session is not None:
        raise Refused("session_exists", f"there is a session {command.session_id}; use a fresh id")
    if admitted.password_hash:
        yield PasswordSet(user_id=admitted.user_id, password_hash=admitted.password_hash)
    yield SessionStarted(
        session_id=command.session_id,
        user_id=admitted.user_id,
        device=command.device,
        epoch=admitted.epoch,
        started_at_ms=admitted.now_ms,
    )


def logged_in(session: Session, command: LogIn, admitted: Admitted) -> SessionTokens:
    return admitted.tokens


def keys_of_refresh(command: RefreshSession) -> Iterable[Key]:
    return (Key(Session, command.session_id),)


def user_of_session(states: States, command: RefreshSession) -> Iterable[Key]:
    session = states.of(Session, command.session_id)
    return () if session is None else (Key(User, session.user_id),)


def refresh(states: States, command: RefreshSession, shown: Shown) -> Iterator[SessionEvent | UserEvent]:
    session, user = going_on(states, command.session_id, shown.now_ms)
    match turn_of(session, shown.generation, shown.now_ms):
        case "rotated":
            yield SessionRefreshed(
                session_id=session.session_id,
                user_id=session.user_id,
                generation=session.generation + 1,
                refreshed_at_ms=shown.now_ms,
            )
        case "reused":
            yield SessionRevoked(session_id=session.session_id, user_id=session.user_id, reason="reused")
            yield raised(user)


def refreshed(states: States, command: RefreshSession, shown: Shown) -> SessionTokens:
    """Answer with the tokens; refuse where the session was ended just now, because its token was used twice."""
    if shown.tokens is None:
        raise token_invalid()
    return shown.tokens


def going_on(states: States, session_id: str, now_ms: int) -> tuple[Session, User]:
    """Return the session and its user where both are in good standing; refuse, always alike, where not."""
    session = states.of(Session, session_id)
    user = states.of(User, session.user_id) if session else None
    if session is None or user is None or session.status == "revoked" or user.status != "active":
        raise token_invalid()
    if session.epoch < user.sessions_epoch or now_ms >= session.refreshed_at_ms + IDLE_MS:
        raise token_invalid()
    return session, user


def turn_of(session: Session, generation: int, now_ms: int) -> Turn:
    if generation > session.generation:
        raise token_invalid()  # not given out yet, as far as is known here
    if generation == session.generation:
        return "rotated"
    just_now = now_ms <= session.refreshed_at_ms + GRACE_MS
    return "repeated" if generation == session.generation - 1 and just_now else "reused"


def revoke_session(states: States, command: RevokeSession) -> Iterator[SessionEvent | UserEvent]:
    session, user = states.of(Session, command.session_id), states.of(User, command.user_id)
    if session is None or user is None or session.user_id != user.user_id:
        raise Refused("session_unknown", f"no session {command.session_id}", kind="not_found")
    if session.status == "active":
        yield SessionRevoked(session_id=session.session_id, user_id=user.user_id, reason="logged_out")
        yield raised(user)


def keys_of_revocation(command: RevokeSession) -> Iterable[Key]:
    return (Key(Session, command.session_id), Key(User, command.user_id))


def evolve(session: Session | None, event: SessionEvent) -> Session:
    if isinstance(event, SessionStarted):
        return Session(
            session_id=event.session_id,
            user_id=event.user_id,
            status="active",
            epoch=event.epoch,
            generation=0,
            refreshed_at_ms=event.started_at_ms,
        )
    assert session is not None, "a session is started before anything else happens to it"
    if isinstance(event, SessionRefreshed):
        return replace(session, generation=event.generation, refreshed_at_ms=event.refreshed_at_ms)
    return replace(session, status="revoked")


def token_invalid() -> Refused:
    return Refused("refresh_token_invalid", "log in again", kind="unauthenticated")
