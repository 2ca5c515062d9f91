"""The signed principal that every message carries: an EdDSA token, minted by an issuer, verified against known keys."""

from __future__ import annotations

import base64
import hashlib
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
    """What a token says. Times are Unix seconds; `obo` is the person a service acts for.

    `only` is the digest of the one message that the token is good for; empty, it is good for requests.
    """

    iss: str
    sub: str
    iat: int
    exp: int
    roles: tuple[Role, ...]
    name: str = ""
    obo: str = ""
    only: str = ""


def digest_of(subject: str, command_id: str, body: bytes) -> str:
    """Return what a token names a told message by: where it was published, as which command, and what it says."""
    # Neither a subject nor an id has a line break, so the three cannot be shifted against each other.
    told = hashlib.sha256(b"\n".join((subject.encode(), command_id.encode(), body))).digest()
    return base64.urlsafe_b64encode(told).rstrip(b"=").decode()


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
        token = self._minted(principal, now_ms, lifetime_seconds, "")
        remember(self._signed, (principal, lifetime_seconds), (token, now_ms + lifetime_seconds * 500))
        return token

    def sign_only(self, principal: Principal, digest: str, lifetime_seconds: int = LIFETIME_SECONDS) -> str:
        """Return a token that is good for one told message alone, if that is stored within the lifetime."""
        return self._minted(principal, self._clock.now_ms(), lifetime_seconds, digest)

    def _minted(self, principal: Principal, now_ms: int, lifetime_seconds: int, only: str) -> str:
        claims = Claims(
            iss=self._issuer,
            sub=principal.subject,
            iat=now_ms // 1000,
            exp=now_ms // 1000 + lifetime_seconds,
            roles=principal.roles,
            name=principal.name,
            obo=principal.on_behalf_of,
            only=only,
        )
        return jwt.encode(msgspec.to_builtins(claims), self._key, ALGORITHM, headers={"kid": self._issuer})


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
        self._verified.pop(token, None)
        claims = self._read(token)
        if claims.only:  # who sees a told message must not be able to ask anything with its token
            raise unauthenticated("principal_mismatch", "the token was signed for one told message alone")
        principal = believed(claims, now_ms)
        remember(self._verified, token, (principal, good_until_ms(claims)))
        return principal

    def verify_only(self, token: str, digest: str, stored_at_ms: int) -> Principal:
        """Return who told a message; raise Refused where the token is not for this one, or not of when it was stored.

        A told message may wait for longer than a token lives: what counts is when its stream took it.
        """
        claims = self._read(token)
        if not claims.only:
            raise unauthenticated("principal_mismatch", "a told message needs a token signed for it alone")
        if claims.only != digest:
            raise unauthenticated("principal_mismatch", "the token was signed for another subject, command id or body")
        return believed(claims, stored_at_ms)

    def _read(self, token: str) -> Claims:
        if not token:
            raise unauthenticated("principal_missing", "the message carries no principal")
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


def believed(claims: Claims, at_ms: int) -> Principal:
    """Return whom a token stands for; raise Refused where it was not valid then."""
    if claims.iat * 1000 > at_ms + LEEWAY_SECONDS * 1000:
        raise unauthenticated("principal_invalid", "the token is from the future")
    if at_ms >= good_until_ms(claims):
        raise unauthenticated("principal_expired", "the token has expired")
    return Principal(subject=claims.sub, roles=claims.roles, name=claims.name, on_behalf_of=claims.obo)


def good_until_ms(claims: Claims) -> int:
    return (claims.exp + LEEWAY_SECONDS) * 1000


def unauthenticated(code: str, detail: str) -> Refused:
    """Return the refusal of a message whose sender is not certain."""
    return Refused(code, detail, kind="unauthenticated")


def remember(cache: dict[Any, Any], key: object, value: object) -> None:
    """Put into a bounded cache; the oldest makes room, as its token is the next to expire."""
    cache.pop(key, None)
    if len(cache) >= CACHED_MAX:
        del cache[next(iter(cache))]
    cache[key] = value
