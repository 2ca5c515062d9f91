"""What is written with an event: the row that says what a user's tokens are worth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from schemas.users import EpochRaised


def standing(event: EpochRaised) -> Iterable[Mapping[str, object]]:
    yield {
        "user_id": event.user_id,
        "status": event.status,
        "epoch": event.epoch,
        "sessions_epoch": event.sessions_epoch,
        "roles": list(event.roles),
    }
