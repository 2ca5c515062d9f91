"""Users: people with an account, what they may do, and the sessions they are logged in by."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from schemas.message import Command, Event, Owner, Personal, Query, Sensitive
from schemas.principal import Roles, SessionTokens, Standing, UserRole, UserStatus
from schemas.values import (
    Address,
    AddressId,
    Country,
    Cursor,
    EmailAddress,
    Locale,
    PageSize,
    Password,
    Phone,
    SessionId,
    Text,
    Token,
    UserId,
    Version,
)

SessionStatus = Literal["active", "revoked"]


class RegisterUser(Command, frozen=True, kw_only=True):
    """Open an account as a customer; a mail asks to verify the address before the first log-in."""

    user_id: UserId
    name: Annotated[Text, Personal("user_id")]
    email: Annotated[EmailAddress, Personal("user_id")]
    password: Annotated[Password, Sensitive()]


class AddUser(Command, frozen=True, kw_only=True):
    """Add somebody with roles; the address counts as verified."""

    user_id: UserId
    name: Annotated[Text, Personal("user_id")]
    email: Annotated[EmailAddress, Personal("user_id")]
    password: Annotated[Password, Sensitive()]
    roles: Roles


class VerifyEmail(Command, frozen=True, kw_only=True):
    """Show that a mail arrived, by the token in it: good for one use within a day."""

    user_id: UserId
    token: Annotated[Token, Sensitive()]


class ResendVerification(Command, frozen=True, kw_only=True):
    """Send the mail again, once a minute at most; the answer is the same whether or not there is such a user."""

    user_id: UserId


class LogIn(Command[SessionTokens], frozen=True, kw_only=True):
    """Start a session; an unknown address and a wrong password are answered alike."""

    session_id: SessionId
    email: Annotated[EmailAddress, Sensitive()]
    password: Annotated[Text, Sensitive()]
    device: Text = "unknown"


class RefreshSession(Command[SessionTokens], frozen=True, kw_only=True):
    """Trade a refresh token for new tokens; one that was traded before ends the session, for two people have it."""

    session_id: SessionId
    refresh_token: Annotated[Token, Sensitive()]


class RevokeSession(Command, frozen=True, kw_only=True):
    """End one session: log out here, or from afar."""

    session_id: SessionId
    user_id: Annotated[UserId, Owner()]


class RevokeSessions(Command, frozen=True, kw_only=True):
    """End all sessions of a user."""

    user_id: Annotated[UserId, Owner()]


class UpdateProfile(Command, frozen=True, kw_only=True):
    """Change what is given; what is left out stays."""

    user_id: Annotated[UserId, Owner()]
    name: Annotated[Text | None, Personal("user_id")] = None
    phone: Annotated[Phone | None, Personal("user_id")] = None
    locale: Locale | None = None


class AddAddress(Command, frozen=True, kw_only=True):
    """Keep an address to deliver to; under an id that is there already it takes the other's place."""

    user_id: Annotated[UserId, Owner()]
    address_id: AddressId
    label: Annotated[Text, Personal("user_id")]
    recipient: Annotated[Text, Personal("user_id")]
    street: Annotated[Text, Personal("user_id")]
    city: Annotated[Text, Personal("user_id")]
    postal_code: Annotated[Text, Personal("user_id")]
    country: Country


class RemoveAddress(Command, frozen=True, kw_only=True):
    """Forget an address."""

    user_id: Annotated[UserId, Owner()]
    address_id: AddressId


class ChangePassword(Command, frozen=True, kw_only=True):
    """Set another password; it ends all sessions, the present one too."""

    user_id: Annotated[UserId, Owner()]
    current_password: Annotated[Text, Sensitive()]
    new_password: Annotated[Password, Sensitive()]


class SetRoles(Command, frozen=True, kw_only=True):
    """Say anew what a user may do."""

    user_id: UserId
    roles: Roles


class DeactivateUser(Command, frozen=True, kw_only=True):
    """Close an account: no log-in, no orders, all sessions end. Only an admin may close that of a colleague."""

    user_id: UserId
    reason: Text


class UserRegistered(Event, frozen=True, kw_only=True):
    user_id: UserId
    name: Annotated[str, Personal("user_id")]
    email: Annotated[str, Personal("user_id")]
    roles: tuple[UserRole, ...] = ("customer",)
    verified: bool = False  # added by somebody of ours


