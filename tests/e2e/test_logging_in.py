"""From the registration to the last token that counts no more, over HTTP and real servers."""

from __future__ import annotations

import signal
import time
from collections.abc import Awaitable, Callable
from uuid import uuid4

import jwt
import pytest
import pytest_asyncio

from actors.mesh.testing.waiting import until
from tests.e2e.people import PASSWORD, Client, mailed_token
from tests.e2e.running import Running
from tests.e2e.test_canary import strays

pytestmark = pytest.mark.asyncio(loop_scope="session")

WITHIN_SECONDS = 5.0
"""The gateway remembers for two, and what users shows is a moment behind."""


@pytest_asyncio.fixture(loop_scope="session")
async def arthur(running: Running) -> Client:
    """Somebody who is registered, verified and logged in."""
    client = Client(running.http, f"arthur-{uuid4()}@example.org")
    await client.register()
    assert (await client.verify(await mailed_token(running, client.email))).status_code == 200
    assert (await client.log_in()).status_code == 201
    return client


async def ends(what: Callable[[], Awaitable[tuple[int, str]]]) -> str:
    """Wait until somebody is let in no more; return the code of the refusal."""
    codes: list[str] = []

    async def refused() -> bool:
        status, code = await what()
        codes.append(code)
        assert status in (200, 401, 503), code
        return status == 401

    await until(refused, timeout_seconds=WITHIN_SECONDS)
    return codes[-1]


async def test_a_person_registers_verifies_logs_in_and_is_known(running: Running) -> None:
    client = Client(running.http, f"ford-{uuid4()}@example.org")
    assert await client.me() == (401, "principal_missing")
    await client.register()
    assert (await client.log_in()).json()["code"] == "email_unverified"
    assert (await client.log_in("a wrong one")).json()["code"] == "credentials_invalid"
    assert (await client.verify("a-wrong-token")).json()["code"] == "verification_invalid"
    assert (await client.verify(await mailed_token(running, client.email))).status_code == 200
    answer = await client.log_in()
    assert (answer.status_code, answer.headers["cache-control"]) == (201, "no-store")
    assert await client.me() == (200, "Arthur")
    sessions = (await client.send("GET", "/v1/sessions")).json()["sessions"]
    assert [each["session_id"] for each in sessions] == [client.session_id]
    assert (await client.send("PATCH", f"/v1/users/{client.user_id}", {"name": "Ford"})).status_code == 200
    assert (await client.send("GET", "/v1/ledger/balances")).status_code == 403


async def test_one_who_logged_in_orders_and_pays(running: Running, arthur: Client) -> None:
    body = {
        "lines": [{"sku": "lamp-blue", "quantity": 1}],
        "deliver_to": "Cottington",
        "payment_token": "card-approved",
    }
    placed = await arthur.send("POST", "/v1/orders", body)
    assert placed.status_code == 201, placed.text
    assert placed.json()["customer_id"] == arthur.user_id
    await running.rest()
    shown = await arthur.send("GET", f"/v1/orders/{placed.json()['order_id']}")
    assert shown.json()["status"] == "paid"


async def test_a_log_in_that_is_sent_again_is_no_second_session(arthur: Client) -> None:
    key = {"idempotency-key": str(uuid4())}
    assert (await arthur.log_in(headers=key)).status_code == 201
    again = await arthur.log_in(headers=key)
    assert (again.status_code, again.json()["code"]) == (409, "command_done")


async def test_an_answer_that_was_lost_logs_nobody_out_and_a_stolen_token_does(arthur: Client) -> None:
    first = arthur.refresh_token
    refreshed = await arthur.refresh()
    assert refreshed.status_code == 200
    lost = await arthur.refresh(first)
    assert lost.json() == refreshed.json(), "the same question a moment later is answered the same"
    assert (await arthur.refresh()).status_code == 200
    assert await arthur.me() == (200, "Arthur")
    stolen = await arthur.refresh(first)
    assert (stolen.status_code, stolen.json()["code"]) == (401, "refresh_token_invalid")
    assert await ends(arthur.me) == "principal_revoked"
    assert (await arthur.refresh()).status_code == 401, "the whole family is over"


