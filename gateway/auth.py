"""Who is asking: a bearer token becomes a principal, and the principal's role is asked for the permission."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256
from hmac import compare_digest

from actors.mesh import Refused
from schemas.message import Message
from schemas.principal import Principal, allows, permission

Authenticate = Callable[[str], Principal]
"""From the Authorization header (empty where there is none) to who it is; raises Refused."""


class DevelopmentTokens:
    """A fixed set of tokens, for a laptop and for tests; a deployment without any lets nobody in."""

    def __init__(self, people: Mapping[str, Principal]) -> None:
        self._people = tuple((digest(token), principal) for token, principal in people.items())

    def __call__(self, authorization: str) -> Principal:
        """Return whose token it is; all are compared each time, so that the time taken tells nothing."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise unauthenticated("principal_missing", "send Authorization: Bearer <token>")
        given = digest(token.strip())
        found: Principal | None = None
        for known, principal in self._people:
            if compare_digest(known, given):
                found = principal
        if found is None:
            raise unauthenticated("principal_invalid", "nobody has this token")
        return found


def unauthenticated(code: str, detail: str) -> Refused:
    """Return the refusal of one who is not known."""
    return Refused(code, detail, kind="unauthenticated")


def permit(principal: Principal, message: type[Message]) -> None:
    """Raise Refused unless a role of the principal allows the message; the pool asks again."""
    if not allows(principal, message):
        raise Refused("permission_missing", f"this needs the permission {permission(message)}", kind="forbidden")


def digest(token: str) -> bytes:
    """Return the hash that is compared: of the same length for all tokens."""
    return sha256(token.encode("utf-8", "surrogateescape")).digest()
