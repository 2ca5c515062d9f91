"""AddUser."""

from actors.mesh.testing.given import given
from actors.users.model.rules import add
from actors.users.model.state import evolve
from schemas.users import AddUser, EpochRaised, PasswordSet, UserRegistered
from tests.unit.users.people import FRESH

ADD = AddUser(
    user_id="wendy",
    name="Wendy",
    email="wendy@example.org",
    password="correct horse",
    roles=("warehouse", "customer", "warehouse"),
)


def test_somebody_who_is_added_is_verified_and_gets_no_mail() -> None:
    roles = ("customer", "warehouse")
    given(evolve).when(add, ADD, FRESH).then(
        UserRegistered(user_id="wendy", name="Wendy", email="wendy@example.org", roles=roles, verified=True),
        PasswordSet(user_id="wendy", password_hash="a-hash"),
        EpochRaised(user_id="wendy", epoch=1, sessions_epoch=1, status="active", roles=roles),
    )


def test_an_id_is_taken_once() -> None:
    past = UserRegistered(user_id="wendy", name="Wendy", email="wendy@example.org")
    given(evolve, past).when(add, ADD, FRESH).refused("user_exists")
