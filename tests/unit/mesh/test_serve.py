"""What a pool answers, whatever comes in; and that it lives on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from actors.mesh import Refused
from actors.mesh._errors import Broken, Overloaded, Unavailable
from actors.mesh._pool import IN_FLIGHT_MAX
from actors.mesh._ports import BusReply
from actors.mesh._principals import Signer
from actors.mesh.testing.asking import answer_of
from actors.mesh.testing.memory_mesh import TESTER, MemoryMesh
from actors.mesh.testing.toys import toy_mesh
from actors.mesh.testing.toys.counters import Claim, Close, Count, GetCounter, Stumble
from actors.mesh.testing.toys.limits import SetLimit
from schemas.envelope import ERROR
from schemas.message import Failure, Refusal
from schemas.principal import Principal

EVE = Principal(subject="eve", roles=("customer",))


async def told(mesh: MemoryMesh, body: bytes, *, what: str = "command.count", headers: Any = None) -> BusReply:
    """Return what the counters answer to these very bytes."""
    given = mesh.client.envelope().headers() if headers is None else headers
    return await mesh.bus.request(f"counters.{what}.a", body, given, timeout_seconds=5)


def refusal_in(reply: BusReply) -> Refusal:
    assert reply.headers[ERROR] == "refused", reply
    return msgspec.json.decode(reply.body, type=Refusal)


@pytest.mark.parametrize("subject", ["command.count", "command.count.b", "command.count.a.b", "query.get_counter.b"])
async def test_a_body_about_another_entity_than_its_subject_is_refused(subject: str) -> None:
    body = b'{"counter_id":"a"}' if subject.startswith("query") else b'{"counter_id":"a","amount":1}'
    async with toy_mesh() as mesh:
        headers = mesh.client.envelope().headers()
        reply = await mesh.bus.request(f"counters.{subject}", body, headers, timeout_seconds=5)
        assert (refusal_in(reply).code, refusal_in(reply).pointer) == ("key_mismatch", "/counter_id")
        assert not mesh.truth.domain("counters").events


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        (b'{"counter_id":"a","amount":"1"}', "message_invalid", "/amount"),
        (b'{"counter_id":"a","amount":1.5}', "message_invalid", "/amount"),
        (b'{"counter_id":"a","amount":true}', "message_invalid", "/amount"),
        (b'{"counter_id":"a.b","amount":1}', "message_invalid", "/counter_id"),
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
        (b"[" * 100_000, "message_malformed", ""),
        (b'{"counter_id":' + b'{"a":' * 30_000, "message_malformed", ""),
    ],
)
async def test_a_body_that_is_not_the_message_is_refused_and_changes_nothing(
    body: bytes, code: str, pointer: str
) -> None:
    async with toy_mesh() as mesh:
        refusal = refusal_in(await told(mesh, body))
        assert refusal.kind == "invalid"
        assert refusal.code in (code, "message_invalid", "message_malformed")
        assert refusal.pointer.startswith(pointer)
        assert mesh.truth.domain("counters").events == {}
        assert (await mesh.client.ask(Count(counter_id="a", amount=1))).version == 1


@pytest.mark.parametrize("what", ["command.get_counter", "query.count", "command.no_such", "event.counted", "command"])
async def test_what_the_domain_does_not_take_is_refused_as_unknown(what: str) -> None:
    async with toy_mesh() as mesh:
        reply = await answer_of(mesh.pools[0], f"counters.{what}", b"{}", mesh.client.envelope().headers())
        refusal = refusal_in(BusReply(reply.headers, reply.body))
        assert (refusal.code, refusal.kind) == ("message_unknown", "not_found")


@pytest.mark.parametrize("header", ["Mesh-Command-Id", "Mesh-Deadline", "Mesh-Issued-At"])
async def test_a_header_that_cannot_be_read_is_named(header: str) -> None:
    async with toy_mesh() as mesh:
        headers = mesh.client.envelope().headers() | {header: "soon"}
        refusal = refusal_in(await told(mesh, b'{"counter_id":"a","amount":1}', headers=headers))
        assert (refusal.code, refusal.kind) == ("envelope_invalid", "invalid")
        assert header in refusal.detail


async def test_without_a_principal_nothing_is_done() -> None:
    async with toy_mesh() as mesh:
        headers = mesh.client.envelope().headers()
        del headers["Mesh-Principal"]
        refusal = refusal_in(await told(mesh, b'{"counter_id":"a","amount":1}', headers=headers))
        assert (refusal.code, refusal.kind) == ("principal_missing", "unauthenticated")


async def test_a_principal_signed_by_a_stranger_is_refused() -> None:
    async with toy_mesh() as mesh:
        forged = Signer(bytes(32), "test", mesh.clock).sign(TESTER)
        headers = mesh.client.envelope().headers() | {"Mesh-Principal": forged}
        refusal = refusal_in(await told(mesh, b'{"counter_id":"a","amount":1}', headers=headers))
        assert (refusal.code, refusal.kind) == ("principal_invalid", "unauthenticated")
        assert mesh.truth.domain("counters").events == {}


async def test_a_role_without_the_permission_is_refused() -> None:
    async with toy_mesh() as mesh:
        with pytest.raises(Refused) as refused:
            await mesh.client_of(EVE).ask(Count(counter_id="a", amount=1))
        assert (refused.value.code, refused.value.kind) == ("permission_missing", "forbidden")
        with pytest.raises(Refused, match="permission_missing"):
            await mesh.client_of(EVE).ask(GetCounter(counter_id="a"))


async def test_what_is_somebody_elses_is_refused_to_a_customer(customers_may: Callable[[str], None]) -> None:
    customers_may("counters:claim")
    async with toy_mesh() as mesh:
        with pytest.raises(Refused) as refused:
            await mesh.client_of(EVE).ask(Claim(counter_id="a", customer_id="ada"))
        assert (refused.value.code, refused.value.pointer) == ("owner_mismatch", "/customer_id")
        assert (await mesh.client_of(EVE).ask(Claim(counter_id="a", customer_id="eve"))).version == 1


async def test_a_bug_is_answered_as_broken_kept_as_a_dead_letter_and_the_pool_lives() -> None:
    async with toy_mesh() as mesh:
        with pytest.raises(Broken, match="recorded"):
            await mesh.client.ask(Stumble(counter_id="a"))
        [letter] = mesh.truth.domain("counters").dead_letters.values()
        assert (letter.subject, letter.reason) == ("counters.command.stumble.a", "ZeroDivisionError")
        assert "a bug, on purpose" in letter.detail
        assert "Mesh-Principal" not in letter.headers
        assert (await mesh.client.ask(Count(counter_id="a", amount=1))).version == 1


async def test_a_bug_is_answered_even_where_its_dead_letter_cannot_be_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    async with toy_mesh() as mesh:

        async def away(letter: Any) -> None:
            raise Unavailable("the database is away")

        monkeypatch.setattr(mesh.pools[0]._world.store.dead_letters, "park", away)
        with pytest.raises(Broken):
            await mesh.client.ask(Stumble(counter_id="a"))


async def test_a_full_pool_says_so_at_once_and_serves_those_before() -> None:
    async with toy_mesh() as mesh:
        journal = mesh.pools[0]._serving.deciding.journal
        append, opened = journal.append, asyncio.Event()

        async def slow(commit: Any, *, in_turn: bool = False) -> Any:
            await opened.wait()
            return await append(commit, in_turn=in_turn)

        journal.append = slow  # type: ignore[method-assign]
        early = [
            asyncio.create_task(mesh.client.ask(Count(counter_id=f"c{number}", amount=1)))
            for number in range(IN_FLIGHT_MAX)
        ]
        await asyncio.sleep(0)
        began_ms = mesh.clock.now_ms()
        reply = await told(mesh, b'{"counter_id":"a","amount":1}')
        failure = msgspec.json.decode(reply.body, type=Failure)
        assert (failure.code, failure.executed) == ("overloaded", False)
        assert failure.retry_after_seconds > 0
        assert mesh.clock.now_ms() == began_ms
        with pytest.raises(Overloaded):
            await mesh.client.ask(Count(counter_id="a", amount=1))
        opened.set()
        assert len(await asyncio.gather(*early)) == IN_FLIGHT_MAX
        assert "counter/a" not in mesh.truth.domain("counters").events


async def test_a_command_without_an_id_is_served_under_a_fresh_one() -> None:
    async with toy_mesh() as mesh:
        headers = mesh.client.envelope().headers()
        del headers["Mesh-Command-Id"], headers["Mesh-Correlation-Id"]
        for version in (1, 2):
            reply = await told(mesh, b'{"counter_id":"a","amount":1}', headers=headers)
            assert msgspec.json.decode(reply.body)["version"] == version


async def test_a_query_that_meets_nothing_is_refused_with_the_name_of_what_is_unknown() -> None:
    async with toy_mesh() as mesh:
        with pytest.raises(Refused) as refused:
            await mesh.client.ask(GetCounter(counter_id="nobody"))
        assert (refused.value.code, refused.value.kind) == ("counter_unknown", "not_found")


async def test_a_customer_of_the_other_domain_reads_what_was_just_written() -> None:
    async with toy_mesh() as mesh:
        await mesh.client.ask(SetLimit(limit_id="a", most=3))
        await mesh.client.ask(Close(counter_id="a"))
        assert (await mesh.client.ask(GetCounter(counter_id="a", at_least_version=1))).closed
