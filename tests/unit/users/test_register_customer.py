"""RegisterCustomer."""

from actors.mesh.testing.given import given
from actors.users.model import evolve, register
from schemas.users import CustomerDeactivated, CustomerRegistered, RegisterCustomer

REGISTER = RegisterCustomer(customer_id="c1", name="Ada", email="ada@example.org")
REGISTERED = CustomerRegistered(customer_id="c1", name="Ada", email="ada@example.org")


def test_a_new_customer_is_registered() -> None:
    given(evolve).when(register, REGISTER).then(REGISTERED)


def test_registering_the_same_customer_twice_changes_nothing() -> None:
    given(evolve, REGISTERED).when(register, REGISTER).nothing()


def test_an_id_that_somebody_else_has_is_refused() -> None:
    other = RegisterCustomer(customer_id="c1", name="Bob", email="bob@example.org")
    given(evolve, REGISTERED).when(register, other).refused("customer_exists")


def test_a_closed_account_is_not_registered_again() -> None:
    closed = CustomerDeactivated(customer_id="c1", reason="asked for")
    given(evolve, REGISTERED, closed).when(register, REGISTER).refused("customer_deactivated")
