"""Tokens: only what a known issuer signed, now, is believed."""

import base64
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from actors.mesh import _principals
from actors.mesh._errors import Refused
from actors.mesh._principals import Signer, Verifier
from actors.mesh.testing.clock import START_MS, FakeClock
from schemas.principal import Principal

SEED = bytes(range(32))
OTHER_SEED = bytes(range(1, 33))
NOW = START_MS // 1000
ADA = Principal(subject="cust-ada", roles=("customer",), name="Ada")
SAGA = Principal(subject="orders", roles=("service",), on_behalf_of="cust-ada")


def pair(seed: bytes = SEED) -> tuple[Signer, Verifier, FakeClock]:
    clock = FakeClock()
    signer = Signer(seed, "gateway", clock)
    return signer, Verifier({"gateway": Signer(SEED, "gateway", clock).public_key}, clock), clock


def token_of(claims: dict[str, Any], *, kid: Any = "gateway", **header: Any) -> str:
    given = {"iss": "gateway", "sub": "cust-ada", "iat": NOW, "exp": NOW + 60, "roles": ["customer"]} | claims
    key = Ed25519PrivateKey.from_private_bytes(SEED)
    return jwt.encode({name: value for name, value in given.items() if value is not None}, key, "EdDSA",
                      headers={"kid": kid} | header)  # fmt: skip


def code_of(verifier: Verifier, token: str) -> str:
    with pytest.raises(Refused) as caught:
        verifier.verify(token)
    assert caught.value.kind == "unauthenticated"
    assert len(token) < 8 or token not in str(caught.value)
    return caught.value.code


@pytest.mark.parametrize("principal", [ADA, SAGA])
def test_what_was_signed_is_read_again(principal: Principal) -> None:
    signer, verifier, _ = pair()
    token = signer.sign(principal)
    assert verifier.verify(token) == principal
    assert verifier.verify(token) == principal, "also from the cache"


def test_no_token_is_a_missing_principal() -> None:
    assert code_of(pair()[1], "") == "principal_missing"


def test_a_token_of_another_key_is_refused() -> None:
    signer, verifier, _ = pair(OTHER_SEED)
    assert code_of(verifier, signer.sign(ADA)) == "principal_invalid"


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@pytest.mark.parametrize("algorithm", ["none", "None", "HS256", "ES256", "", None, 1])
def test_the_header_cannot_choose_the_algorithm(algorithm: object) -> None:
    _, verifier, _ = pair()
    claims = {"iss": "gateway", "sub": "a", "iat": NOW, "exp": NOW + 60, "roles": ["admin"]}
    for signature in ("", "AAAA"):
        token = f"{part({'alg': algorithm, 'typ': 'JWT', 'kid': 'gateway'})}.{part(claims)}.{signature}"
        assert code_of(verifier, token) == "principal_invalid"


def test_a_public_key_used_as_a_shared_secret_is_refused() -> None:
    signer, verifier, _ = pair()
    claims = {"iss": "gateway", "sub": "a", "iat": NOW, "exp": NOW + 60, "roles": ["admin"]}
    forged = jwt.encode(claims, signer.public_key, "HS256", headers={"kid": "gateway"})
    assert code_of(verifier, forged) == "principal_invalid"


@pytest.mark.parametrize("kid", ["stranger", "../../dev/null", "' OR 1=1 --", "", "k" * 1000])
def test_an_unknown_key_name_is_refused(kid: str) -> None:
    assert code_of(pair()[1], token_of({}, kid=kid)) == "principal_invalid"


def test_critical_header_extensions_are_refused() -> None:
    assert code_of(pair()[1], token_of({}, crit=["b64"], b64=True)) == "principal_invalid"


def test_a_tampered_token_is_refused() -> None:
    signer, verifier, _ = pair()
    header, _, signature = signer.sign(ADA).split(".")
    claims = {"iss": "gateway", "sub": "cust-ada", "iat": NOW, "exp": NOW + 60, "roles": ["admin"]}
    assert code_of(verifier, f"{header}.{part(claims)}.{signature}") == "principal_invalid"


