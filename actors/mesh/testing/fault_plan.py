"""Weather as a list: every fault has a name and a number, so that a schedule is told, repeated and made smaller."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from random import Random

from actors.mesh.testing.weather import Weather

FOCUSED = 0.3
"""How often what is looked at closely goes wrong: often, and yet not so often that nothing else is reached."""
_WHOLE = 1 << 64


class FaultPlan(Weather):
    """Draws whether something goes wrong from the seed, what it is, and the how-manieth time it could have.

    So a fault stays the same when others are left out. With `faults`, exactly those happen: `"request lost
    orders.command.place_order#2"` is the second time that such a request could have been lost. What `focus` names (the
    same without its number) goes wrong far more often than the weather says: to search where a bug is suspected.
    """

    def __init__(
        self,
        seed: int,
        *,
        rough: float,
        deadly: float,
        faults: Sequence[str] | None = None,
        focus: Sequence[str] = (),
    ) -> None:
        super().__init__(seed, rough=rough, deadly=deadly)
        self.struck: list[str] = []
        self.now: Callable[[], str] = str
        """When it is, as the trace says it."""
        self.trace: list[str] = []
        self._seed = seed
        self._faults = None if faults is None else frozenset(faults)
        self._focus = frozenset(focus)
        self._passed: dict[str, int] = {}

    def hits(self, what: str, factor: float = 1.0, *, about: str = "") -> bool:
        return self._drawn(f"{what} {about}" if about else what, self.rough * factor)

    @property
    def digest(self) -> str:
        """Return what is equal only for schedules that passed the same places in the same order at the same times."""
        return hashlib.sha256("\n".join(self.trace).encode()).hexdigest()

    def _drawn(self, what: str, chance: float) -> bool:
        if self.cleared:
            self._note(what)
            return False
        count = self._passed[what] = self._passed.get(what, 0) + 1
        fault = f"{what}#{count}"
        if self._faults is None:
            strikes = self._fraction(fault) < (FOCUSED if what in self._focus else chance)
        else:
            strikes = fault in self._faults
        self._note(f"{fault} strikes" if strikes else fault)
        if strikes:
            self.struck.append(fault)
            self.happened[what] = self.happened.get(what, 0) + 1
            self.random = Random(f"{self._seed} {fault}")  # noqa: S311 - how late it is goes with the fault
        return strikes

    def _fraction(self, fault: str) -> float:
        drawn = hashlib.blake2b(f"{self._seed} {fault}".encode(), digest_size=8).digest()
        return int.from_bytes(drawn, "big") / _WHOLE

    def _note(self, what: str) -> None:
        self.trace.append(f"{self.now()} {what}")
