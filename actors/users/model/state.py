"""What the past of a user adds up to. Pure: no clock, no network, no store."""

from __future__ import annotations

from hashlib import sha256
from typing import Annotated, TypeAlias

import msgspec
from msgspec.structs import replace

from schemas.message import Personal
from schemas.principal import UserRole, UserStatus
from schemas.users import (
    AddressAdded,
    AddressRemoved,
    EmailVerificationRequested,
    EmailVerified,
    EpochRaised,
    PasswordSet,
    ProfileChanged,
    RolesSet,
    UserDeactivated,
    UserRegistered,
)
from schemas.values import Locale

UserEvent: TypeAlias = (
    UserRegistered
    | PasswordSet
    | EmailVerificationRequested
    | EmailVerified
    | ProfileChanged
    | AddressAdded
    | AddressRemoved
    | RolesSet
    | UserDeactivated
    | EpochRaised
)


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """The mail that is under way: of its token only what recognises it. Times are Unix milliseconds."""

    digest: str
    expires_at_ms: int


class User(msgspec.Struct, frozen=True, kw_only=True):
    """One user. Sessions that began before `sessions_epoch` are over."""

    user_id: str
    status: UserStatus
    name: Annotated[str, Personal("user_id")]
    email: Annotated[str, Personal("user_id")]
    roles: tuple[UserRole, ...]
    locale: Locale = "en"
    password_hash: str = ""
    epoch: int = 0
    sessions_epoch: int = 0
    verification: Verification | None = None
    address_ids: tuple[str, ...] = ()


def evolve(user: User | None, event: UserEvent) -> User:
    if isinstance(event, UserRegistered):
        return User(
            user_id=event.user_id,
            status="active" if event.verified else "unverified",
            name=event.name,
            email=event.email,
            roles=event.roles,
        )
    assert user is not None, "a user is registered before anything else happens to them"
    match event:
        case PasswordSet():
            return replace(user, password_hash=event.password_hash)
        case EmailVerificationRequested():
            sent = Verification(digest=digest(event.token), expires_at_ms=event.expires_at_ms)
            return replace(user, verification=sent)
        case EmailVerified():
            return replace(user, status="active", verification=None)
        case ProfileChanged():
            return replace(user, name=event.name or user.name, locale=event.locale or user.locale)
        case AddressAdded():
            others = without(user.address_ids, event.address.address_id)
            return replace(user, address_ids=(*others, event.address.address_id))
        case AddressRemoved():
            return replace(user, address_ids=without(user.address_ids, event.address_id))
        case RolesSet():
            return replace(user, roles=event.roles)
        case UserDeactivated():
            return replace(user, status="deactivated", verification=None)
        case EpochRaised():
            return replace(user, epoch=event.epoch, sessions_epoch=event.sessions_epoch)


def without(address_ids: tuple[str, ...], address_id: str) -> tuple[str, ...]:
    return tuple(each for each in address_ids if each != address_id)


def digest(token: str) -> str:
    """Return what a token is recognised by: it is long and random, so a plain hash tells nothing about it."""
    return sha256(token.encode()).hexdigest()
