"""UpdateProfile."""

from actors.mesh.testing.given import given
from actors.users.model.rules import update_profile
from actors.users.model.state import evolve
from schemas.users import ProfileChanged, UpdateProfile
from tests.unit.users.people import ACTIVE, DEACTIVATED

UPDATE = UpdateProfile(user_id="ada", phone="+4740000000")
CHANGED = ProfileChanged(user_id="ada", phone="+4740000000")


def test_what_is_given_changes() -> None:
    given(evolve, *ACTIVE).when(update_profile, UPDATE).then(CHANGED)


def test_nothing_given_changes_nothing() -> None:
    given(evolve, *ACTIVE).when(update_profile, UpdateProfile(user_id="ada")).nothing()


def test_mails_are_written_to_the_new_name_in_the_new_language() -> None:
    state = given(evolve, *ACTIVE, ProfileChanged(user_id="ada", name="Ada Byron", locale="no")).state
    assert state is not None
    assert (state.name, state.locale) == ("Ada Byron", "no")


def test_a_closed_account_stays_as_it_is() -> None:
    given(evolve, *DEACTIVATED).when(update_profile, UPDATE).refused("user_deactivated", kind="gone")
