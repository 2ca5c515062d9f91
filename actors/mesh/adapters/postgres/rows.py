"""The ports of sagas, effects, timers, dead letters and tells on PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from actors.mesh._ports import DeadLetter, EffectRow, SagaRow, SagaStatus, TellRow, TimerRow
from actors.mesh.adapters.postgres.connect import Sessions

SAGA = "saga, key, revision, status, next_at_ms, document"
SAGA_LOAD = f"SELECT {SAGA} FROM sagas WHERE saga = $1 AND key = $2"  # noqa: S608 - constants only
SAGA_INSERT = f"""INSERT INTO sagas ({SAGA}) VALUES ($1, $2, $3 + 1, $4, $5, $6)
ON CONFLICT DO NOTHING RETURNING revision"""  # noqa: S608 - constants only
SAGA_UPDATE = """UPDATE sagas SET revision = $3 + 1, status = $4, next_at_ms = $5, document = $6
WHERE saga = $1 AND key = $2 AND revision = $3 RETURNING revision"""
SAGA_DUE = f"""SELECT {SAGA} FROM sagas
WHERE saga = $1 AND status IN ('running', 'undoing') AND next_at_ms > 0 AND next_at_ms <= $2
ORDER BY next_at_ms, key LIMIT $3"""  # noqa: S608 - constants only
# What the index of SAGA_DUE holds: the rows of finished sagas stay for ever, and are not counted through.
SAGA_UNFINISHED = """SELECT status, count(*) AS count FROM sagas
WHERE saga = $1 AND status IN ('running', 'undoing') AND next_at_ms > 0 GROUP BY status"""

EFFECT_BEGIN = """INSERT INTO effects (event_id, performer, attempts, next_at_ms, event) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT DO NOTHING RETURNING event_id"""
# MATERIALIZED: the planner must not run the choice twice, or more than `limit` rows would be leased.
EFFECT_LEASE = """WITH due AS MATERIALIZED (
    SELECT event_id, performer FROM effects WHERE performer = $1 AND NOT finished AND next_at_ms <= $2
    ORDER BY next_at_ms LIMIT $4 FOR UPDATE SKIP LOCKED)
UPDATE effects e SET attempts = e.attempts + 1, next_at_ms = $3 FROM due d
WHERE e.event_id = d.event_id AND e.performer = d.performer
RETURNING e.event_id, e.performer, e.attempts, e.next_at_ms, e.event"""
EFFECT_PUT_OFF = """UPDATE effects SET next_at_ms = $4
WHERE event_id = $1 AND performer = $2 AND attempts = $3 AND NOT finished"""
EFFECT_FINISH = "UPDATE effects SET finished = true, event = '' WHERE event_id = $1 AND performer = $2"
EFFECT_COUNT = "SELECT count(*) AS count FROM effects WHERE performer = $1 AND NOT finished"

TIMER_LEASE = """WITH due AS MATERIALIZED (
    SELECT timer_id FROM timers WHERE next_at_ms <= $1 ORDER BY next_at_ms, timer_id LIMIT $3 FOR UPDATE SKIP LOCKED)
