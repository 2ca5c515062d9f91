"""Passwords: the right one fits, nobody's never does, and a full pool says so at once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest
from argon2 import PasswordHasher

from actors.mesh import Overloaded
from actors.users.provider import Cost, Hasher, PooledPasswords
from actors.users.provider.simulated import LEAST

THREADS, WAITING = 2, 3


class HeldHasher(Hasher):
    """Hashes only once it is let go; counts what the threads do at a time."""

    def __init__(self) -> None:
        super().__init__(LEAST)
        self.gate = threading.Event()
        self.working = self.most = 0
        self.lock = threading.Lock()

    def fits(self, password_hash: str, password: str) -> bool:
        with self.lock:
            self.working += 1
            self.most = max(self.most, self.working)
        assert self.gate.wait(10)
        with self.lock:
            self.working -= 1
        return super().fits(password_hash, password)


@pytest.fixture
def hasher() -> HeldHasher:
    return HeldHasher()


@pytest.fixture
def passwords(hasher: HeldHasher) -> Iterator[PooledPasswords]:
    pooled = PooledPasswords(hasher, threads=THREADS, waiting_max=WAITING)
    yield pooled
    hasher.gate.set()
    pooled.close()


def test_the_right_password_fits_and_no_other() -> None:
    hasher = Hasher(LEAST)
    kept = hasher.hash("correct horse")
    assert kept.startswith("$argon2id$")
    assert "correct horse" not in kept
    assert hasher.fits(kept, "correct horse")
    assert not hasher.fits(kept, "correct horse ")
    assert not hasher.fits("", "correct horse")


@pytest.mark.parametrize("known", [True, False], ids=["somebody's", "nobody's"])
def test_the_same_is_done_whether_or_not_there_is_a_hash(known: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    hasher, done = Hasher(LEAST), []
    kept = hasher.hash("correct horse") if known else ""
    verify = PasswordHasher.verify

    def counted(argon2: PasswordHasher, password_hash: str, password: str) -> bool:
        done.append(password_hash.rpartition("$")[0].rpartition("$")[0])
        return verify(argon2, password_hash, password)

    monkeypatch.setattr(PasswordHasher, "verify", counted)
    assert not hasher.fits(kept, "wrong horse")
    assert done == ["$argon2id$v=19$m=8,t=1,p=1"]


def test_nobodys_password_lets_nobody_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("secrets.token_urlsafe", lambda: "nobodys horse")
    assert not Hasher(LEAST).fits("", "nobodys horse")


def test_the_same_password_has_another_hash_each_time() -> None:
    hasher = Hasher(LEAST)
    assert hasher.hash("correct horse") != hasher.hash("correct horse")


def test_a_password_is_the_same_however_the_keyboard_spells_it() -> None:
    hasher = Hasher(LEAST)
    assert hasher.fits(hasher.hash("Zu\u0308rich caf\u00e9"), "Z\u00fcrich cafe\u0301")


@pytest.mark.parametrize(
    ("now", "outgrown"),
    [
        (Cost(8, 1, 1), False),
        (Cost(16, 1, 1), True),
        (Cost(8, 2, 1), True),
        (Cost(16, 1, 2), True),
    ],
)
def test_a_hash_of_a_lower_cost_is_outgrown(now: Cost, outgrown: bool) -> None:
    assert Hasher(now).outgrown(Hasher(LEAST).hash("correct horse")) is outgrown


def test_a_hash_of_a_higher_cost_is_not_made_cheaper() -> None:
    assert not Hasher(LEAST).outgrown(Hasher(Cost(16, 2, 1)).hash("correct horse"))


def test_what_is_used_is_not_below_the_floor() -> None:
    assert Cost() >= Cost(memory_kib=19 * 1024, passes=2, lanes=1)


async def test_a_full_pool_says_so_at_once_and_has_room_again_afterwards(
    passwords: PooledPasswords, hasher: HeldHasher
) -> None:
    kept = hasher.hash("correct horse")
    asked = [asyncio.create_task(passwords.fits(kept, "correct horse")) for _ in range(THREADS + WAITING)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded) as shed:
        await asyncio.wait_for(passwords.fits(kept, "correct horse"), 5)
    assert (shed.value.executed, shed.value.retry_after_seconds) == (False, 1)
    assert not any(task.done() for task in asked)
    hasher.gate.set()
    assert await asyncio.gather(*asked) == [True] * (THREADS + WAITING)
    assert hasher.most <= THREADS
    assert await passwords.fits(kept, "correct horse")


async def test_one_who_gives_up_keeps_the_place_until_the_thread_is_free(
    passwords: PooledPasswords, hasher: HeldHasher
) -> None:
    kept = hasher.hash("correct horse")
    asked = [asyncio.create_task(passwords.fits(kept, "correct horse")) for _ in range(THREADS + WAITING)]
    await asyncio.sleep(0)
    for task in asked:
        task.cancel()
    await asyncio.gather(*asked, return_exceptions=True)
    with pytest.raises(Overloaded):
        await passwords.fits(kept, "correct horse")


async def test_the_event_loop_goes_on_meanwhile(passwords: PooledPasswords, hasher: HeldHasher) -> None:
    asking = asyncio.create_task(passwords.fits(hasher.hash("correct horse"), "correct horse"))
    for _ in range(100):
        await asyncio.sleep(0)
    assert not asking.done()
    hasher.gate.set()
    assert await asking
