"""ListUsers."""

from actors import users
from actors.mesh.testing.given import FIRST_MS, given_actor
from schemas.users import ListUsers, UserPage, UserRegistered, UserView

PEOPLE = [
    UserRegistered(user_id=name, name=name, email=f"{name}@example.org", verified=verified)
    for name, verified in (("ada", True), ("bob", False), ("cleo", True))
]


def view(name: str, place: int, status: str) -> UserView:
    return UserView(
        user_id=name,
        status="active" if status == "active" else "unverified",
        name=name,
        email=f"{name}@example.org",
        roles=("customer",),
        registered_at_ms=FIRST_MS + 1_000 * place,
    )


def test_users_come_newest_first_and_in_pages() -> None:
    first = UserPage(users=(view("cleo", 2, "active"), view("bob", 1, "unverified")), next_cursor="2")
    given_actor(users.actor, *PEOPLE).asked(ListUsers(limit=2)).answered(first)
    rest = UserPage(users=(view("ada", 0, "active"),))
    given_actor(users.actor, *PEOPLE).asked(ListUsers(limit=2, cursor="2")).answered(rest)


def test_they_are_found_by_status() -> None:
    page = UserPage(users=(view("bob", 1, "unverified"),))
    given_actor(users.actor, *PEOPLE).asked(ListUsers(status="unverified")).answered(page)
