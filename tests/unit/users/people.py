"""Ada, from her registration on, as the tests of users know her; and a mesh of users alone."""

from __future__ import annotations

from actors import users
from actors.mesh.testing.memory_mesh import MemoryMesh
from actors.users.model.rules import Fresh
from actors.users.provider import CountedPasswords, Credentials, Tokens
from schemas.users import (
    AddUser,
    EmailVerificationRequested,
    EmailVerified,
    EpochRaised,
    LogIn,
    PasswordSet,
    SessionStarted,
    UserDeactivated,
    UserRegistered,
)

NOW_MS = 1_767_225_600_000
DAY_MS = 24 * 60 * 60 * 1000
FRESH = Fresh(now_ms=NOW_MS, password_hash="a-hash", token="a-token")
EMAIL = "ada@example.org"
PASSWORD = "correct horse"

REGISTERED = UserRegistered(user_id="ada", name="Ada", email=EMAIL)
PASSWORD_SET = PasswordSet(user_id="ada", password_hash="a-hash")
MAILED = EmailVerificationRequested(
    user_id="ada", name="Ada", email=EMAIL, token="a-token", expires_at_ms=NOW_MS + DAY_MS
)
FIRST_EPOCH = EpochRaised(user_id="ada", epoch=1, sessions_epoch=1, status="unverified", roles=("customer",))
UNVERIFIED = (REGISTERED, PASSWORD_SET, MAILED, FIRST_EPOCH)

VERIFIED = EmailVerified(user_id="ada", name="Ada", email=EMAIL)
SECOND_EPOCH = EpochRaised(user_id="ada", epoch=2, sessions_epoch=1, status="active", roles=("customer",))
ACTIVE = (*UNVERIFIED, VERIFIED, SECOND_EPOCH)

CLOSED = UserDeactivated(user_id="ada", reason="asked for")
THIRD_EPOCH = EpochRaised(user_id="ada", epoch=3, sessions_epoch=3, status="deactivated", roles=("customer",))
DEACTIVATED = (*ACTIVE, CLOSED, THIRD_EPOCH)

STARTED = SessionStarted(session_id="s1", user_id="ada", device="phone", epoch=2, started_at_ms=NOW_MS)


def raised(epoch: int, *, ends_sessions: bool, status: str = "active") -> EpochRaised:
    """Return the event that raises the epoch of ada, who is at the second."""
    return EpochRaised(
        user_id="ada",
        epoch=epoch,
        sessions_epoch=epoch if ends_sessions else 1,
        status="deactivated" if status == "deactivated" else "active",
        roles=("customer",),
    )


def tokens() -> Tokens:
    return Tokens(signing_key=bytes(range(32)), key_id="test", hmac_key=bytes(range(64, 96)))


def users_mesh(passwords: CountedPasswords | None = None, *, pools: int = 1) -> MemoryMesh:
    """Return users alone, in memory, with the cheapest hashes."""
    credentials = Credentials(passwords or CountedPasswords(), tokens())
    return MemoryMesh([users.actor], outside={Credentials: credentials}, pools_per_domain=pools)


async def add(mesh: MemoryMesh, user_id: str = "ada", email: str = EMAIL) -> None:
    """Add an active customer."""
    await mesh.client.ask(
        AddUser(user_id=user_id, name=user_id.title(), email=email, password=PASSWORD, roles=("customer",))
    )


def log_in(session_id: str = "s1", *, email: str = EMAIL, password: str = PASSWORD) -> LogIn:
    return LogIn(session_id=session_id, email=email, password=password, device="phone")
