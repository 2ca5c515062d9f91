"""AddAddress."""

from actors.mesh.testing.given import given
from actors.users.model.rules import ADDRESSES_MAX, add_address
from actors.users.model.state import evolve
from schemas.users import AddAddress, AddressAdded
from schemas.values import Address
from tests.unit.users.people import ACTIVE, DEACTIVATED


def address(address_id: str) -> AddressAdded:
    kept = Address(
        address_id=address_id,
        label="home",
        recipient="Ada",
        street="1 Engine Row",
        city="London",
        postal_code="E1",
        country="GB",
    )
    return AddressAdded(user_id="ada", address=kept)


def add(address_id: str) -> AddAddress:
    return AddAddress(
        user_id="ada",
        address_id=address_id,
        label="home",
        recipient="Ada",
        street="1 Engine Row",
        city="London",
        postal_code="E1",
        country="GB",
    )


FULL = [address(f"a{number}") for number in range(ADDRESSES_MAX)]


def test_an_address_is_kept() -> None:
    given(evolve, *ACTIVE).when(add_address, add("a1")).then(address("a1"))


def test_there_is_a_bound() -> None:
    given(evolve, *ACTIVE, *FULL).when(add_address, add("one-more")).refused("addresses_full", kind="limited")


def test_at_the_bound_one_may_still_take_the_place_of_another() -> None:
    given(evolve, *ACTIVE, *FULL).when(add_address, add("a1")).then(address("a1"))


def test_a_closed_account_gets_none() -> None:
    given(evolve, *DEACTIVATED).when(add_address, add("a1")).refused("user_deactivated")
