"""LogIn."""

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from actors import users
from actors.mesh import Refused
from actors.mesh.testing.given import given_actor
from actors.users.model.sessions import Admitted
from actors.users.provider import Cost, CountedPasswords
from schemas.users import DeactivateUser, PasswordSet, RegisterUser, SetRoles
from tests.unit.users.people import ACTIVE, NOW_MS, PASSWORD, STARTED, add, log_in, tokens, users_mesh

ADMITTED = Admitted(
    user_id="ada",
    epoch=2,
    now_ms=NOW_MS,
    tokens=tokens().session(
        session_id="s1", user_id="ada", roles=("customer",), epoch=2, generation=0, issued_at_ms=NOW_MS
    ),
)
PUBLIC = Ed25519PrivateKey.from_private_bytes(bytes(range(32))).public_key()


def test_somebody_who_is_admitted_has_a_session() -> None:
    given_actor(users.actor, *ACTIVE).when(log_in(), ADMITTED).then(STARTED)


def test_an_id_of_a_session_is_taken_once() -> None:
    given_actor(users.actor, *ACTIVE, STARTED).when(log_in(), ADMITTED).refused("session_exists")


async def test_the_tokens_say_who_it_is_and_nothing_personal() -> None:
    async with users_mesh() as mesh:
        await add(mesh)
        told = await mesh.client.ask(log_in(email="ADA@Example.org"))
        header = jwt.get_unverified_header(told.access_token)
        claims = jwt.decode(
            told.access_token, PUBLIC, algorithms=["EdDSA"], audience="actor-mesh", issuer="actor-mesh",
            options={"verify_exp": False, "verify_iat": False},
        )  # fmt: skip
        assert header == {"alg": "EdDSA", "typ": "at+jwt", "kid": "test"}
        assert {name: claims[name] for name in ("sub", "sid", "roles", "epoch")} == {
            "sub": "ada", "sid": "s1", "roles": ["customer"], "epoch": 1,
        }  # fmt: skip
        assert claims["exp"] - claims["iat"] == told.access_expires_in_seconds == 600
        assert set(claims) == {"iss", "aud", "sub", "sid", "jti", "iat", "exp", "roles", "epoch"}
        assert told.refresh_token.startswith("s1.0.")


async def test_whatever_is_wrong_the_answer_is_the_same_and_so_is_the_work() -> None:
    passwords = CountedPasswords()
    async with users_mesh(passwords) as mesh:
        await add(mesh)
        await add(mesh, "cleo", "cleo@example.org")
        await mesh.client.ask(DeactivateUser(user_id="cleo", reason="asked for"))
        answers, work = [], []
        for command in (
            log_in("s1", password="wrong horse"),
            log_in("s2", email="eve@example.org"),
            log_in("s3", email="cleo@example.org"),
            log_in("s4", email="cleo@example.org", password="wrong horse"),
        ):
            passwords.done.clear()
            with pytest.raises(Refused) as refused:
                await mesh.client.ask(command)
            answers.append((refused.value.code, refused.value.kind, refused.value.detail, refused.value.pointer))
            work.append(tuple(passwords.done))
        assert len(set(answers)) == 1
        assert answers[0][:2] == ("credentials_invalid", "unauthenticated")
        assert set(work) == {("fits",)}


async def test_only_the_right_password_is_told_that_the_address_is_not_verified() -> None:
    async with users_mesh() as mesh:
        await mesh.client.ask(RegisterUser(user_id="bob", name="Bob", email="bob@example.org", password=PASSWORD))
        with pytest.raises(Refused) as refused:
            await mesh.client.ask(log_in(email="bob@example.org"))
        assert (refused.value.code, refused.value.kind) == ("email_unverified", "forbidden")
        assert "bob" in refused.value.detail, "who to ask another mail for"
        with pytest.raises(Refused, match="credentials_invalid"):
            await mesh.client.ask(log_in(email="bob@example.org", password="wrong horse"))


async def test_a_hash_of_less_than_the_cost_of_today_is_made_anew_at_the_log_in_and_only_then() -> None:
    async with users_mesh(CountedPasswords(Cost(memory_kib=8, passes=1, lanes=1))) as mesh:
        await add(mesh)
        events = mesh.truth.domain("users").events["user/ada"]
        dearer = CountedPasswords(Cost(memory_kib=8, passes=2, lanes=1))
        async with users_mesh(dearer) as later:
            later.truth.domain("users").events["user/ada"] = events
            later.truth.domain("users").claims |= mesh.truth.domain("users").claims
            await later.data_keys.make("ada", (await mesh.data_keys.get(["ada"]))["ada"] or b"")
            with pytest.raises(Refused, match="credentials_invalid"):
                await later.client.ask(log_in("s1", password="wrong horse"))
            assert len(events) == 3
            await later.client.ask(log_in("s2"))
            assert [event.name for event in events[3:]] == ["password_set"]
            assert later.truth.domain("users").version("session/s2") == 1
            await later.client.ask(log_in("s3"))
            assert len(events) == 4


def test_the_new_hash_goes_with_the_session() -> None:
    rehashed = Admitted(user_id="ada", epoch=2, now_ms=NOW_MS, tokens=ADMITTED.tokens, password_hash="b-hash")
    outcome = given_actor(users.actor, *ACTIVE).when(log_in(), rehashed)
    outcome.then(PasswordSet(user_id="ada", password_hash="b-hash"), STARTED)


async def test_the_token_has_the_roles_and_the_epoch_of_now() -> None:
    async with users_mesh() as mesh:
        await add(mesh)
        await mesh.client.ask(SetRoles(user_id="ada", roles=("support",)))
        told = await mesh.client.ask(log_in())
        claims = jwt.decode(told.access_token, options={"verify_signature": False})
        assert (claims["roles"], claims["epoch"]) == (["support"], 2)