UPDATE timers t SET attempts = t.attempts + 1, next_at_ms = $2 FROM due d WHERE t.timer_id = d.timer_id
RETURNING t.timer_id, t.due_at_ms, t.attempts, t.message, t.body, t.headers"""
TIMER_FINISH = "DELETE FROM timers WHERE timer_id = $1"

LETTER = "letter_id, subject, reader, reason, detail, headers, body, at_ms, attempts"
LETTER_PARK = f"""INSERT INTO dead_letters ({LETTER}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT DO NOTHING"""  # noqa: S608 - constants only
LETTER_LIST = f"SELECT {LETTER} FROM dead_letters WHERE letter_id > $1 ORDER BY letter_id LIMIT $2"  # noqa: S608 - constants only
LETTER_COUNT = "SELECT count(*) AS count FROM dead_letters"
LETTER_GET = f"SELECT {LETTER} FROM dead_letters WHERE letter_id = $1"  # noqa: S608 - constants only
LETTER_REMOVE = "DELETE FROM dead_letters WHERE letter_id = $1 RETURNING letter_id"

TELL = "command_id, principal, subject, ending, refusal, issued_at_ms, at_ms"
TELL_KEEP = f"""INSERT INTO tells ({TELL}) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (command_id, principal)
DO UPDATE SET subject = $3, ending = $4, refusal = $5, issued_at_ms = $6, at_ms = $7"""  # noqa: S608 - constants only
TELL_GET = f"SELECT {TELL} FROM tells WHERE command_id = $1 AND principal = $2"  # noqa: S608 - constants only
TELL_LATEST = f"SELECT {TELL} FROM tells WHERE command_id = $1 ORDER BY at_ms DESC LIMIT 1"  # noqa: S608 - constants only
TELL_FORGET = """DELETE FROM tells WHERE (command_id, principal) IN
    (SELECT command_id, principal FROM tells WHERE at_ms < $1 ORDER BY at_ms LIMIT $2 FOR UPDATE SKIP LOCKED)
RETURNING 1"""


class PostgresSagas:
    """Where sagas live."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def load(self, saga: str, key: str) -> SagaRow | None:
        """Return the row, None where there is none."""
        rows = await self._sessions.repeat(SAGA_LOAD, saga, key)
        return SagaRow(*rows[0]) if rows else None

    async def save(self, row: SagaRow) -> bool:
        """Write the row as revision + 1 if it still is at its revision; return whether it was."""
        return bool(await self._sessions.once(SAGA_UPDATE if row.revision else SAGA_INSERT, *row))

    async def due(self, saga: str, now_ms: int, limit: int) -> Sequence[SagaRow]:
        """Return unfinished rows whose time has come, oldest first."""
        return [SagaRow(*row) for row in await self._sessions.repeat(SAGA_DUE, saga, now_ms, limit)]

    async def unfinished(self, saga: str) -> Mapping[SagaStatus, int]:
        """Return how many that have started are running and undoing."""
        return {row["status"]: row["count"] for row in await self._sessions.repeat(SAGA_UNFINISHED, saga)}


class PostgresEffects:
    """What was begun outside, so that it is asked about and never done twice."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def begin(self, row: EffectRow) -> bool:
        """Write the row; return whether it was new."""
        return bool(await self._sessions.once(EFFECT_BEGIN, *row))

    async def lease(self, performer: str, now_ms: int, until_ms: int, limit: int) -> Sequence[EffectRow]:
        """Return unfinished rows whose time has come, counted up one attempt and put off until then."""
        rows = await self._sessions.once(EFFECT_LEASE, performer, now_ms, until_ms, limit)
        return sorted(EffectRow(*row) for row in rows)

    async def put_off(self, row: EffectRow, next_at_ms: int) -> None:
        """Let it be leased again at that time, unless it is finished or another attempt has begun since."""
        await self._sessions.repeat(EFFECT_PUT_OFF, row.event_id, row.performer, row.attempts, next_at_ms)

    async def finish(self, event_id: str, performer: str) -> None:
        """Remember that it is done; the event itself is forgotten."""
        await self._sessions.repeat(EFFECT_FINISH, event_id, performer)

    async def count(self, performer: str) -> int:
        """Return how many are unfinished."""
        return int((await self._sessions.repeat(EFFECT_COUNT, performer))[0]["count"])


class PostgresTimers:
    """Commands to send when their time comes."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def lease(self, now_ms: int, until_ms: int, limit: int) -> Sequence[TimerRow]:
        """Return timers whose time has come, counted up one attempt and put off until then."""
        rows = await self._sessions.once(TIMER_LEASE, now_ms, until_ms, limit)
        return sorted((TimerRow(*row) for row in rows), key=lambda row: (row.due_at_ms, row.timer_id))

    async def finish(self, timer_id: str) -> None:
        """Forget a timer."""
        await self._sessions.repeat(TIMER_FINISH, timer_id)


class PostgresDeadLetters:
    """Where messages wait for a person."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def park(self, letter: DeadLetter) -> None:
        """Keep it; the same letter id again changes nothing."""
        await self._sessions.repeat(LETTER_PARK, *letter)

    async def list(self, after_id: str, limit: int) -> Sequence[DeadLetter]:
        """Return letters in order of their ids."""
        return [DeadLetter(*row) for row in await self._sessions.repeat(LETTER_LIST, after_id, limit)]

    async def count(self) -> int:
        """Return how many wait."""
        return int((await self._sessions.repeat(LETTER_COUNT))[0]["count"])

    async def get(self, letter_id: str) -> DeadLetter | None:
        """Return one letter, None where there is none."""
        rows = await self._sessions.repeat(LETTER_GET, letter_id)
        return DeadLetter(*rows[0]) if rows else None

    async def remove(self, letter_id: str) -> bool:
        """Forget a letter; return whether it was there."""
        return bool(await self._sessions.once(LETTER_REMOVE, letter_id))


class PostgresTells:
    """How tells ended."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def keep(self, row: TellRow) -> None:
        """Keep it in the place of an earlier one."""
        await self._sessions.repeat(TELL_KEEP, *row)

    async def get(self, command_id: str, principal: str) -> TellRow | None:
        """Return one row, None where there is none."""
        rows = await self._sessions.repeat(TELL_GET, command_id, principal)
        return TellRow(*rows[0]) if rows else None

    async def latest(self, command_id: str) -> TellRow | None:
        """Return the latest of anybody's."""
        rows = await self._sessions.repeat(TELL_LATEST, command_id)
        return TellRow(*rows[0]) if rows else None

    async def forget(self, before_ms: int, limit: int) -> int:
        """Delete rows older than that."""
        return len(await self._sessions.once(TELL_FORGET, before_ms, limit))
