"""What can be asked about users and their sessions."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec.structs import replace

from actors.mesh import Happened, Read, Refused, TimedOut, Unavailable
from actors.users.model.sessions import SessionEvent
from actors.users.model.state import UserEvent
from schemas.principal import Standing
from schemas.users import (
    AddressAdded,
    AddressRemoved,
    EmailVerificationRequested,
    EmailVerified,
    EpochRaised,
    GetStanding,
    GetUser,
    ListSessions,
    ListUsers,
    PasswordSet,
    ProfileChanged,
    RolesSet,
    SessionPage,
    SessionRefreshed,
    SessionRevoked,
    SessionStarted,
    SessionView,
    UserDeactivated,
    UserPage,
    UserRegistered,
    UserView,
)
from schemas.values import Address

EPOCHS_MAX = 1_000
"""Rows looked at of one user: the database holds one, a table in memory one an epoch."""


def user_view(view: UserView | None, event: UserEvent, happened: Happened) -> UserView:
    if isinstance(event, UserRegistered):
        return UserView(
            user_id=event.user_id,
            status="active" if event.verified else "unverified",
            name=event.name,
            email=event.email,
            roles=event.roles,
            registered_at_ms=happened.at_ms,
        )
    assert view is not None, "a user is registered before anything else happens to them"
    match event:
        case EmailVerified():
            return replace(view, status="active")
        case ProfileChanged():
            return with_profile(view, event)
        case AddressAdded():
            return replace(view, addresses=(*others(view, event.address.address_id), event.address))
        case AddressRemoved():
            return replace(view, addresses=others(view, event.address_id))
        case RolesSet():
            return replace(view, roles=event.roles)
        case UserDeactivated():
            return replace(view, status="deactivated")
        case PasswordSet() | EmailVerificationRequested() | EpochRaised():
            return view


def with_profile(view: UserView, event: ProfileChanged) -> UserView:
    return replace(
        view,
        name=event.name or view.name,
        phone=view.phone if event.phone is None else event.phone,
        locale=event.locale or view.locale,
    )


def others(view: UserView, address_id: str) -> tuple[Address, ...]:
    return tuple(address for address in view.addresses if address.address_id != address_id)


def session_view(view: SessionView | None, event: SessionEvent, happened: Happened) -> SessionView:
    if isinstance(event, SessionStarted):
        return SessionView(
            session_id=event.session_id,
            user_id=event.user_id,
            device=event.device,
            status="active",
            epoch=event.epoch,
            started_at_ms=event.started_at_ms,
            refreshed_at_ms=event.started_at_ms,
        )
    assert view is not None, "a session is started before anything else happens to it"
    match event:
        case SessionRefreshed():
            return replace(view, refreshed_at_ms=event.refreshed_at_ms)
        case SessionRevoked():
            return replace(view, status="revoked")


def standing(view: Standing | None, event: EpochRaised, happened: Happened) -> Standing:
    return Standing(
        user_id=event.user_id,
        status=event.status,
        epoch=event.epoch,
        sessions_epoch=event.sessions_epoch,
        roles=event.roles,
    )


async def get_user(query: GetUser, read: Read) -> UserView:
    # Other domains decide by it: whoever was just deactivated must not be shown as active a moment longer.
    return await read.one(UserView, query.user_id, at_least_version=query.at_least_version, current=True)


async def list_users(query: ListUsers, read: Read) -> UserPage:
    where = {"status": query.status}
    page = await read.page(UserView, where, cursor=query.cursor, limit=query.limit, newest_first=True)
    return UserPage(users=page.rows, next_cursor=page.next_cursor)


async def list_sessions(query: ListSessions, read: Read) -> SessionPage:
    now = await standing_of(query.user_id, read)
    where = {"user_id": query.user_id}
    page = await read.page(SessionView, where, cursor=query.cursor, limit=query.limit, newest_first=True)
    return SessionPage(sessions=tuple(as_of(now, each) for each in page.rows), next_cursor=page.next_cursor)


def as_of(now: Standing, session: SessionView) -> SessionView:
    """Show a session that ended with all others of its user as what it is: no event of its own says so."""
    return replace(session, status="revoked") if session.epoch < now.sessions_epoch else session


async def get_standing(query: GetStanding, read: Read) -> Standing:
    return await standing_of(query.user_id, read)


async def standing_of(user_id: str, read: Read) -> Standing:
    """Read it from the cache; where that is away, from the row that was written with the event."""
    try:
        return await read.one(Standing, user_id)
    except Refused:
        raise Refused("user_unknown", f"no user {user_id}", kind="not_found") from None
    except (Unavailable, TimedOut):
        rows = await read.inline("epochs", {"user_id": user_id}, limit=EPOCHS_MAX)
    if not rows:
        raise Refused("user_unknown", f"no user {user_id}", kind="not_found")
    newest = max(rows, key=epoch_of)
    return msgspec.convert(dict(newest), Standing)


def epoch_of(row: Mapping[str, object]) -> int:
    epoch = row["epoch"]
    assert isinstance(epoch, int)
    return epoch
