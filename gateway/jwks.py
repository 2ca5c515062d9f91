"""The keys that verify access tokens, published for whoever else has to (RFC 7517, RFC 8037)."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Literal

import msgspec
from litestar import Response
from litestar.handlers import HTTPRouteHandler

PATH = "/.well-known/jwks.json"
MEDIA_TYPE = "application/jwk-set+json"

MAX_AGE_SECONDS = 300
"""A new key is published that long before it signs."""


class PublicKey(msgspec.Struct, frozen=True, kw_only=True):
    """One Ed25519 key: `x` is its 32 bytes in base64url."""

    kid: str
    x: str
    kty: Literal["OKP"] = "OKP"
    crv: Literal["Ed25519"] = "Ed25519"
    alg: Literal["EdDSA"] = "EdDSA"
    use: Literal["sig"] = "sig"


class PublicKeys(msgspec.Struct, frozen=True, kw_only=True):
    """A key set."""

    keys: tuple[PublicKey, ...]


def key_set(keys: Mapping[str, bytes]) -> PublicKeys:
    """Return the keys by name as a set."""
    return PublicKeys(
        keys=tuple(
            PublicKey(kid=name, x=base64.urlsafe_b64encode(raw).rstrip(b"=").decode()) for name, raw in keys.items()
        )
    )


def jwks_handler(keys: Mapping[str, bytes]) -> HTTPRouteHandler:
    """Return the path that serves the keys; caches may hold it."""
    body = msgspec.json.encode(key_set(keys))
    headers = {"cache-control": f"public, max-age={MAX_AGE_SECONDS}"}

    async def show_keys() -> Response[bytes]:
        return Response(body, media_type=MEDIA_TYPE, headers=headers)

    return HTTPRouteHandler(PATH, http_method="GET")(show_keys)
