"""RemoveAddress."""

from actors.mesh.testing.given import given
from actors.users.model.rules import add_address, remove_address
from actors.users.model.state import evolve
from schemas.users import AddressRemoved, RemoveAddress
from tests.unit.users.people import ACTIVE
from tests.unit.users.test_add_address import FULL, add, address

REMOVE = RemoveAddress(user_id="ada", address_id="a1")
REMOVED = AddressRemoved(user_id="ada", address_id="a1")


def test_an_address_is_forgotten() -> None:
    given(evolve, *ACTIVE, address("a1")).when(remove_address, REMOVE).then(REMOVED)


def test_one_that_is_not_there_is_no_error() -> None:
    given(evolve, *ACTIVE).when(remove_address, REMOVE).nothing()


def test_it_makes_room_for_another() -> None:
    given(evolve, *ACTIVE, *FULL, REMOVED).when(add_address, add("one-more")).then(address("one-more"))
