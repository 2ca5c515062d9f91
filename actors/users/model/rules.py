"""What each command does to a user. Pure: no clock, no network, no store."""

from __future__ import annotations

from collections.abc import Iterator
from hmac import compare_digest

import msgspec

from actors.mesh import Refused
from actors.users.model.state import User, UserEvent, digest
from actors.users.model.table import EXISTS, INVALID, due, refusal
from schemas.message import Accepted
from schemas.principal import UserRole, UserStatus
from schemas.users import (
    AddAddress,
    AddressAdded,
    AddressRemoved,
    AddUser,
    ChangePassword,
    DeactivateUser,
    EmailVerificationRequested,
    EmailVerified,
    EpochRaised,
    PasswordSet,
    ProfileChanged,
    RegisterUser,
    RemoveAddress,
    ResendVerification,
    RevokeSessions,
    RolesSet,
    SetRoles,
    UpdateProfile,
    UserDeactivated,
    UserRegistered,
    VerifyEmail,
)
from schemas.values import Address, Locale

VERIFICATION_MS = 24 * 60 * 60 * 1000
"""How long the link in a mail is good for."""
RESEND_MS = 60 * 1000
"""How far two mails of one user are apart at least."""
ADDRESSES_MAX = 20


class Fresh(msgspec.Struct, frozen=True, kw_only=True):
    """What the world adds to a command: the time (Unix milliseconds), a hash, a token that nobody knows yet."""

    now_ms: int
    password_hash: str = ""
    token: str = ""


def register(user: User | None, command: RegisterUser, fresh: Fresh) -> Iterator[UserEvent]:
    if user is not None:
        raise refusal(EXISTS)
    yield UserRegistered(user_id=command.user_id, name=command.name, email=command.email)
    yield PasswordSet(user_id=command.user_id, password_hash=fresh.password_hash)
    yield mail(command.user_id, command.name, command.email, fresh)
    yield EpochRaised(user_id=command.user_id, epoch=1, sessions_epoch=1, status="unverified", roles=("customer",))


def add(user: User | None, command: AddUser, fresh: Fresh) -> Iterator[UserEvent]:
    if user is not None:
        raise refusal(EXISTS)
    roles = in_order(command.roles)
    yield UserRegistered(user_id=command.user_id, name=command.name, email=command.email, roles=roles, verified=True)
    yield PasswordSet(user_id=command.user_id, password_hash=fresh.password_hash)
    yield EpochRaised(user_id=command.user_id, epoch=1, sessions_epoch=1, status="active", roles=roles)


def verify(user: User | None, command: VerifyEmail, now_ms: int) -> Iterator[UserEvent]:
    unverified = due(user, command)
    sent = unverified.verification if unverified else None
    if unverified is None or sent is None or not compare_digest(sent.digest, digest(command.token)):
        raise refusal(INVALID)
    if now_ms >= sent.expires_at_ms:
        raise Refused("verification_expired", "the link was good for a day; ask for a new one", kind="gone")
    yield EmailVerified(user_id=unverified.user_id, name=unverified.name, email=unverified.email)
    yield raised(unverified, status="active")


def resend(user: User | None, command: ResendVerification, fresh: Fresh) -> Iterator[UserEvent]:
    unverified = due(user, command)
    if unverified is None:
        return
    sent = unverified.verification
    if sent is None or fresh.now_ms >= sent.expires_at_ms - VERIFICATION_MS + RESEND_MS:
        yield mail(unverified.user_id, unverified.name, unverified.email, fresh, unverified.locale)


def resent(user: User | None, command: ResendVerification, fresh: Fresh) -> Accepted:
    """Answer the same for everybody: a version would tell who has an account."""
    return Accepted(entity_id=command.user_id, version=0)


def mail(user_id: str, name: str, email: str, fresh: Fresh, locale: Locale = "en") -> EmailVerificationRequested:
    return EmailVerificationRequested(
        user_id=user_id,
        name=name,
        email=email,
        token=fresh.token,
        expires_at_ms=fresh.now_ms + VERIFICATION_MS,
        locale=locale,
    )


def update_profile(user: User | None, command: UpdateProfile) -> Iterator[UserEvent]:
    if due(user, command) and (command.name, command.phone, command.locale) != (None, None, None):
        yield ProfileChanged(user_id=command.user_id, name=command.name, phone=command.phone, locale=command.locale)


def add_address(user: User | None, command: AddAddress) -> Iterator[UserEvent]:
    known = due(user, command)
    others = [each for each in known.address_ids if each != command.address_id] if known else []
    if len(others) >= ADDRESSES_MAX:
        raise Refused("addresses_full", f"{ADDRESSES_MAX} addresses are kept; remove one first", kind="limited")
    yield AddressAdded(
        user_id=command.user_id,
        address=Address(
            address_id=command.address_id,
            label=command.label,
            recipient=command.recipient,
            street=command.street,
            city=command.city,
            postal_code=command.postal_code,
            country=command.country,
        ),
    )


def remove_address(user: User | None, command: RemoveAddress) -> Iterator[UserEvent]:
    known = due(user, command)
    if known is not None and command.address_id in known.address_ids:
        yield AddressRemoved(user_id=command.user_id, address_id=command.address_id)


def change_password(user: User | None, command: ChangePassword, fresh: Fresh) -> Iterator[UserEvent]:
    known = due(user, command)
    if known is not None:
        yield PasswordSet(user_id=command.user_id, password_hash=fresh.password_hash)
        yield raised(known, ends_sessions=True)


def revoke_sessions(user: User | None, command: RevokeSessions) -> Iterator[UserEvent]:
    known = due(user, command)
    if known is not None:
        yield raised(known, ends_sessions=True)


def set_roles(user: User | None, command: SetRoles) -> Iterator[UserEvent]:
    known, roles = due(user, command), in_order(command.roles)
    if known is not None and known.roles != roles:
        yield RolesSet(user_id=command.user_id, roles=roles)
        yield raised(known, roles=roles)


def deactivate(user: User | None, command: DeactivateUser, by_admin: bool) -> Iterator[UserEvent]:
    known = due(user, command)
    if known is None:
        return
    if known.roles != ("customer",) and not by_admin:
        raise Refused("user_protected", "only an admin closes the account of a colleague", kind="forbidden")
    yield UserDeactivated(user_id=command.user_id, reason=command.reason)
    yield raised(known, ends_sessions=True, status="deactivated")


def raised(
    user: User,
    *,
    ends_sessions: bool = False,
    status: UserStatus | None = None,
    roles: tuple[UserRole, ...] | None = None,
) -> EpochRaised:
    """Return the event by which access tokens that are out count no more; sessions go on unless they are ended."""
    epoch = user.epoch + 1
    return EpochRaised(
        user_id=user.user_id,
        epoch=epoch,
        sessions_epoch=epoch if ends_sessions else user.sessions_epoch,
        status=status or user.status,
        roles=user.roles if roles is None else roles,
    )


def in_order(roles: tuple[UserRole, ...]) -> tuple[UserRole, ...]:
    """Return roles once each, the same set always as the same tuple."""
    return tuple(sorted(set(roles)))