async def test_who_logs_out_is_out_within_seconds(arthur: Client) -> None:
    assert await arthur.me() == (200, "Arthur")
    assert (await arthur.send("DELETE", f"/v1/sessions/{arthur.session_id}")).status_code == 200
    assert await ends(arthur.me) == "principal_revoked"
    assert (await arthur.refresh()).status_code == 401


async def test_another_session_goes_on_with_a_fresh_token(running: Running, arthur: Client) -> None:
    phone = Client(running.http, arthur.email)
    assert (await phone.log_in()).status_code == 201
    assert (await arthur.send("DELETE", f"/v1/sessions/{arthur.session_id}")).status_code == 200
    assert await ends(phone.me) == "principal_revoked"
    assert (await phone.refresh()).status_code == 200
    assert await phone.me() == (200, "Arthur"), "at once: the token is newer than what the gateway remembers"


async def test_who_is_deactivated_is_out_within_seconds_and_never_in_again(running: Running, arthur: Client) -> None:
    assert await arthur.me() == (200, "Arthur")
    await running.shop("sam").post(f"/v1/users/{arthur.user_id}/deactivate", {"reason": "mice"})
    assert await ends(arthur.me) == "principal_revoked"
    assert (await arthur.refresh()).status_code == 401
    assert (await arthur.log_in()).json()["code"] == "credentials_invalid"


async def test_another_role_counts_without_another_log_in(running: Running, arthur: Client) -> None:
    admin = Client(running.http, "", access_token=running.platform.endpoints.tokens["alma"])
    roles = await admin.send("PUT", f"/v1/users/{arthur.user_id}/roles", {"roles": ["support"]})
    assert roles.status_code == 200
    assert await ends(arthur.me) == "principal_revoked"
    assert (await arthur.refresh()).status_code == 200
    assert (await arthur.send("GET", "/v1/users")).status_code == 200


async def test_while_users_stands_still_nobody_is_let_in_and_nobody_logged_out(
    running: Running, arthur: Client
) -> None:
    assert await arthur.me() == (200, "Arthur")
    running.platform.kill("users", signal.SIGSTOP)
    try:
        items: list[tuple[int, str]] = []

        async def refused() -> bool:
            answer = await arthur.send("GET", "/v1/items")
            items.append((answer.status_code, answer.headers.get("retry-after", "")))
            return answer.status_code != 200

        started = time.monotonic()
        await until(refused, timeout_seconds=10.0)
        assert items[-1] == (503, "1")
        assert time.monotonic() - started < 6.0
    finally:
        running.platform.kill("users", signal.SIGCONT)

    async def let_in() -> bool:
        return await arthur.me() == (200, "Arthur")

    await until(let_in, timeout_seconds=10.0)


async def test_others_verify_an_access_token_by_the_published_keys(running: Running, arthur: Client) -> None:
    answer = await running.http.get("/.well-known/jwks.json")
    assert answer.headers["cache-control"] == "public, max-age=300"
    kid = jwt.get_unverified_header(arthur.access_token)["kid"]
    key = jwt.PyJWKSet.from_dict(answer.json())[kid]
    claims = jwt.decode(arthur.access_token, key, algorithms=["EdDSA"], audience="actor-mesh", issuer="actor-mesh")
    assert (claims["sub"], claims["sid"]) == (arthur.user_id, arthur.session_id)


async def test_nothing_one_logs_in_by_is_in_a_log_a_trace_or_a_store(running: Running, arthur: Client) -> None:
    assert (await arthur.refresh()).status_code == 200
    assert (await arthur.log_in("a wrong one that is nobody's")).status_code == 401
    await running.rest()
    for secret in (PASSWORD, "a wrong one that is nobody's", *arthur.seen):
        assert await strays(running, secret) == [], secret
