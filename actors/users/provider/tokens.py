"""The tokens people are let in by: access tokens that say who, refresh tokens that get the next one, links in mails."""

from __future__ import annotations

import base64
import hmac
import secrets
from collections.abc import Callable

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from schemas.envelope import derived_id
from schemas.principal import SessionTokens, UserRole

ALGORITHM = "EdDSA"
TYPE = "at+jwt"
"""RFC 9068: no other token of ours is taken for an access token."""
ISSUER = "actor-mesh"
AUDIENCE = "actor-mesh"
ACCESS_SECONDS = 600
"""How long an access token is good for; the epoch ends it sooner."""
REFRESH_SECONDS = 30 * 24 * 60 * 60
KEY_BYTES = 32
VERIFICATION_BYTES = 32
GENERATION_DIGITS_MAX = 12


class Tokens:
    """Makes tokens, and reads its own refresh tokens. Nothing of them is kept: the same session makes the same ones."""

    def __init__(
        self,
        *,
        signing_key: bytes,
        key_id: str,
        hmac_key: bytes,
        random_text: Callable[[int], str] = secrets.token_urlsafe,
    ) -> None:
        """`signing_key` is an Ed25519 seed, whose public half the gateway knows as `key_id`."""
        self._key = Ed25519PrivateKey.from_private_bytes(signing_key)
        self._key_id = key_id
        self._refresh_key = HKDF(SHA256(), KEY_BYTES, None, b"actor-mesh refresh token").derive(hmac_key)
        self._random_text = random_text

    def session(
        self,
        *,
        session_id: str,
        user_id: str,
        roles: tuple[UserRole, ...],
        epoch: int,
        generation: int,
        issued_at_ms: int,
    ) -> SessionTokens:
        """Return the tokens of one generation of a session; the same arguments, the same tokens."""
        issued_at = issued_at_ms // 1000
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": user_id,
            "sid": session_id,
            "jti": derived_id("access", session_id, str(generation), str(epoch)),
            "iat": issued_at,
            "exp": issued_at + ACCESS_SECONDS,
            "roles": roles,
            "epoch": epoch,
        }
        access = jwt.encode(claims, self._key, ALGORITHM, headers={"kid": self._key_id, "typ": TYPE})
        return SessionTokens(
            session_id=session_id,
            user_id=user_id,
            access_token=access,
            access_expires_in_seconds=ACCESS_SECONDS,
            refresh_token=self._refresh(session_id, generation),
            refresh_expires_in_seconds=REFRESH_SECONDS,
        )

    def generation_of(self, session_id: str, refresh_token: str) -> int | None:
        """Return the generation of a refresh token of that session, None where it was not made here."""
        generation = refresh_token.split(".")[1:2]
        if not generation or not generation[0].isdecimal() or len(generation[0]) > GENERATION_DIGITS_MAX:
            return None
        number = int(generation[0])
        made = self._refresh(session_id, number)
        return number if hmac.compare_digest(made.encode(), refresh_token.encode()) else None

    def verification(self) -> str:
        """Return a fresh token for a mail."""
        return self._random_text(VERIFICATION_BYTES)

    def _refresh(self, session_id: str, generation: int) -> str:
        # An id has no dot, so the parts stay apart.
        said = f"{session_id}.{generation}"
        mac = hmac.digest(self._refresh_key, said.encode(), "sha256")
        return f"{said}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"
