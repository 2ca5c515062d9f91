"""RevokeSessions."""

from actors.mesh.testing.given import given
from actors.users.model.rules import revoke_sessions
from actors.users.model.state import evolve
from schemas.users import RevokeSessions
from tests.unit.users.people import ACTIVE, DEACTIVATED, raised

REVOKE = RevokeSessions(user_id="ada")


def test_all_sessions_that_began_before_are_over() -> None:
    given(evolve, *ACTIVE).when(revoke_sessions, REVOKE).then(raised(3, ends_sessions=True))


def test_a_closed_account_has_none() -> None:
    given(evolve, *DEACTIVATED).when(revoke_sessions, REVOKE).nothing()


def test_an_unknown_user_is_refused() -> None:
    given(evolve).when(revoke_sessions, REVOKE).refused("user_unknown", kind="not_found")
