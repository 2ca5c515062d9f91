"""What is no access token of ours, or one no more, lets nobody in (RFC 8725): RELIABILITY 4.2, row by row."""

from __future__ import annotations

import asyncio
import hmac
from typing import Any

import pytest
from msgspec.structs import replace

from actors.mesh import Expired, Overloaded, Refused, TimedOut, Unavailable
from actors.mesh.testing.clock import START_MS
from schemas.orders import GetOrder
from schemas.principal import Standing
from schemas.users import GetStanding
from tests.unit.gateway.conftest import ACCESS_KEYS, Gateway, encoded, signed

NOW = START_MS // 1000
HEADER = {"alg": "EdDSA", "typ": "at+jwt", "kid": "key-1"}
CLAIMS = {
    "iss": "actor-mesh", "aud": "actor-mesh", "sub": "user-ada", "sid": "s-1", "jti": "j-1",
    "iat": NOW, "exp": NOW + 600, "roles": ["customer"], "epoch": 3,
}  # fmt: skip
GOOD = signed(HEADER, CLAIMS)
ACTIVE = Standing(user_id="user-ada", status="active", epoch=3, sessions_epoch=1, roles=("customer",))


def header(**changes: object) -> str:
    return signed(HEADER | changes, CLAIMS)


def claims(**changes: object) -> str:
    return signed(HEADER, CLAIMS | changes)


def without(*names: str) -> str:
    return signed(HEADER, {name: value for name, value in CLAIMS.items() if name not in names})


def by_hmac(alg: str) -> str:
    """Signed as HS256 would be, with the public key for a secret, which everybody knows."""
    said = f"{encoded(HEADER | {'alg': alg})}.{encoded(CLAIMS)}"
    return f"{said}.{encoded(hmac.digest(ACCESS_KEYS['key-1'], said.encode(), 'sha256'))}"


def unsigned(alg: str) -> str:
    return f"{encoded(HEADER | {'alg': alg})}.{encoded(CLAIMS)}."


FORGED: dict[str, str] = {
    "alg none": unsigned("none"),
    "alg None": unsigned("None"),
    "alg none, signed": header(alg="none"),
    "alg HS256 with the public key": by_hmac("HS256"),
    "alg EdDSA, a MAC for a signature": by_hmac("EdDSA"),
    "alg unknown": header(alg="XX999"),
    "alg in other letters": header(alg="eddsa"),
    "alg a list": header(alg=["EdDSA"]),
    "alg missing": signed({"typ": "at+jwt", "kid": "key-1"}, CLAIMS),
    "kid a path": header(kid="../../dev/null"),
    "kid a query": header(kid="' OR 1=1 --"),
    "kid unknown": header(kid="key-2"),
    "kid a number": header(kid=1),
    "kid a list": header(kid=["key-1"]),
    "kid null": header(kid=None),
    "kid missing": signed({"alg": "EdDSA", "typ": "at+jwt"}, CLAIMS),
    "kid of 1 KB": header(kid="k" * 1024),
    "typ JWT": header(typ="JWT"),
    "typ id token": header(typ="id+jwt"),
    "typ missing": signed({"alg": "EdDSA", "kid": "key-1"}, CLAIMS),
    "jku": header(jku="https://evil.example/keys"),
    "x5u": header(x5u="https://evil.example/chain"),
    "x5c": header(x5c=["MII="]),
    "jwk": header(jwk={"kty": "OKP", "crv": "Ed25519", "x": "AA"}),
    "crit": header(crit=["exp"], exp=NOW),
    "b64": header(b64=False, crit=["b64"]),
    "header a list": signed([HEADER], CLAIMS),
    "header nested deep": signed(b"[" * 380, CLAIMS),
    "header no JSON": signed(b"\xff\xfe{", CLAIMS),
    "claims a list": signed(HEADER, [CLAIMS]),
    "claims no JSON": signed(HEADER, b"{"),
    "claims NaN": signed(HEADER, b'{"exp":NaN}'),
    "iss of another": claims(iss="actor-mesh-2"),
    "iss a list": claims(iss=["actor-mesh"]),
    "iss missing": without("iss"),
    "aud of another": claims(aud="others"),
    "aud among others": claims(aud=["actor-mesh", "others"]),
    "aud missing": without("aud"),
    "exp missing": without("exp"),
    "exp a text": claims(exp=str(NOW + 600)),
    "exp a fraction": claims(exp=NOW + 600.5),
    "exp beyond all bounds": claims(exp=10**30),
    "exp never": claims(exp=NOW + 10 * 365 * 86_400),
    "iat missing": without("iat"),
    "iat far past": claims(iat=NOW - 86_400),
    "iat negative": claims(iat=-1),
    "iat a minute ahead": claims(iat=NOW + 60, exp=NOW + 660),
    "iat one beyond the leeway": claims(iat=NOW + 31),
    "nbf to come": claims(nbf=NOW + 61),
    "sub missing": without("sub"),
    "sub no id": claims(sub="user.*"),
    "sub a number": claims(sub=7),
    "epoch missing": without("epoch"),
    "epoch a text": claims(epoch="3"),
    "epoch true": claims(epoch=True),
    "signature of another token": f"{claims(sub='user-bob').rpartition('.')[0]}.{GOOD.rpartition('.')[2]}",
    "signature cut": GOOD[:-1],
    "signature with a dot": GOOD + ".",
    "signature with what base64 skips": GOOD[:-4] + "*" + GOOD[-4:],
    "two dots": "..",
    "three dots": "a.b.c",
    "one part": GOOD.partition(".")[0],
    "twice": f"{GOOD} {GOOD}",
    "garbage": "\xff\x00\xfe",
    "huge": "e" * 4000,
    "huge in its claims": claims(filler="x" * 2000),
}  # fmt: skip
EXPIRED: dict[str, str] = {
    "expired": claims(iat=NOW - 700, exp=NOW - 100),
    "expired beyond the leeway": claims(iat=NOW - 630, exp=NOW - 30),
    "expired long ago": claims(iat=NOW - 86_400, exp=NOW - 86_400 + 600),
}
WITHIN: dict[str, str] = {
    "as it is made": GOOD,
    "expired within the leeway": claims(iat=NOW - 629, exp=NOW - 29),
    "a clock that is ahead": claims(iat=NOW + 30),
    "a claim that is not known": claims(scope="openid"),
    "a role that is not known": claims(roles=["captain"]),
}


