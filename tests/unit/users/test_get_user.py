"""GetUser."""

import pytest

from actors import users
from actors.mesh import Refused
from actors.mesh.testing.given import FIRST_MS, given_actor
from schemas.principal import Principal
from schemas.users import AddressRemoved, GetUser, ProfileChanged, RolesSet, UserView
from tests.unit.users.people import ACTIVE, DEACTIVATED, EMAIL, UNVERIFIED, add, users_mesh
from tests.unit.users.test_add_address import address

VIEW = UserView(
    user_id="ada", status="unverified", name="Ada", email=EMAIL, roles=("customer",), registered_at_ms=FIRST_MS
)


def view(**changed: object) -> UserView:
    return UserView(**({name: getattr(VIEW, name) for name in VIEW.__struct_fields__} | changed))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("past", "seen"),
    [
        (UNVERIFIED, VIEW),
        (ACTIVE, view(status="active")),
        (DEACTIVATED, view(status="deactivated")),
        ((*UNVERIFIED, ProfileChanged(user_id="ada", phone="+4740000000", locale="no")),
         view(phone="+4740000000", locale="no")),
        ((*UNVERIFIED, ProfileChanged(user_id="ada", phone="+4740000000"), ProfileChanged(user_id="ada", phone="")),
         VIEW),
        ((*UNVERIFIED, RolesSet(user_id="ada", roles=("support",))), view(roles=("support",))),
        ((*UNVERIFIED, address("a1"), address("a2"), address("a1")),
         view(addresses=(address("a2").address, address("a1").address))),
        ((*UNVERIFIED, address("a1"), AddressRemoved(user_id="ada", address_id="a1")), VIEW),
    ],
)  # fmt: skip
def test_a_user_is_shown_as_the_past_has_it(past: tuple[object, ...], seen: UserView) -> None:
    given_actor(users.actor, *past).asked(GetUser(user_id="ada")).answered(seen)  # type: ignore[arg-type]


def test_an_unknown_user_is_refused() -> None:
    given_actor(users.actor).asked(GetUser(user_id="ada")).refused("user_unknown", kind="not_found")


@pytest.mark.parametrize("roles", [("customer",), ("warehouse",), ("customer", "finance")])
async def test_everybody_sees_their_own_account_and_no_other(roles: tuple[str, ...]) -> None:
    async with users_mesh() as mesh:
        await add(mesh)
        await add(mesh, "eve", "eve@example.org")
        ada = mesh.client_of(Principal(subject="ada", roles=roles))  # type: ignore[arg-type]
        assert (await ada.ask(GetUser(user_id="ada"))).email == EMAIL
        with pytest.raises(Refused, match="owner_mismatch"):
            await ada.ask(GetUser(user_id="eve"))
