"""Turns on keys: who holds them is alone, who does not is told to wait."""

from __future__ import annotations

import asyncio

import pytest

from actors.mesh._errors import Overloaded
from actors.mesh._ports import (
    Appended,
    Conflict,
    Contended,
    Journal,
)
from tests.ports.stores import bodies, commit, part

TURN_SECONDS = 5.0
CALM_SECONDS = 0.2


async def test_who_does_not_hold_the_turn_is_told_to_wait(journal: Journal, other: Journal) -> None:
    async with journal.turn(["payment/2", "payment/1"], timeout_seconds=TURN_SECONDS):
        polite = commit(part("payment/1", 0, b"polite"), part("payment/3", 0, b"polite"))
        answers = await asyncio.gather(other.append(polite), other.append(commit(part("payment/4", 0, b"1"))))
        assert answers[0] == Contended(["payment/1"])
        assert isinstance(answers[1], Appended)
        assert isinstance(await journal.append(polite), Contended)
        assert isinstance(await journal.append(commit(part("payment/1", 0, b"1")), in_turn=True), Appended)
    assert await bodies(other, "payment/3") == []
    assert isinstance(await other.append(commit(part("payment/1", 1, b"2"))), Appended)


@pytest.mark.parametrize("lately_lost", [False, True])
async def test_who_holds_the_turn_is_not_troubled_by_those_who_do_not(journal: Journal, lately_lost: bool) -> None:
    if lately_lost:  # a journal that has lost looks before it writes the next time
        assert isinstance(await journal.append(commit(part("payment/9", 7, b"lost"))), Conflict)
    async with journal.turn(["payment/1"], timeout_seconds=TURN_SECONDS):
        answers = await asyncio.gather(
            journal.append(commit(part("payment/1", 0, b"polite"))),
            journal.append(commit(part("payment/1", 0, b"in turn")), in_turn=True),
        )
    assert [type(answer) for answer in answers] == [Contended, Appended]


async def test_turns_are_taken_one_after_another(journal: Journal, other: Journal) -> None:
    async def add(by: Journal) -> None:
        async with by.turn(["payment/1", "payment/2"], timeout_seconds=30):
            version = (await by.load(["payment/1"]))["payment/1"].version
            answer = await by.append(commit(part("payment/1", version, b"1")), in_turn=True)
            assert isinstance(answer, Appended)

    await asyncio.gather(*(add((journal, other)[number % 2]) for number in range(12)))
    assert len(await bodies(journal, "payment/1")) == 12


async def test_a_turn_that_does_not_come_in_time_is_an_overload(journal: Journal, other: Journal) -> None:
    async with journal.turn(["payment/1"], timeout_seconds=TURN_SECONDS):
        with pytest.raises(Overloaded):
            async with other.turn(["payment/0", "payment/1"], timeout_seconds=CALM_SECONDS):
                raise AssertionError("it is somebody else's turn")
        async with other.turn(["payment/0"], timeout_seconds=TURN_SECONDS):
            pass  # what was taken on the way was given back


async def test_a_turn_ends_with_the_task_that_holds_or_awaits_it(journal: Journal, other: Journal) -> None:
    held = asyncio.Event()

    async def hold(by: Journal) -> None:
        async with by.turn(["payment/1"], timeout_seconds=TURN_SECONDS):
            held.set()
            await asyncio.Event().wait()

    holder = asyncio.create_task(hold(journal))
    await held.wait()
    waiter = asyncio.create_task(hold(other))
    assert isinstance(await other.append(commit(part("payment/1", 0, b"1"))), Contended)
    waiter.cancel()
    holder.cancel()
    await asyncio.gather(holder, waiter, return_exceptions=True)
    async with other.turn(["payment/1"], timeout_seconds=TURN_SECONDS):
        pass
    assert isinstance(await other.append(commit(part("payment/1", 0, b"1"))), Appended)
