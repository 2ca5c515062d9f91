"""Rows written with a commit: unique values, a ledger; and commits that can never be written."""

from __future__ import annotations

import asyncio
import uuid

import pytest

from actors.mesh._ports import (
    Appended,
    Commit,
    Journal,
    Rejected,
    Taken,
)
from tests.ports.stores import bodies, commit, part


def claim(value: str, key: str, **more: object) -> dict[str, object]:
    return {"scope": "users.email", "value": value, "key": key, **more}


def posting(tx: str, amount: object) -> dict[str, object]:
    return {"tx": tx, "account": "cash", "currency": "EUR", "amount": amount}


async def test_a_unique_value_has_one_holder(journal: Journal, other: Journal) -> None:
    first = commit(part("user/1", 0, b"1"), inlines={"claims": [claim("a@b", "user/1")]})
    assert isinstance(await journal.append(first), Appended)
    second = commit(part("user/2", 0, b"1"), inlines={"claims": [claim("a@b", "user/2")]})
    assert await other.append(second) == Taken("users.email", "a@b")
    assert await bodies(journal, "user/2") == []


async def test_a_unique_value_given_back_can_be_taken_again(journal: Journal) -> None:
    await journal.append(commit(inlines={"claims": [claim("a@b", "user/1")]}))
    moved = commit(inlines={"claims": [claim("a@b", "user/1", free=True), claim("c@d", "user/1")]})
    assert isinstance(await journal.append(moved), Appended)
    assert isinstance(await journal.append(commit(inlines={"claims": [claim("a@b", "user/2")]})), Appended)
    assert await journal.inline_rows("claims", {"scope": "users.email", "value": "c@d"}, 10) == [claim("c@d", "user/1")]


async def test_nobody_gives_back_what_another_holds(journal: Journal) -> None:
    await journal.append(commit(inlines={"claims": [claim("a@b", "user/1")]}))
    stolen = commit(inlines={"claims": [claim("a@b", "user/2", free=True), claim("a@b", "user/2")]})
    assert await journal.append(stolen) == Taken("users.email", "a@b")


async def test_two_who_swap_unique_values_do_not_wait_for_each_other(journal: Journal, other: Journal) -> None:
    for number in range(10):
        a, b = f"a{number}", f"b{number}"
        await journal.append(commit(inlines={"claims": [claim(a, "user/1"), claim(b, "user/2")]}))
        there = commit(inlines={"claims": [claim(a, "user/1", free=True), claim(b, "user/1")]})
        back = commit(inlines={"claims": [claim(b, "user/2", free=True), claim(a, "user/2")]})
        answers = await asyncio.gather(journal.append(there), other.append(back))
        assert {type(answer) for answer in answers} <= {Appended, Taken}


async def test_a_commit_the_database_refuses_harms_no_neighbour(journal: Journal) -> None:
    def paid(number: int, *amounts: object) -> Commit:
        rows = [posting(f"tx{number}", amount) for amount in amounts]
        return commit(part(f"payment/{number}", 0, b"1"), inlines={"ledger": rows})

    wanted = [paid(number, 5, -5 if number % 7 else -4) for number in range(40)]
    wanted.append(paid(99, "many", "few"))
    answers = await asyncio.gather(*(journal.append(one) for one in wanted))
    for number, answer in enumerate(answers[:40]):
        assert isinstance(answer, Appended if number % 7 else Rejected)
    assert isinstance(answers[40], Rejected)
    assert await bodies(journal, "payment/7") == []
    assert await bodies(journal, "payment/8") == [b"1"]
    assert len(await journal.inline_rows("ledger", {"account": "cash"}, 1000)) == 2 * 34
    assert await journal.inline_rows("ledger", {"tx": "tx8", "amount": 5}, 10) == [posting("tx8", 5)]


async def test_a_refused_commit_may_be_sent_again_with_better_rows(journal: Journal) -> None:
    bad = commit(part("payment/1", 0, b"1"), inlines={"ledger": [posting("tx", 5)]})
    assert isinstance(await journal.append(bad), Rejected)
    good = bad._replace(inlines={"ledger": [posting("tx", 5), posting("tx", -5)]})
    assert isinstance(await journal.append(good), Appended)


@pytest.mark.parametrize(
    "wrong",
    [
        commit(command_id="not a uuid"),
        commit(command_id=str(uuid.UUID(int=2**127 + 10)).upper().replace("8", "A", 1)),
        commit(part("payment/\0", 0, b"1")),
        commit(part("payment/\ud800", 0, b"1")),
        commit(part("payment/1", -1, b"1")),
        commit(part("payment/1", 0, b"1"), part("payment/1", 1, b"2")),
        commit(inlines={"ledger": [posting("t\0x", 0)]}),
        commit(inlines={"no_such_table": [{"a": 1}]}),
        commit(inlines={"ledger": [{"tx": object()}]}),
        commit(inlines={"claims": [{"scope": "users.email"}]}),
    ],
    ids=[
        *("no uuid", "capitals", "nul in a key", "surrogate", "negative version", "key twice", "nul in a row"),
        *("unknown table", "no json", "half a claim"),
    ],
)
async def test_what_can_never_be_written_is_rejected_alone(journal: Journal, wrong: Commit) -> None:
    answers = await asyncio.gather(journal.append(wrong), journal.append(commit(part("payment/9", 0, b"1"))))
    assert isinstance(answers[0], Rejected)
    assert isinstance(answers[1], Appended)


async def test_rows_are_read_only_of_inline_tables(journal: Journal) -> None:
    for table in ("commands", 'ledger" --', "nothing"):
        with pytest.raises(ValueError, match="inline table"):
            await journal.inline_rows(table, {}, 1)