@pytest.mark.parametrize("token", ["a", "a.b", "a.b.c", "..", "\x00.\x00.\x00", "é.é.é", "x" * 10_000, "{}.{}.{}"])
def test_what_is_no_token_is_refused(token: str) -> None:
    assert code_of(pair()[1], token) == "principal_invalid"


@pytest.mark.parametrize("claim", ["exp", "iat", "iss", "sub", "roles"])
def test_a_missing_claim_is_refused(claim: str) -> None:
    assert code_of(pair()[1], token_of({claim: None})) == "principal_invalid"


@pytest.mark.parametrize(
    "claims",
    [
        {"roles": ["root"]},
        {"roles": "admin"},
        {"roles": [["admin"]]},
        {"sub": ""},
        {"sub": 5},
        {"iss": "orders"},
        {"exp": "soon"},
        {"exp": 1e400},
        {"iat": NOW + 31},
        {"aud": "somebody-else"},
        {"nbf": NOW + 3600},
        {"admin": True},
    ],
)
def test_a_claim_that_does_not_fit_is_refused(claims: dict[str, Any]) -> None:
    assert code_of(pair()[1], token_of(claims)) == "principal_invalid"


async def test_a_token_expires_and_the_cache_does_not_keep_it_alive() -> None:
    signer, verifier, clock = pair()
    token = signer.sign(ADA)
    await clock.advance(89)
    assert verifier.verify(token) == ADA, "a clock may be half a minute ahead"
    await clock.advance(1)
    assert code_of(verifier, token) == "principal_expired"
    assert code_of(Verifier({"gateway": signer.public_key}, clock), token) == "principal_expired"


async def test_a_principal_is_signed_again_only_when_half_the_lifetime_is_over() -> None:
    signer, _, clock = pair()
    first = signer.sign(ADA)
    await clock.advance(29)
    assert signer.sign(ADA) == first
    await clock.advance(1)
    assert signer.sign(ADA) != first


def test_people_do_not_share_a_token() -> None:
    signer, _, _ = pair()
    assert signer.sign(ADA) != signer.sign(SAGA)


def test_the_caches_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_principals, "CACHED_MAX", 3)
    signer, verifier, _ = pair()
    for number in range(10):
        verifier.verify(signer.sign(Principal(subject=f"cust-{number}", roles=("customer",))))
    assert len(signer._signed) == len(verifier._verified) == 3


TOLD = ("inventory.tell.receive_stock.cup", "00000000-0000-4000-8000-000000000001", b"{}")


def test_a_token_for_one_message_is_good_for_that_one_as_of_when_it_was_stored() -> None:
    signer, verifier, clock = pair()
    token, digest = signer.sign_only(ADA, _principals.digest_of(*TOLD)), _principals.digest_of(*TOLD)
    stored_at_ms = clock.now_ms() + 60_000
    assert verifier.verify_only(token, digest, stored_at_ms) == ADA
    for other in (("a", *TOLD[1:]), (TOLD[0], "a", TOLD[2]), (*TOLD[:2], b"{ }")):
        with pytest.raises(Refused, match="principal_mismatch"):
            verifier.verify_only(token, _principals.digest_of(*other), stored_at_ms)
    with pytest.raises(Refused, match="principal_expired"):
        verifier.verify_only(token, digest, stored_at_ms + 30_000)
    with pytest.raises(Refused, match="principal_invalid"):
        verifier.verify_only(token, digest, 0)
    assert code_of(verifier, token) == "principal_mismatch", "not for a request"


def test_a_token_for_requests_is_no_good_for_a_message_on_a_stream() -> None:
    signer, verifier, clock = pair()
    with pytest.raises(Refused, match="principal_mismatch"):
        verifier.verify_only(signer.sign(ADA), "", clock.now_ms())
