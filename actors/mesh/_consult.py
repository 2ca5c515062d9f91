"""What a consultation may look at: the time, who asks, other aggregates of the domain, unique values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from typing_extensions import TypeVar

from actors.mesh._actor import Key
from actors.mesh._commit import Deciding
from schemas.principal import Principal

S = TypeVar("S")


class Unheld(Exception):
    """A consultation wants to hold a key besides: the command begins anew, holding that one too."""

    def __init__(self, key: Key) -> None:
        super().__init__(str(key))
        self.key = key


class Look:
    """Implements `Consulting` for one command; `states` are those it holds."""

    def __init__(self, here: Deciding, principal: Principal, states: Mapping[str, Any]) -> None:
        self._here, self._principal, self._states = here, principal, states

    @property
    def now_ms(self) -> int:
        return self._here.clock.now_ms()

    @property
    def principal(self) -> Principal:
        return self._principal

    async def state(self, state: type[S], entity_id: str) -> S | None:
        return cast("S | None", await self._here.states.read(str(Key(state, entity_id))))

    async def held(self, state: type[S], entity_id: str) -> S | None:
        key = Key(state, entity_id)
        if str(key) not in self._states:
            raise Unheld(key)
        return cast("S | None", self._states[str(key)])

    async def claimed(self, scope: str, value: str) -> str | None:
        wanted = {"scope": scope, "value": self._here.privacy.blind_index(scope, value)}
        rows = await self._here.journal.inline_rows("claims", wanted, 1)
        return str(rows[0]["key"]).partition("/")[2] if rows else None
