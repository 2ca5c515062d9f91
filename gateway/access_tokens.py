"""Access tokens: what a person's client is let in by (a JWT, RFC 9068), read against the keys that are loaded here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from msgspec import Meta

from actors.mesh import Refused
from actors.mesh._ports.world import Clock
from actors.mesh._principals import ALGORITHM, LEEWAY_SECONDS, remember, unauthenticated
from schemas.message import Id

TYPE = "at+jwt"
ISSUER = "actor-mesh"
AUDIENCE = "actor-mesh"

LIFETIME_SECONDS_MAX = 900
"""Users gives ten minutes; what claims more than half as much again was made by mistake or by somebody else."""

WELL_FORMED = re.compile(r"[0-9A-Za-z_-]{1,512}\.[0-9A-Za-z_-]{1,1400}\.[0-9A-Za-z_-]{86}")
"""Header, claims and the 64 bytes of a signature; ours are 500 characters. Decoders of base64 skip what is none."""

HEADER = {"alg", "kid", "typ"}
"""All that a header holds: what names a key of its own or asks for more (`jku`, `x5u`, `jwk`, `crit`) is refused."""

# PyJWT would read the machine's clock: the times are checked here, by the clock that was given.
OPTIONS: Any = {"strict_aud": True, "verify_exp": False, "verify_iat": False, "verify_nbf": False}

Seconds = Annotated[int, Meta(ge=0, le=2**40)]


class AccessClaims(msgspec.Struct, frozen=True, kw_only=True):
    """What a token says that is needed here; times are Unix seconds. What else it says is no reason to refuse it."""

    iss: Literal["actor-mesh"]
    aud: Literal["actor-mesh"]
    sub: Id
    sid: Id
    iat: Seconds
    exp: Seconds
    nbf: Seconds = 0
    epoch: Annotated[int, Meta(ge=0, le=2**53)]


class AccessTokens:
    """Reads access tokens; a signature is checked once, the life of the token each time."""

    def __init__(self, public_keys: Mapping[str, bytes], clock: Clock) -> None:
        self._keys = {name: Ed25519PublicKey.from_public_bytes(raw) for name, raw in public_keys.items()}
        self._clock = clock
        self._verified: dict[str, AccessClaims] = {}

    def read(self, token: str) -> AccessClaims:
        """Return what the token says; raise Refused (`unauthenticated`) where it cannot be trusted, or not now."""
        claims = self._verified.get(token)
        if claims is None:
            claims = self._verify(token)
            remember(self._verified, token, claims)
        check_life(claims, self._clock.now_ms() // 1000)
        return claims

    def _verify(self, token: str) -> AccessClaims:
        if not WELL_FORMED.fullmatch(token):
            raise invalid("it is none of ours")
        try:
            header = jwt.get_unverified_header(token)
            key = self._keys.get(header.get("kid", ""))
            if key is None or header.keys() != HEADER or (header["alg"], header["typ"]) != (ALGORITHM, TYPE):
                raise invalid("nobody known here signed it")
            claims = jwt.decode(token, key, algorithms=[ALGORITHM], issuer=ISSUER, audience=AUDIENCE, options=OPTIONS)
            return msgspec.convert(claims, AccessClaims)
        except (jwt.PyJWTError, msgspec.ValidationError, ValueError, RecursionError) as error:
            raise invalid(type(error).__name__) from None  # only that is told: the message may quote the token


def check_life(claims: AccessClaims, now_seconds: int) -> None:
    """Raise Refused unless the token is good now, give or take what two clocks may differ."""
    if max(claims.iat, claims.nbf) > now_seconds + LEEWAY_SECONDS:
        raise invalid("it is from the future")
    if claims.exp - claims.iat > LIFETIME_SECONDS_MAX:
        raise invalid("it claims too long a life")
    if now_seconds >= claims.exp + LEEWAY_SECONDS:
        raise unauthenticated("principal_expired", "the token has expired: refresh the session")


def invalid(why: str) -> Refused:
    """Return the refusal of a token that is not trusted."""
    return unauthenticated("principal_invalid", f"the token cannot be trusted ({why})")
