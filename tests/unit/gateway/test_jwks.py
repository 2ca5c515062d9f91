"""The keys of access tokens are published as others read them (RFC 7517, RFC 8037)."""

from __future__ import annotations

from typing import Any

import jwt

from tests.unit.gateway.test_bad_tokens import GOOD


async def test_a_stranger_verifies_a_token_by_them(client: Any) -> None:
    answer = await client.get("/.well-known/jwks.json", headers={"authorization": ""})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/jwk-set+json"
    key = jwt.PyJWKSet.from_dict(answer.json())["key-1"]
    assert (
        jwt.decode(GOOD, key, algorithms=["EdDSA"], audience="actor-mesh", options={"verify_exp": False})["epoch"] == 3
    )


async def test_they_say_what_they_are_and_hold_nothing_private(client: Any) -> None:
    (key,) = (await client.get("/.well-known/jwks.json")).json()["keys"]
    assert len(key.pop("x")) == 43
    assert key == {"kty": "OKP", "crv": "Ed25519", "kid": "key-1", "alg": "EdDSA", "use": "sig"}


async def test_caches_may_hold_them_for_five_minutes(client: Any) -> None:
    answer = await client.get("/.well-known/jwks.json")
    assert answer.headers.get_list("cache-control") == ["public, max-age=300"]
