"""Mailboxes: one after another a key, several keys at once only when all are held, and nothing left behind."""

from __future__ import annotations

import asyncio

import pytest

from actors.mesh._errors import Overloaded
from actors.mesh._mailbox import WAITING_MAX, Mailboxes


async def test_commands_of_one_key_run_one_after_another_in_the_order_they_came() -> None:
    boxes, steps = Mailboxes(), list[str]()

    async def work(name: str) -> None:
        async with boxes.hold(["a"]):
            steps.append(f"{name} in")
            await asyncio.sleep(0)
            steps.append(f"{name} out")

    await asyncio.gather(work("1"), work("2"), work("3"))
    assert steps == ["1 in", "1 out", "2 in", "2 out", "3 in", "3 out"]
    assert len(boxes) == 0


async def test_commands_of_different_keys_do_not_wait_for_each_other() -> None:
    boxes = Mailboxes()
    async with boxes.hold(["a"]), asyncio.timeout(1), boxes.hold(["b"]):
        assert len(boxes) == 2


async def test_holders_of_the_same_keys_in_any_order_do_not_wait_for_ever() -> None:
    boxes, done = Mailboxes(), list[int]()

    async def work(number: int) -> None:
        async with boxes.hold(["a", "b", "c"] if number % 2 else ["c", "b", "a"]):
            await asyncio.sleep(0)
            done.append(number)

    async with asyncio.timeout(5):
        await asyncio.gather(*map(work, range(50)))
    assert len(done) == 50
    assert len(boxes) == 0


async def test_one_that_is_cancelled_while_it_waits_leaves_the_others_their_turn() -> None:
    boxes, done = Mailboxes(), list[str]()

    async def work(name: str) -> None:
        async with boxes.hold(["a", "b"]):
            done.append(name)

    async with boxes.hold(["b"]):
        first, second = asyncio.create_task(work("first")), asyncio.create_task(work("second"))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.wait((first,))
    await second
    assert done == ["second"]
    assert len(boxes) == 0


async def test_a_key_named_twice_is_held_once() -> None:
    async with asyncio.timeout(1), Mailboxes().hold(["a", "a"]):
        pass


async def test_a_key_for_which_too_many_wait_is_overloaded_and_the_rest_are_served() -> None:
    boxes, done = Mailboxes(), list[int]()

    async def work(number: int) -> None:
        async with boxes.hold(["a"]):
            done.append(number)

    async with boxes.hold(["a"]):
        waiting = [asyncio.create_task(work(number)) for number in range(WAITING_MAX - 1)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded) as overloaded:
            async with boxes.hold(["a", "b"]):
                pass
        assert not overloaded.value.executed
        assert len(boxes) == 1, "nothing is held of what could not be taken whole"
    await asyncio.gather(*waiting)
    assert done == list(range(WAITING_MAX - 1))
