"""ListSessions."""

import pytest
from msgspec.structs import replace

from actors import users
from actors.mesh.testing.given import given_actor
from schemas.users import ListSessions, SessionPage, SessionRefreshed, SessionRevoked, SessionView
from tests.unit.users.people import ACTIVE, NOW_MS, STARTED, raised

LATER = replace(STARTED, session_id="s2", device="laptop", started_at_ms=NOW_MS + 1)
REFRESHED = SessionRefreshed(session_id="s1", user_id="ada", generation=1, refreshed_at_ms=NOW_MS + 2)
REVOKED = SessionRevoked(session_id="s1", user_id="ada", reason="reused")
PHONE = SessionView(
    session_id="s1", user_id="ada", device="phone", status="active", epoch=2,
    started_at_ms=NOW_MS, refreshed_at_ms=NOW_MS,
)  # fmt: skip
LAPTOP = replace(PHONE, session_id="s2", device="laptop", started_at_ms=NOW_MS + 1, refreshed_at_ms=NOW_MS + 1)


@pytest.mark.parametrize(
    ("past", "seen"),
    [
        ((), ()),
        ((STARTED, LATER), (LAPTOP, PHONE)),
        ((STARTED, REFRESHED), (replace(PHONE, refreshed_at_ms=NOW_MS + 2),)),
        ((STARTED, REVOKED), (replace(PHONE, status="revoked"),)),
        ((STARTED, raised(3, ends_sessions=True)), (replace(PHONE, status="revoked"),)),
        ((STARTED, raised(3, ends_sessions=False)), (PHONE,)),
    ],
    ids=["none", "newest first", "refreshed", "revoked", "ended with all others", "only the epoch raised"],
)
def test_sessions_are_shown_as_they_are_by_now(past: tuple[object, ...], seen: tuple[SessionView, ...]) -> None:
    given_actor(users.actor, *ACTIVE, *past).asked(ListSessions(user_id="ada")).answered(SessionPage(sessions=seen))  # type: ignore[arg-type]


def test_an_unknown_user_is_refused() -> None:
    given_actor(users.actor).asked(ListSessions(user_id="eve")).refused("user_unknown", kind="not_found")
