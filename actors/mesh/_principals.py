"""The signed principal that every message carries: an EdDSA token, minted by an issuer, verified against known keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from actors.mesh._errors import Refused
from actors.mesh._ports.world import Clock
from schemas.principal import Principal, Role

ALGORITHM = "EdDSA"
"""The only one, for every key: what a token's own header says about it is compared, never followed."""

LIFETIME_SECONDS = 60
"""Long enough for a hop and its retries; a stolen token is worthless after a minute and a half."""

LEEWAY_SECONDS = 30
"""How far the clocks of two machines may be apart."""

TOKEN_CHARACTERS_MAX = 4096
"""A principal is a few hundred; a longer one is an attack on the parser, and NATS headers are not for it."""

CACHED_MAX = 4096
"""Tokens remembered, so that a signature is checked once; about 2 MB, and more than the people active in a minute."""

REQUIRED_CLAIMS = ["exp", "iat", "iss", "sub"]

# PyJWT would read the machine's clock: the times are checked here, by the clock that was given.
OPTIONS: Any = {"require": REQUIRED_CLAIMS, "verify_exp": False, "verify_iat": False, "verify_nbf": False}


class Claims(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a token says. Times are Unix seconds; `obo` is the person a service acts for."""

    iss: str
    sub: str
    iat: int
    exp: int
    roles: tuple[Role, ...]
    name: str = ""
    obo: str = ""


class Signer:
    """Mints tokens with the key of one issuer; a principal gets the same token until half its life is over."""

    def __init__(self, seed: bytes, issuer: str, clock: Clock) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self._issuer = issuer
        self._clock = clock
        self._signed: dict[tuple[Principal, int], tuple[str, int]] = {}

    @property
    def public_key(self) -> bytes:
        """Return the raw key by which others verify what is signed here."""
        return self._key.public_key().public_bytes_raw()

    def sign(self, principal: Principal, lifetime_seconds: int = LIFETIME_SECONDS) -> str:
        """Return a token of which at least half the lifetime is left."""
        now_ms = self._clock.now_ms()
        cached = self._signed.get((principal, lifetime_seconds))
        if cached is not None and now_ms < cached[1]:
            return cached[0]
        claims = Claims(
            iss=self._issuer,
            sub=principal.subject,
            iat=now_ms // 1000,
            exp=now_ms // 1000 + lifetime_seconds,
            roles=principal.roles,
            name=principal.name,
            obo=principal.on_behalf_of,
        )
        token = jwt.encode(msgspec.to_builtins(claims), self._key, ALGORITHM, headers={"kid": self._issuer})
        remember(self._signed, (principal, lifetime_seconds), (token, now_ms + lifetime_seconds * 500))
        return token


class Verifier:
    """Reads tokens of known issuers; a token is verified once, then known until it expires."""

    def __init__(self, public_keys: Mapping[str, bytes], clock: Clock) -> None:
        self._keys = {issuer: Ed25519PublicKey.from_public_bytes(raw) for issuer, raw in public_keys.items()}
        self._clock = clock
        self._verified: dict[str, tuple[Principal, int]] = {}

    def verify(self, token: str) -> Principal:
        """Return who sent it; raise Refused (`unauthenticated`) where that is not certain."""
        now_ms = self._clock.now_ms()
        cached = self._verified.get(token)
        if cached is not None and now_ms < cached[1]:
            return cached[0]
        if not token:
            raise unauthenticated("principal_missing", "the message carries no principal")
        claims = self._read(token)
        if claims.iat * 1000 > now_ms + LEEWAY_SECONDS * 1000:
            raise unauthenticated("principal_invalid", "the token is from the future")
        good_until_ms = (claims.exp + LEEWAY_SECONDS) * 1000
        if now_ms >= good_until_ms:
            self._verified.pop(token, None)
            raise unauthenticated("principal_expired", "the token has expired")
        principal = Principal(subject=claims.sub, roles=claims.roles, name=claims.name, on_behalf_of=claims.obo)
        remember(self._verified, token, (principal, good_until_ms))
        return principal

    def _read(self, token: str) -> Claims:
        if len(token) > TOKEN_CHARACTERS_MAX:
            raise unauthenticated("principal_invalid", "the token is too long")
        try:
            header = jwt.get_unverified_header(token)
            issuer = header.get("kid")
            key = self._keys.get(issuer) if isinstance(issuer, str) else None
            if key is None or header.get("alg") != ALGORITHM or "crit" in header:
                raise unauthenticated("principal_invalid", "nobody known here signed the token")
            claims = jwt.decode(token, key, algorithms=[ALGORITHM], issuer=issuer, options=OPTIONS)
            read = msgspec.convert(claims, Claims)
        except (jwt.PyJWTError, msgspec.ValidationError, ValueError, RecursionError) as error:
            kind = type(error).__name__  # only that is told: the message may quote the token
            raise unauthenticated("principal_invalid", f"the token cannot be trusted ({kind})") from None
        if not read.sub:
            raise unauthenticated("principal_invalid", "the token names nobody")
        return read


def unauthenticated(code: str, detail: str) -> Refused:
    """Return the refusal of a message whose sender is not certain."""
    return Refused(code, detail, kind="unauthenticated")


def remember(cache: dict[Any, Any], key: object, value: object) -> None:
    """Put into a bounded cache; the oldest makes room, as its token is the next to expire."""
    cache.pop(key, None)
    if len(cache) >= CACHED_MAX:
        del cache[next(iter(cache))]
    cache[key] = value
