"""RevokeSession."""

import pytest

from actors import users
from actors.mesh.testing.given import given_actor
from schemas.users import RevokeSession, SessionRevoked, UserRegistered
from tests.unit.users.people import ACTIVE, STARTED, raised

REVOKE = RevokeSession(session_id="s1", user_id="ada")
REVOKED = SessionRevoked(session_id="s1", user_id="ada", reason="logged_out")
EVE = UserRegistered(user_id="eve", name="Eve", email="eve@example.org", verified=True)


def test_it_ends_and_the_access_tokens_that_are_out_with_it() -> None:
    given_actor(users.actor, *ACTIVE, STARTED).when(REVOKE).then(REVOKED, raised(3, ends_sessions=False))


def test_twice_changes_nothing() -> None:
    given_actor(users.actor, *ACTIVE, STARTED, REVOKED).when(REVOKE).nothing()


@pytest.mark.parametrize("past", [ACTIVE, (*ACTIVE, EVE, STARTED)], ids=["unknown", "somebody else's"])
def test_what_is_not_ones_own_does_not_exist(past: tuple[object, ...]) -> None:
    command = RevokeSession(session_id="s1", user_id="eve")
    given_actor(users.actor, *past).when(command).refused("session_unknown", kind="not_found")  # type: ignore[arg-type]
