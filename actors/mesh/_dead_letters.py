"""What could not be dealt with, kept as rows until a person looks at it."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from actors.mesh._log import get_logger
from actors.mesh._ports import Clock, DeadLetter, DeadLetterRows
from actors.mesh._privacy import Privacy
from actors.mesh._tracebacks import told
from schemas.envelope import COMMAND_ID, PRINCIPAL, derived_id

DETAIL_CHARACTERS_MAX = 4000

log = get_logger()


class DeadLetters:
    """Parks messages, bodies encrypted whole: what does not decode cannot be masked field by field."""

    def __init__(self, rows: DeadLetterRows, privacy: Privacy, clock: Clock) -> None:
        self._rows, self._privacy, self._clock = rows, privacy, clock

    async def park(
        self,
        subject: str,
        headers: Mapping[str, str],
        body: bytes,
        *,
        reader: str,
        error: BaseException,
        attempts: int = 1,
        identity: str = "",
    ) -> None:
        """Keep a message with the reason; the same message of the same reader is kept once.

        `identity` tells it from others where its own headers cannot be trusted to.
        """
        identity = identity or headers.get("Nats-Msg-Id") or headers.get(COMMAND_ID) or f"{self._clock.now_ns()}"
        kept = {storable(name): storable(value) for name, value in headers.items() if name != PRINCIPAL}
        letter = DeadLetter(
            letter_id=derived_id("dead letter", reader, subject, identity),
            subject=storable(subject),
            reader=reader,
            reason=getattr(error, "code", type(error).__name__),
            detail=told(error)[-DETAIL_CHARACTERS_MAX:],
            headers=msgspec.json.encode(kept).decode(),
            body=await self._privacy.seal_bytes("dead_letter", body),
            at_ms=self._clock.now_ms(),
            attempts=attempts,
        )
        await self._rows.park(letter)
        log.error("dead letter", subject=subject, reader=reader, reason=letter.reason, letter_id=letter.letter_id)


def storable(text: str) -> str:
    """Return a text from outside as every store can hold it: no NUL, and nothing that is not Unicode."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")