@pytest.fixture
def gateway() -> Gateway:
    gateway = Gateway()
    gateway.mesh.answers["GetStanding"] = ACTIVE
    return gateway


def asked(gateway: Any) -> list[Any]:
    return [message for message, _ in gateway.mesh.asked]


async def refused(gateway: Any, token: str) -> tuple[int, str]:
    asking = asyncio.create_task(gateway.call("GET", "/v1/orders/o-1", token=token))
    await gateway.clock.advance(1)  # who is not known yet may be so in a moment
    answer = await asking
    assert token not in answer.body.decode(), "a problem quotes no token"
    return answer.status, answer.problem["code"]


@pytest.mark.parametrize("token", WITHIN.values(), ids=WITHIN)
async def test_a_good_token_lets_in(gateway: Any, token: str) -> None:
    assert (await gateway.call("GET", "/v1/orders/o-1", token=token)).status == 200
    assert asked(gateway) == [GetStanding(user_id="user-ada"), GetOrder(order_id="o-1", customer_id="user-ada")]


@pytest.mark.parametrize("name", [*FORGED, *EXPIRED])
async def test_a_bad_token_lets_nobody_in_and_harms_nobody(gateway: Any, name: str) -> None:
    code = "principal_invalid" if name in FORGED else "principal_expired"
    assert await refused(gateway, (FORGED | EXPIRED)[name]) == (401, code)
    assert gateway.mesh.asked == [], "nobody is bothered with it"
    assert (await gateway.call("GET", "/v1/orders/o-1", token=GOOD)).status == 200


async def test_a_header_beyond_all_bounds_is_not_even_read(gateway: Any) -> None:
    assert await refused(gateway, header(kid="k" * 10_000)) == (431, "headers_too_large")


@pytest.mark.parametrize("query", [b"access_token=%s", b"token=%s", b"authorization=Bearer+%s"])
async def test_a_token_in_the_address_counts_for_nothing(gateway: Any, query: bytes) -> None:
    answer = await gateway.call("GET", "/v1/me", query=query % GOOD.encode(), token="")
    assert (answer.status, answer.problem["code"]) == (401, "principal_missing")


@pytest.mark.parametrize(
    "standing",
    [
        pytest.param(replace(ACTIVE, epoch=4), id="a password changed, or a log-out"),
        pytest.param(replace(ACTIVE, status="deactivated"), id="deactivated"),
        pytest.param(replace(ACTIVE, status="unverified"), id="unverified"),
        pytest.param(Refused("user_unknown", kind="not_found"), id="gone"),
    ],
)
async def test_a_good_token_of_somebody_who_may_no_more_is_refused(gateway: Any, standing: Any) -> None:
    gateway.mesh.answers["GetStanding"] = standing
    assert await refused(gateway, GOOD) == (401, "principal_revoked")


async def test_a_token_that_lived_is_refused_once_it_has_expired(gateway: Any) -> None:
    assert (await gateway.call("GET", "/v1/orders/o-1", token=GOOD)).status == 200
    await gateway.clock.advance(630)
    assert await refused(gateway, GOOD) == (401, "principal_expired")


@pytest.mark.parametrize(
    "trouble",
    [
        Unavailable(), Overloaded(), TimedOut(), Expired(),
        Refused("permission_missing", kind="forbidden"), Refused("principal_invalid", kind="unauthenticated"),
    ],
    ids=str,
)  # fmt: skip
async def test_without_users_nobody_is_let_in_and_nobody_logged_out(gateway: Any, trouble: Exception) -> None:
    assert (await gateway.call("GET", "/v1/orders/o-1", token=GOOD)).status == 200
    gateway.mesh.answers["GetStanding"] = trouble
    await gateway.clock.advance(1.9)
    assert (await gateway.call("GET", "/v1/orders/o-1", token=GOOD)).status == 200, "it was just asked"
    await gateway.clock.advance(0.1)
    answer = await gateway.call("GET", "/v1/orders/o-1", token=GOOD)
    assert (answer.status, answer.problem["code"], answer.headers["retry-after"]) == (503, "unavailable", "1")
    gateway.mesh.answers["GetStanding"] = ACTIVE
    assert (await gateway.call("GET", "/v1/orders/o-1", token=GOOD)).status == 200
