"""What the quotas say to a notification before it is decided."""

from __future__ import annotations

from actors.mesh import Consulting, Quotas, States
from actors.notifications.model.kinds import CRITICAL, DUPLICATES, KINDS, LIMITS, Limit
from actors.notifications.model.notification import Admission, Notification
from actors.notifications.model.recipient import Recipient, wants
from schemas.notifications import (
    RequestNotification,
)


async def admit(quotas: Quotas, command: RequestNotification, states: States, look: Consulting) -> Admission:
    """Take a place in each window; the notification's id takes it, so that a second attempt takes the same one."""
    kind, user_id = KINDS[command.template], command.user_id
    if kind.category in CRITICAL or states.of(Notification, command.notification_id) is not None:
        return Admission()

    async def passes(key: str, limit: Limit) -> bool:
        return await quotas.take(
            key,
            command.notification_id,
            limit=limit.most,
            window_seconds=limit.window_seconds,
            now_ms=look.now_ms,
        )

    if not await passes(f"{user_id}:{command.template}:{command.about}", DUPLICATES):
        return Admission(duplicate=True)
    recipient = states.of(Recipient, user_id)
    wanted = [name for name in kind.channels if name in LIMITS and wants(recipient, kind.category, name)]
    return Admission(
        throttled=frozenset({name for name in wanted if not await passes(f"{user_id}:{name}", LIMITS[name])})
    )