class PasswordSet(Event, frozen=True, kw_only=True):
    """Private: the hash never leaves the journal of this domain."""

    user_id: UserId
    password_hash: str


class EmailVerificationRequested(Event, frozen=True, kw_only=True):
    """A mail is to be sent with the token in it; `expires_at_ms` is Unix milliseconds."""

    user_id: UserId
    name: Annotated[str, Personal("user_id")]
    email: Annotated[str, Personal("user_id")]
    token: Annotated[str, Personal("user_id")]
    expires_at_ms: int
    locale: Locale = "en"


class EmailVerified(Event, frozen=True, kw_only=True):
    user_id: UserId
    name: Annotated[str, Personal("user_id")]
    email: Annotated[str, Personal("user_id")]


class ProfileChanged(Event, frozen=True, kw_only=True):
    """What is absent has stayed as it was."""

    user_id: UserId
    name: Annotated[str | None, Personal("user_id")] = None
    phone: Annotated[str | None, Personal("user_id")] = None
    locale: Locale | None = None


class AddressAdded(Event, frozen=True, kw_only=True):
    user_id: UserId
    address: Address


class AddressRemoved(Event, frozen=True, kw_only=True):
    user_id: UserId
    address_id: AddressId


class RolesSet(Event, frozen=True, kw_only=True):
    user_id: UserId
    roles: tuple[UserRole, ...]


class UserDeactivated(Event, frozen=True, kw_only=True):
    user_id: UserId
    reason: str


class EpochRaised(Event, frozen=True, kw_only=True):
    """Access tokens of an earlier epoch count no more; sessions that began before `sessions_epoch` are over."""

    user_id: UserId
    epoch: int
    sessions_epoch: int
    status: UserStatus
    roles: tuple[UserRole, ...]


class SessionStarted(Event, frozen=True, kw_only=True):
    session_id: SessionId
    user_id: UserId
    device: str
    epoch: int  # of its user, at the log-in
    started_at_ms: int


class SessionRefreshed(Event, frozen=True, kw_only=True):
    """Refresh tokens of earlier generations are spent."""

    session_id: SessionId
    user_id: UserId
    generation: int
    refreshed_at_ms: int


class SessionRevoked(Event, frozen=True, kw_only=True):
    session_id: SessionId
    user_id: UserId
    reason: Literal["logged_out", "reused"]


class UserView(msgspec.Struct, frozen=True, kw_only=True):
    user_id: UserId
    status: UserStatus
    name: Annotated[str, Personal("user_id")]
    email: Annotated[str, Personal("user_id")]
    roles: tuple[UserRole, ...]
    registered_at_ms: int
    phone: Annotated[str, Personal("user_id")] = ""
    locale: Locale = "en"
    addresses: tuple[Address, ...] = ()


class SessionView(msgspec.Struct, frozen=True, kw_only=True):
    """A log-in on one device; times are Unix milliseconds."""

    session_id: SessionId
    user_id: UserId
    device: str
    status: SessionStatus
    epoch: int
    started_at_ms: int
    refreshed_at_ms: int


class UserPage(msgspec.Struct, frozen=True, kw_only=True):
    """Newest first; `next_cursor` is empty on the last page."""

    users: tuple[UserView, ...]
    next_cursor: str = ""


class SessionPage(msgspec.Struct, frozen=True, kw_only=True):
    sessions: tuple[SessionView, ...]
    next_cursor: str = ""


class GetUser(Query[UserView], frozen=True, kw_only=True):
    """Show one user."""

    user_id: Annotated[UserId, Owner()]
    at_least_version: Version = 0


class ListUsers(Query[UserPage], frozen=True, kw_only=True):
    """List users, newest first."""

    status: UserStatus | None = None
    cursor: Cursor = ""
    limit: PageSize = 20


class ListSessions(Query[SessionPage], frozen=True, kw_only=True):
    """List the sessions of a user, newest first."""

    user_id: Annotated[UserId, Owner()]
    cursor: Cursor = ""
    limit: PageSize = 20


class GetStanding(Query[Standing], frozen=True, kw_only=True):
    """Say what a user's tokens are worth now."""

    user_id: UserId
