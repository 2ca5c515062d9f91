"""GetCustomer."""

from actors import users
from actors.mesh.testing.given import given_actor
from schemas.users import CustomerDeactivated, CustomerRegistered, CustomerView, GetCustomer

REGISTERED = CustomerRegistered(customer_id="c1", name="Ada", email="ada@example.org")
DEACTIVATED = CustomerDeactivated(customer_id="c1", reason="asked for")


def test_a_registered_customer_is_active() -> None:
    view = CustomerView(customer_id="c1", status="active", name="Ada", email="ada@example.org")
    given_actor(users.actor, REGISTERED).asked(GetCustomer(customer_id="c1")).answered(view)


def test_a_deactivated_customer_is_still_shown() -> None:
    view = CustomerView(customer_id="c1", status="deactivated", name="Ada", email="ada@example.org")
    given_actor(users.actor, REGISTERED, DEACTIVATED).asked(GetCustomer(customer_id="c1")).answered(view)


def test_an_unknown_customer_is_not_found() -> None:
    given_actor(users.actor).asked(GetCustomer(customer_id="c1")).refused("customer_unknown", kind="not_found")
