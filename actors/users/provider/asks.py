"""What each decision asks of the world beforehand: hashes, tokens, the time, and whether somebody is who they say."""

from __future__ import annotations

from actors.mesh import Consulting, Refused, States
from actors.users.model.email import normalised
from actors.users.model.rules import Fresh
from actors.users.model.sessions import Admitted, Session, Shown, going_on, token_invalid, turn_of
from actors.users.model.state import User
from actors.users.provider.port import Credentials
from schemas.users import (
    AddUser,
    ChangePassword,
    DeactivateUser,
    LogIn,
    RefreshSession,
    RegisterUser,
    ResendVerification,
    VerifyEmail,
)

NOBODY = ""
"""An id that no user can have: looked up where an address is nobody's, so that the same is done as for somebody."""


async def fresh_account(credentials: Credentials, command: RegisterUser, user: User | None, look: Consulting) -> Fresh:
    password_hash = await credentials.passwords.hash(command.password)
    return Fresh(now_ms=look.now_ms, password_hash=password_hash, token=credentials.tokens.verification())


async def fresh_password(credentials: Credentials, command: AddUser, user: User | None, look: Consulting) -> Fresh:
    return Fresh(now_ms=look.now_ms, password_hash=await credentials.passwords.hash(command.password))


async def fresh_token(
    credentials: Credentials, command: ResendVerification, user: User | None, look: Consulting
) -> Fresh:
    return Fresh(now_ms=look.now_ms, token=credentials.tokens.verification())


async def time_now(credentials: Credentials, command: VerifyEmail, user: User | None, look: Consulting) -> int:
    return look.now_ms


async def is_admin(credentials: Credentials, command: DeactivateUser, user: User | None, look: Consulting) -> bool:
    """Return whether an admin asks, or a process of ours on nobody's behalf."""
    return bool({"admin", "service"} & set(look.principal.roles)) and not look.principal.on_behalf_of


async def other_password(
    credentials: Credentials, command: ChangePassword, user: User | None, look: Consulting
) -> Fresh:
    if not await credentials.passwords.fits(user.password_hash if user else "", command.current_password):
        raise Refused(
            "password_mismatch", "that is not the present password", kind="forbidden", pointer="/current_password"
        )
    return Fresh(now_ms=look.now_ms, password_hash=await credentials.passwords.hash(command.new_password))


async def admit(credentials: Credentials, command: LogIn, session: Session | None, look: Consulting) -> Admitted:
    """Find the user and compare the password: the same steps, and the same refusal, whatever is wrong."""
    user_id = await look.claimed("email", normalised(command.email))
    user = await look.state(User, user_id or NOBODY)
    fits = await credentials.passwords.fits(user.password_hash if user else "", command.password)
    if user is None or not fits or user.status == "deactivated":
        raise Refused("credentials_invalid", "the e-mail address or the password is wrong", kind="unauthenticated")
    if user.status == "unverified":
        raise Refused(
            "email_unverified", f"open the link in the mail first, or ask for another as user {user.user_id}",
            kind="forbidden",
        )  # fmt: skip
    rehashed = ""
    if credentials.passwords.outgrown(user.password_hash):
        await look.held(User, user.user_id)
        rehashed = await credentials.passwords.hash(command.password)
    now_ms = look.now_ms
    tokens = credentials.tokens.session(
        session_id=command.session_id,
        user_id=user.user_id,
        roles=user.roles,
        epoch=user.epoch,
        generation=0,
        issued_at_ms=now_ms,
    )
    return Admitted(user_id=user.user_id, epoch=user.epoch, now_ms=now_ms, tokens=tokens, password_hash=rehashed)


async def shown(credentials: Credentials, command: RefreshSession, states: States, look: Consulting) -> Shown:
    """Read the refresh token, and make the next tokens where it is still good for some."""
    now_ms = look.now_ms
    generation = credentials.tokens.generation_of(command.session_id, command.refresh_token)
    session, user = going_on(states, command.session_id, now_ms)
    if generation is None:
        raise token_invalid()
    turn = turn_of(session, generation, now_ms)
    if turn == "reused":
        return Shown(generation=generation, now_ms=now_ms, tokens=None)
    tokens = credentials.tokens.session(
        session_id=session.session_id,
        user_id=user.user_id,
        roles=user.roles,
        epoch=user.epoch,
        generation=generation + 1,
        issued_at_ms=now_ms if turn == "rotated" else session.refreshed_at_ms,
    )
    return Shown(generation=generation, now_ms=now_ms, tokens=tokens)
