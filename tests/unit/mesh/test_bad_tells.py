"""What a tool, or somebody who passes for one, may publish: it ends as a row with the reason, the good ones go on."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from actors.mesh import Refused, _tells
from actors.mesh._principals import LEEWAY_SECONDS, LIFETIME_SECONDS, Signer, digest_of
from actors.mesh.testing.memory_mesh import SEED, TESTER, MemoryMesh
from actors.mesh.testing.quiet import at_rest
from actors.mesh.testing.toys import lockers, toy_mesh
from actors.mesh.testing.toys.counters import Count
from actors.mesh.testing.toys.lockers import Codes, OpenLocker, TableCodes
from schemas.envelope import COMMAND_ID, CORRELATION_ID, DEADLINE, ISSUED_AT, PRINCIPAL, TRACEPARENT
from schemas.principal import Principal

ONE = "00000000-0000-4000-8000-000000000001"
TWO = "00000000-0000-4000-8000-000000000002"
SUBJECT = "counters.tell.count.a"
BODY = b'{"counter_id":"a","amount":1}'

Headers = dict[str, str]
Sign = Callable[[str, str, bytes], str]
"""From what is told (subject, command id, body) to a token."""


def signed(mesh: MemoryMesh, subject: str = SUBJECT, body: bytes = BODY, command_id: str = ONE) -> Headers:
    """Return the headers of a proper telling."""
    token = mesh.signer.sign_only(TESTER, digest_of(subject, command_id, body))
    return {COMMAND_ID: command_id, PRINCIPAL: token}


async def good_one_is_done(mesh: MemoryMesh) -> None:
    """Tell another key, and this one: nothing may be left of what came before."""
    for key in ("a", "neighbour"):
        command_id = await mesh.client.tell(Count(counter_id=key, amount=1))
        await at_rest(mesh)
        assert (await mesh.client.outcome_of_tell(Count, command_id)).ending == "accepted"
    assert mesh.pools[0].restarts == 0


async def publish(mesh: MemoryMesh, subject: str, body: bytes, headers: Mapping[str, str]) -> None:
    """Publish as anybody may who is let in."""
    await mesh.bus.publish(subject, body, headers)
    await at_rest(mesh)


def letters(mesh: MemoryMesh) -> list[Any]:
    return list(mesh.truth.domain("counters").dead_letters.values())


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        (b'{"counter_id":"a","amount":"1"}', "message_invalid", "/amount"),
        (b'{"counter_id":"a","amount":1.5}', "message_invalid", "/amount"),
        (b'{"counter_id":"a","amount":true}', "message_invalid", "/amount"),
        (b'{"counter_id":"a.b","amount":1}', "message_invalid", "/counter_id"),
        (b'{"counter_id":"*","amount":1}', "message_invalid", "/counter_id"),
        (b'{"counter_id":">","amount":1}', "message_invalid", "/counter_id"),
        (b'{"counter_id":"","amount":1}', "message_invalid", "/counter_id"),
        (b'{"counter_id":"a"}', "message_invalid", ""),
        (b'{"counter_id":"a","amount":1,"role":"admin"}', "message_invalid", ""),
        (b"[]", "message_invalid", ""),
        (b"", "message_malformed", ""),
        (b"{", "message_malformed", ""),
        (b'{"counter_id":"a","amount":1} {}', "message_malformed", ""),
        (b'{"counter_id":"a","amount":NaN}', "message_malformed", ""),
        (b'{"counter_id":"\xff","amount":1}', "message_malformed", ""),
        (b'{"counter_id":"\\ud800","amount":1}', "message_malformed", ""),
        (b"[" * 60_000, "message_malformed", ""),
        (b'{"counter_id":' + b'{"a":' * 12_000, "message_malformed", ""),
    ],
)
async def test_a_body_that_is_not_the_command_is_a_dead_letter_and_its_teller_hears_why(
    body: bytes, code: str, pointer: str
) -> None:
    async with toy_mesh() as mesh:
        await publish(mesh, SUBJECT, body, signed(mesh, body=body))
        dead = await mesh.client.outcome_of_tell("counters", ONE)
        assert dead.refusal is not None
        assert (dead.ending, dead.refusal.kind) == ("dead", "invalid")
        assert dead.refusal.code in (code, "message_invalid", "message_malformed")
        assert dead.refusal.pointer.startswith(pointer)
        [letter] = letters(mesh)
        assert (letter.subject, letter.reason, letter.attempts) == (SUBJECT, dead.refusal.code, 1)
        assert await mesh.privacy().open_bytes("dead_letter", letter.body) == body
        assert mesh.truth.domain("counters").events == {}
        await good_one_is_done(mesh)


@pytest.mark.parametrize(
    ("subject", "ending", "code"),
    [
        ("counters.tell.no_such.a", "dead", "message_unknown"),
        ("counters.tell.get_counter.a", "dead", "message_unknown"),
        ("counters.tell.count\0.a", "dead", "message_unknown"),
        ("counters.tell.count", "refused", "key_mismatch"),
        ("counters.tell.count.", "refused", "key_mismatch"),
        ("counters.tell.count.b", "refused", "key_mismatch"),
        ("counters.tell.count.a.b", "refused", "key_mismatch"),
        ("counters.tell.count.*", "refused", "key_mismatch"),
        ("counters.tell.count.>", "refused", "key_mismatch"),
        ("counters.tell.count.\ufffd\ufffd", "refused", "key_mismatch"),
    ],
)
async def test_a_subject_that_is_not_the_commands_does_nothing(subject: str, ending: str, code: str) -> None:
    async with toy_mesh() as mesh:
        await publish(mesh, subject, BODY, signed(mesh, subject))
        found = await mesh.client.outcome_of_tell("counters", ONE)
        assert found.refusal is not None
        assert (found.ending, found.refusal.code) == (ending, code)
        assert [letter.reason for letter in letters(mesh)] == ([code] if ending == "dead" else [])
        assert mesh.truth.domain("counters").events == {}
        await good_one_is_done(mesh)


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def claims(mesh: MemoryMesh, **given: Any) -> dict[str, Any]:
    now = mesh.clock.now_ms() // 1000
    own = {"iss": "test", "sub": "mallory", "iat": now, "exp": now + 60, "roles": ["admin"]}
    return own | {"only": digest_of(SUBJECT, ONE, BODY)} | given


def by_hand(mesh: MemoryMesh, *, seed: bytes = SEED, kid: str = "test", **given: Any) -> str:
    return jwt.encode(claims(mesh, **given), Ed25519PrivateKey.from_private_bytes(seed), "EdDSA", headers={"kid": kid})


FORGED: dict[str, tuple[Callable[[MemoryMesh], str], str]] = {
    "none at all": (lambda mesh: "", "principal_missing"),
    "garbage": (lambda mesh: "mallory", "principal_invalid"),
    "four thousand dots": (lambda mesh: "." * 4000, "principal_invalid"),
    "too long": (lambda mesh: "a" * 10_000, "principal_invalid"),
    "another key": (lambda mesh: by_hand(mesh, seed=bytes(32)), "principal_invalid"),
    "an issuer nobody knows": (lambda mesh: by_hand(mesh, kid="mallory", iss="mallory"), "principal_invalid"),
    "the name of another issuer": (lambda mesh: by_hand(mesh, iss="gateway"), "principal_invalid"),
    "a role there is not": (lambda mesh: by_hand(mesh, roles=["emperor"]), "principal_invalid"),
    "a claim there is not": (lambda mesh: by_hand(mesh, tenant="ours"), "principal_invalid"),
    "no subject": (lambda mesh: by_hand(mesh, sub=""), "principal_invalid"),
    "from the future": (lambda mesh: by_hand(mesh, iat=2_000_000_000, exp=2_000_000_060), "principal_invalid"),
    "long ago": (lambda mesh: by_hand(mesh, iat=1_000_000_000, exp=1_000_000_060), "principal_expired"),
    "one for requests": (lambda mesh: mesh.signer.sign(TESTER), "principal_mismatch"),
    "alg none": (
        lambda mesh: f"{part({'alg': 'none', 'typ': 'JWT', 'kid': 'test'})}.{part(claims(mesh))}.",
        "principal_invalid",
    ),
    "the public key as a secret": (
        lambda mesh: jwt.encode(claims(mesh), mesh.signer.public_key, "HS256", headers={"kid": "test"}),
        "principal_invalid",
    ),
}


@pytest.mark.parametrize("forgery", FORGED)
async def test_what_nobody_trusted_has_signed_is_set_aside(forgery: str) -> None:
    make, reason = FORGED[forgery]
    async with toy_mesh() as mesh:
        await publish(mesh, SUBJECT, BODY, {COMMAND_ID: ONE, PRINCIPAL: make(mesh)})
        [letter] = letters(mesh)
        assert (letter.reader, letter.reason) == ("counters_tells", reason)
        assert PRINCIPAL not in letter.headers
        assert mesh.truth.domain("counters").tells == {}, "nobody can be told of it"
        assert mesh.truth.domain("counters").events == {}
        await good_one_is_done(mesh)


@pytest.mark.parametrize(
    ("subject", "command_id", "body"),
    [
        ("counters.tell.count.b", ONE, b'{"counter_id":"b","amount":1}'),
        ("counters.tell.close.a", ONE, b'{"counter_id":"a"}'),
        (SUBJECT, TWO, BODY),
        (SUBJECT, ONE, b'{"counter_id":"a","amount":99}'),
        (SUBJECT, ONE, BODY + b" "),
    ],
)
async def test_a_token_lifted_from_one_message_fits_no_other(subject: str, command_id: str, body: bytes) -> None:
    async with toy_mesh() as mesh:
        lifted = signed(mesh)[PRINCIPAL]
        await publish(mesh, subject, body, {COMMAND_ID: command_id, PRINCIPAL: lifted})
        [letter] = letters(mesh)
        assert letter.reason == "principal_mismatch"
        assert mesh.truth.domain("counters").events == {}
        await good_one_is_done(mesh)


async def test_a_token_lifted_from_a_told_message_is_no_good_for_a_request() -> None:
    async with toy_mesh() as mesh:
        lifted = signed(mesh)
        for subject in ("counters.command.count.a", "counters.query.get_counter.a", SUBJECT.replace("tell", "command")):
            reply = await mesh.bus.request(subject, BODY, lifted, timeout_seconds=5)
            assert b"principal_mismatch" in reply.body
        assert mesh.truth.domain("counters").events == {}


async def test_the_same_message_published_again_by_somebody_else_changes_nothing() -> None:
    async with toy_mesh() as mesh:
        headers = signed(mesh)
        for _ in range(5):
            await publish(mesh, SUBJECT, BODY, headers)
        assert mesh.truth.domain("counters").version("counter/a") == 1
        assert letters(mesh) == []


@pytest.mark.parametrize(
    ("seconds_late", "reason"), [(0, None), (LIFETIME_SECONDS + LEEWAY_SECONDS + 1, "principal_expired")]
)
async def test_a_token_counts_as_of_when_the_message_was_stored(seconds_late: int, reason: str | None) -> None:
    async with toy_mesh() as mesh:
        mesh.kill(mesh.pools[0])
        headers = signed(mesh)
        await mesh.clock.sleep(seconds_late)
        await mesh.bus.publish(SUBJECT, BODY, headers)
        await mesh.clock.sleep(600)
        await mesh.start_pool(mesh.blueprints[0])
        await at_rest(mesh)
        assert [letter.reason for letter in letters(mesh)] == ([reason] if reason else [])
        assert mesh.truth.domain("counters").version("counter/a") == (0 if reason else 1)


@pytest.mark.parametrize(
    ("header", "value", "reason"),
    [
        (COMMAND_ID, "", "command_id_missing"),
        (COMMAND_ID, "1", "envelope_invalid"),
        (COMMAND_ID, "../../etc/passwd", "envelope_invalid"),
        (COMMAND_ID, "x" * 10_000, "envelope_invalid"),
        (COMMAND_ID, "\0", "envelope_invalid"),
        (DEADLINE, "soon", "envelope_invalid"),
        (DEADLINE, "-1", "envelope_invalid"),
        (DEADLINE, "9" * 400, "envelope_invalid"),
        (ISSUED_AT, "\u0661", "envelope_invalid"),
    ],
)
async def test_a_header_that_cannot_be_read_is_a_dead_letter(header: str, value: str, reason: str) -> None:
    async with toy_mesh() as mesh:
        await publish(mesh, SUBJECT, BODY, signed(mesh) | {header: value})
        [letter] = letters(mesh)
        assert letter.reason == reason
        assert "\0" not in letter.subject
        assert mesh.truth.domain("counters").events == {}
        await good_one_is_done(mesh)


@pytest.mark.parametrize(
    "headers",
    [
        {TRACEPARENT: "garbage"},
        {TRACEPARENT: "00-" + "0" * 32 + "-" + "0" * 16 + "-01"},
        {CORRELATION_ID: "x" * 50_000},
        {CORRELATION_ID: "\0\ufffd"},
        {"Mesh-Person": "admin", "Mesh-Key": "counter/b", "Mesh-Version": "9"},
        {"Mesh-Tenant": "another", "Mesh-Role": "admin"},
        {"Nats-Rollup": "all", "Nats-TTL": "1s", "Nats-Schedule": "@every 1s"},
        {f"X-{number}": "y" for number in range(2000)},
    ],
)
async def test_headers_that_are_not_ours_to_read_change_nothing(headers: Headers) -> None:
    async with toy_mesh() as mesh:
        await publish(mesh, SUBJECT, BODY, signed(mesh) | headers)
        assert letters(mesh) == []
        assert mesh.truth.domain("counters").version("counter/a") == 1
        await good_one_is_done(mesh)


async def test_a_dead_letter_can_be_kept_whatever_its_headers_hold() -> None:
    async with toy_mesh() as mesh:
        await publish(mesh, "counters.tell.\0.a", b"\0\xff", {"A\0": "\ud800", "B": "\0"})
        [letter] = letters(mesh)
        assert (letter.subject, json.loads(letter.headers)) == (
            "counters.tell.\ufffd.a",
            {"A\ufffd": "?", "B": "\ufffd"},
        )
        await good_one_is_done(mesh)


async def test_two_messages_that_claim_one_id_are_two_dead_letters() -> None:
    async with toy_mesh() as mesh:
        for body in (b"1", b"2"):
            await publish(mesh, SUBJECT, body, {COMMAND_ID: ONE})
        assert len(letters(mesh)) == 2


async def test_a_flood_of_what_nobody_signed_does_not_fill_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_tells, "STRANGERS_MAX", 10)
    async with toy_mesh() as mesh:
        for number in range(300):
            await mesh.bus.publish(f"counters.tell.count.k{number}", BODY, {COMMAND_ID: ONE})
        await good_one_is_done(mesh)
        assert len(letters(mesh)) == 10
        await mesh.clock.sleep(3600)
        await publish(mesh, SUBJECT, BODY, {})
        assert len(letters(mesh)) == 11, "the next hour has room again"


async def test_poison_between_good_ones_goes_aside_and_nobody_waits_for_it() -> None:
    async with toy_mesh() as mesh:
        began_ms, good = mesh.clock.now_ms(), list[str]()
        for number in range(40):
            good.append(await mesh.client.tell(Count(counter_id=f"c{number}", amount=1)))
            await mesh.client.tell_bytes(f"counters.tell.stumble.p{number}", b'{"counter_id":"p%d"}' % number)
            await mesh.client.tell_bytes(f"counters.tell.count.q{number}", b"not json")
            await mesh.bus.publish(f"counters.tell.count.r{number}", BODY, {})
        await at_rest(mesh)
        endings = [(await mesh.client.outcome_of_tell(Count, command_id)).ending for command_id in good]
        assert set(endings) == {"accepted"}
        assert mesh.clock.now_ms() - began_ms < 2000
        assert len(letters(mesh)) == 120


async def test_a_secret_is_not_told() -> None:
    async with MemoryMesh([lockers.actor], outside={Codes: TableCodes()}) as mesh:
        command: Any = OpenLocker(locker_id="a", pin="1234")
        with pytest.raises(Refused) as refused:
            await mesh.client.tell(command)
        assert (refused.value.code, refused.value.pointer) == ("command_sensitive", "/pin")
        assert (await mesh.bus.stream_state("LOCKERS_TELLS")).last_sequence == 0


async def test_a_secret_that_was_told_all_the_same_is_refused_unread() -> None:
    async with MemoryMesh([lockers.actor], outside={Codes: TableCodes()}) as mesh:
        command_id = await mesh.client.tell_bytes("lockers.tell.open_locker.a", b'{"locker_id":"a","pin":"1234"}')
        await at_rest(mesh)
        found = await mesh.client.outcome_of_tell("lockers", command_id)
        assert found.refusal is not None
        assert (found.ending, found.refusal.code) == ("refused", "command_sensitive")
        assert mesh.truth.domain("lockers").dead_letters == {}, "it is kept nowhere"
        assert mesh.truth.domain("lockers").events == {}


@pytest.mark.parametrize(
    ("key", "body", "code"),
    [
        (ONE, {"command_id": TWO}, "key_mismatch"),
        (ONE, {"command_id": "1' OR true"}, "message_invalid"),
        (ONE, {"command_id": ONE, "principal": "ada"}, "message_invalid"),
        (ONE, {}, "message_invalid"),
        ("a.b", {"command_id": ONE}, "key_mismatch"),
    ],
)
async def test_a_question_for_an_outcome_is_read_as_strictly(key: str, body: Mapping[str, str], code: str) -> None:
    async with toy_mesh() as mesh:
        asked = mesh.client.envelope().headers()
        reply = await mesh.bus.request(
            f"counters.query.tell_outcome.{key}", json.dumps(body).encode(), asked, timeout_seconds=5
        )
        assert json.loads(reply.body)["code"] == code


def test_a_signer_of_another_key_signs_nothing_that_is_believed() -> None:
    mesh = toy_mesh()
    other = Signer(bytes(32), "test", mesh.clock)
    digest = digest_of(SUBJECT, ONE, BODY)
    with pytest.raises(Refused, match="principal_invalid"):
        mesh.verifier.verify_only(other.sign_only(TESTER, digest), digest, mesh.clock.now_ms())
    ours = mesh.signer.sign_only(Principal(subject="ada", roles=("customer",)), digest)
    assert mesh.verifier.verify_only(ours, digest, mesh.clock.now_ms()).subject == "ada"
