"""DeactivateCustomer."""

from actors.mesh.testing.given import given
from actors.users.model import deactivate, evolve
from schemas.users import CustomerDeactivated, CustomerRegistered, DeactivateCustomer

REGISTERED = CustomerRegistered(customer_id="c1", name="Ada", email="ada@example.org")
DEACTIVATE = DeactivateCustomer(customer_id="c1", reason="asked for")
DEACTIVATED = CustomerDeactivated(customer_id="c1", reason="asked for")


def test_a_customer_is_deactivated() -> None:
    given(evolve, REGISTERED).when(deactivate, DEACTIVATE).then(DEACTIVATED)


def test_deactivating_twice_changes_nothing() -> None:
    given(evolve, REGISTERED, DEACTIVATED).when(deactivate, DEACTIVATE).nothing()


def test_nobody_cannot_be_deactivated() -> None:
    given(evolve).when(deactivate, DEACTIVATE).refused("customer_unknown", kind="not_found")
