"""What a consultation may look at: the time, who asks, other aggregates of the domain, unique values."""

from __future__ import annotations

from typing import cast

from typing_extensions import TypeVar

from actors.mesh._actor import Key
from actors.mesh._commit import Deciding
from schemas.principal import Principal

S = TypeVar("S")


class Look:
    """Implements `Consulting` for one command."""

    def __init__(self, here: Deciding, principal: Principal) -> None:
        self._here, self._principal = here, principal

    @property
    def now_ms(self) -> int:
        return self._here.clock.now_ms()

    @property
    def principal(self) -> Principal:
        return self._principal

    async def state(self, state: type[S], entity_id: str) -> S | None:
        return cast("S | None", await self._here.states.read(str(Key(state, entity_id))))

    async def claimed(self, scope: str, value: str) -> str | None:
        wanted = {"scope": scope, "value": self._here.privacy.blind_index(scope, value)}
        rows = await self._here.journal.inline_rows("claims", wanted, 1)
        return str(rows[0]["key"]).partition("/")[2] if rows else None
