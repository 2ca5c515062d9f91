"""Passwords by argon2id, in a pool of threads that is bounded and says so at once when it is full."""

from __future__ import annotations

import asyncio
import secrets
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import VerifyMismatchError

from actors.mesh import Overloaded

WAITING_MAX = 32
"""Log-ins that wait for a thread: at 30 ms each on one core the last is answered within a second."""
RETRY_AFTER_SECONDS = 1.0

T = TypeVar("T")


class Cost(NamedTuple):
    """What one hash takes. The floor is OWASP's: 19 MiB, two passes, one lane."""

    memory_kib: int = 19_456
    passes: int = 2
    lanes: int = 1


class Hasher:
    """Does one hash or comparison, on the thread that asks; the pool is in front of it."""

    def __init__(self, cost: Cost) -> None:
        self._cost = cost
        self._argon2 = PasswordHasher(time_cost=cost.passes, memory_cost=cost.memory_kib, parallelism=cost.lanes)
        self._nobodys = self.hash(secrets.token_urlsafe())

    def hash(self, password: str) -> str:
        return self._argon2.hash(plain(password))

    def fits(self, password_hash: str, password: str) -> bool:
        """Compare with nobody's hash where there is none, and throw the outcome away: it must cost the same."""
        try:
            self._argon2.verify(password_hash or self._nobodys, plain(password))
        except VerifyMismatchError:
            return False
        return bool(password_hash)

    def outgrown(self, password_hash: str) -> bool:
        made = extract_parameters(password_hash)
        return any(
            then < now
            for then, now in zip((made.memory_cost, made.time_cost, made.parallelism), self._cost, strict=True)
        )


class PooledPasswords:
    """Implements `Passwords` on a few threads: the hash lets go of the interpreter, the event loop goes on."""

    def __init__(self, hasher: Hasher, *, threads: int, waiting_max: int = WAITING_MAX) -> None:
        self._hasher = hasher
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="passwords")
        self._places = self._free = threads + waiting_max

    async def hash(self, password: str) -> str:
        return await self._in_turn(lambda: self._hasher.hash(password))

    async def fits(self, password_hash: str, password: str) -> bool:
        return await self._in_turn(lambda: self._hasher.fits(password_hash, password))

    def outgrown(self, password_hash: str) -> bool:
        return self._hasher.outgrown(password_hash)

    async def _in_turn(self, work: Callable[[], T]) -> T:
        if self._free <= 0:
            raise Overloaded(f"{self._places} passwords are being looked at", retry_after_seconds=RETRY_AFTER_SECONDS)
        self._free -= 1
        doing = asyncio.get_running_loop().run_in_executor(self._threads, work)
        doing.add_done_callback(self._leave)  # also where whoever asked has gone: the thread is busy until then
        return await asyncio.shield(doing)

    def _leave(self, _done: asyncio.Future[T]) -> None:
        self._free += 1

    def close(self) -> None:
        """Take nothing more and let go of what waits."""
        self._threads.shutdown(wait=True, cancel_futures=True)


def plain(password: str) -> str:
    """Return the one way to write it: the same keys on another keyboard may give other code points (NFKC)."""
    return unicodedata.normalize("NFKC", password)
