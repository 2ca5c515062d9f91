"""What people's tokens are worth now: asked of users, and remembered for two seconds."""

from __future__ import annotations

import asyncio

from actors.mesh import Fault, Refused, Unavailable
from actors.mesh._ports.world import Clock
from actors.mesh._principals import remember, unauthenticated
from gateway.mesh import MeshClient
from schemas.envelope import Envelope
from schemas.principal import Standing
from schemas.users import GetStanding

FRESH_MS = 2000
"""How late a deactivation or another role may take effect here."""

ASK_SECONDS = 2.0
"""Whoever waits for it has not begun yet with what they came for."""

LAGS_SECONDS = (0.05, 0.2, 0.5)
"""How long users is given to show what it has just signed: its view is a moment behind its events."""


class Standings:
    """Looks at the standing of whoever shows a token; without an answer nobody is let in."""

    def __init__(self, mesh: MeshClient, clock: Clock) -> None:
        self._mesh = mesh
        self._clock = clock
        self._known: dict[str, tuple[Standing, int]] = {}
        self._asking: dict[str, asyncio.Task[Standing | None]] = {}

    async def current(self, user_id: str, epoch: int) -> Standing:
        """Return the standing of a user whose token is of an epoch.

        Refused (`unauthenticated`) where the token counts no more; Unavailable where that cannot be found out.
        """
        standing = self._remembered(user_id)
        if standing is None or standing.epoch < epoch:
            standing = await self._caught_up(user_id, epoch)
        if standing is None or standing.status != "active" or epoch < standing.epoch:
            raise unauthenticated("principal_revoked", "the token counts no more: refresh the session, or log in")
        return standing

    def _remembered(self, user_id: str) -> Standing | None:
        standing, until_ms = self._known.get(user_id, (None, 0))
        return standing if self._clock.now_ms() < until_ms else None

    async def _caught_up(self, user_id: str, epoch: int) -> Standing | None:
        """Return the standing as of an epoch or later, None where there is no such user."""
        standing = await self._asked(user_id)
        for seconds in LAGS_SECONDS:
            if standing is not None and standing.epoch >= epoch:
                return standing
            await self._clock.sleep(seconds)
            standing = await self._asked(user_id)
        if standing is not None and standing.epoch < epoch:
            raise Unavailable("users does not show yet what it signed")
        return standing

    async def _asked(self, user_id: str) -> Standing | None:
        """Ask once for all who wait; one who hangs up takes the answer from nobody."""
        asking = self._asking.get(user_id)
        if asking is None:
            asking = self._asking[user_id] = asyncio.create_task(self._ask(user_id))
            asking.add_done_callback(lambda _: self._asking.pop(user_id))
        return await asyncio.shield(asking)

    async def _ask(self, user_id: str) -> Standing | None:
        now_ms = self._clock.now_ms()
        envelope = Envelope(deadline_ms=now_ms + round(ASK_SECONDS * 1000))
        try:
            async with asyncio.timeout(ASK_SECONDS):
                standing = await self._mesh.ask(GetStanding(user_id=user_id), envelope)
        except TimeoutError:
            raise Unavailable("users did not say in time what a token is worth") from None
        except Refused as refusal:
            if refusal.kind == "not_found":
                return None
            raise Unavailable(f"users does not say what a token is worth: {refusal}") from None
        except Fault as fault:
            raise Unavailable(
                f"users cannot say what a token is worth: {fault}", retry_after_seconds=fault.retry_after_seconds
            ) from None
        remember(self._known, user_id, (standing, now_ms + FRESH_MS))
        return standing
