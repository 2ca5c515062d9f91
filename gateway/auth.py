"""Who is asking: a bearer token becomes a principal, and the principal's role is asked for the permission."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from hashlib import sha256
from hmac import compare_digest

from actors.mesh import Refused
from actors.mesh._principals import unauthenticated
from gateway.access_tokens import AccessTokens
from gateway.standings import Standings
from schemas.message import Message
from schemas.principal import Principal, allows, permission

Authenticate = Callable[[str], Awaitable[Principal]]
"""From the Authorization header (empty where there is none) to who it is now; raises Refused or a Fault."""

ANONYMOUS = Principal(subject="anonymous", roles=("anonymous",))
"""Whoever sends what needs no log-in. No token is looked at then: one that expired must keep nobody from a new one."""


class DevelopmentTokens:
    """A fixed set of tokens, for a laptop and for tests; a deployment has none."""

    def __init__(self, people: Mapping[str, Principal]) -> None:
        self._people = tuple((digest(token), principal) for token, principal in people.items())

    async def __call__(self, authorization: str) -> Principal:
        """Return whose token it is."""
        person = self.person(bearer(authorization))
        if person is None:
            raise unauthenticated("principal_invalid", "nobody has this token")
        return person

    def person(self, token: str) -> Principal | None:
        """Return whose token it is, if anybody's; all are compared each time, so that the time taken tells nothing."""
        given = digest(token)
        found: Principal | None = None
        for known, principal in self._people:
            if compare_digest(known, given):
                found = principal
        return found


class UserTokens:
    """The access tokens of people with an account, and beside them the development tokens."""

    def __init__(self, access: AccessTokens, standings: Standings, development: DevelopmentTokens) -> None:
        self._access = access
        self._standings = standings
        self._development = development

    async def __call__(self, authorization: str) -> Principal:
        """Return who it is, with the roles of now: those in the token are as old as the token."""
        token = bearer(authorization)
        person = self._development.person(token)
        if person is not None:
            return person
        claims = self._access.read(token)
        standing = await self._standings.current(claims.sub, claims.epoch)
        return Principal(subject=claims.sub, roles=standing.roles)


def bearer(authorization: str) -> str:
    """Return the token of an Authorization header; raise Refused where there is none."""
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise unauthenticated("principal_missing", "send Authorization: Bearer <token>")
    return token.strip()


def needs_nobody(message: type[Message]) -> bool:
    """Return whether a message may be sent by anybody."""
    return allows(ANONYMOUS, message)


async def admit(authenticate: Authenticate, authorization: str, message: type[Message]) -> Principal:
    """Return in whose name the message is sent; raise Refused where nobody known asks, or nobody who may."""
    if needs_nobody(message):
        return ANONYMOUS
    principal = await authenticate(authorization)
    permit(principal, message)
    return principal


def permit(principal: Principal, message: type[Message]) -> None:
    """Raise Refused unless a role of the principal allows the message; the pool asks again."""
    if not allows(principal, message):
        raise Refused("permission_missing", f"this needs the permission {permission(message)}", kind="forbidden")


def digest(token: str) -> bytes:
    """Return the hash that is compared: of the same length for all tokens."""
    return sha256(token.encode("utf-8", "surrogateescape")).digest()
