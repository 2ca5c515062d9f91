"""What an operator is told of an entity: everything that happened, and nothing that is personal or secret."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, TypeAlias

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace

from actors.mesh import Actor, Aggregate, MeshError, Refused, decides
from actors.mesh import _history as history_module
from actors.mesh._history import ABSENT, differences
from actors.mesh._operator import Operator
from actors.mesh.testing.memory_mesh import MemoryMesh
from schemas.envelope import Envelope
from schemas.history import Change, HistoryEntry, HistoryPage, HistoryQuestion
from schemas.message import Command, Event, Id, Personal
from schemas.principal import Principal

NAME, EMAIL, OTHER_EMAIL = "Ada Byron", "ada@example.org", "countess@example.org"
PASSWORD_HASH, TOKEN = "argon2-of-hunter2", "card-number-4111"


class OpenAccount(Command, frozen=True, kw_only=True):
    account_id: Id
    name: Annotated[str, Personal("account_id")]
    email: Annotated[str, Personal("account_id")]
    payment_token: str = ""


class ChangeEmail(Command, frozen=True, kw_only=True):
    account_id: Id
    email: Annotated[str, Personal("account_id")]


class SetPassword(Command, frozen=True, kw_only=True):
    account_id: Id
    password_hash: str


class AddTags(Command, frozen=True, kw_only=True):
    account_id: Id
    tags: tuple[str, ...]


class OpenDrawer(Command, frozen=True, kw_only=True):
    drawer_id: Id


class AccountOpened(Event, frozen=True, kw_only=True):
    account_id: Id
    name: Annotated[str, Personal("account_id")]
    email: Annotated[str, Personal("account_id")]
    payment_token: str


class EmailChanged(Event, frozen=True, kw_only=True):
    account_id: Id
    email: Annotated[str, Personal("account_id")]


class PasswordChanged(Event, frozen=True, kw_only=True):
    account_id: Id
    password_hash: str
    rounds: int


class TagsAdded(Event, frozen=True, kw_only=True):
    account_id: Id
    tags: tuple[str, ...]


class DrawerOpened(Event, frozen=True, kw_only=True):
    drawer_id: Id


AccountEvent: TypeAlias = AccountOpened | EmailChanged | PasswordChanged | TagsAdded


class Account(Struct, frozen=True, kw_only=True):
    """Its fields carry no marks on purpose: what an event hides is hidden wherever the fold has put it."""

    account_id: str
    title: str
    contact: dict[str, str]
    shadow: str = ""
    rounds: int = 0
    paid_by: str = ""
    tags: tuple[str, ...] = ()


class Drawer(Struct, frozen=True, kw_only=True):
    drawer_id: str


def open_account(account: Account | None, command: OpenAccount) -> Iterator[AccountEvent]:
    yield AccountOpened(**{name: getattr(command, name) for name in command.__struct_fields__})


def change_email(account: Account | None, command: ChangeEmail) -> Iterator[AccountEvent]:
    yield EmailChanged(account_id=command.account_id, email=command.email)


def set_password(account: Account | None, command: SetPassword) -> Iterator[AccountEvent]:
    yield PasswordChanged(account_id=command.account_id, password_hash=command.password_hash, rounds=12)


def add_tags(account: Account | None, command: AddTags) -> Iterator[AccountEvent]:
    yield TagsAdded(account_id=command.account_id, tags=command.tags)


def open_drawer(drawer: Drawer | None, command: OpenDrawer) -> Iterator[DrawerOpened]:
    yield DrawerOpened(drawer_id=command.drawer_id)


def evolve(account: Account | None, event: AccountEvent) -> Account:
    if isinstance(event, AccountOpened):
        contact = {"email": event.email}
        return Account(account_id=event.account_id, title=event.name, contact=contact, paid_by=event.payment_token)
    assert account is not None
    match event:
        case EmailChanged():
            return replace(account, contact={"email": event.email})
        case PasswordChanged():
            return replace(account, shadow=event.password_hash, rounds=event.rounds)
        case TagsAdded():
            return replace(account, tags=(*account.tags, *event.tags))


def evolve_drawer(drawer: Drawer | None, event: DrawerOpened) -> Drawer:
    return Drawer(drawer_id=event.drawer_id)


actor = Actor(
    name="test_history",
    aggregates=(
        Aggregate(
            state=Account,
            key="account_id",
            evolve=evolve,
            decisions=(
                decides(OpenAccount, open_account),
                decides(ChangeEmail, change_email),
                decides(SetPassword, set_password),
                decides(AddTags, add_tags),
            ),
        ),
        Aggregate(
            state=Drawer, key="drawer_id", evolve=evolve_drawer, decisions=(decides(OpenDrawer, open_drawer),)
        ),
    ),
    private=(PasswordChanged,),
)  # fmt: skip

STORY = (
    OpenAccount(account_id="a", name=NAME, email=EMAIL, payment_token=TOKEN),
    SetPassword(account_id="a", password_hash=PASSWORD_HASH),
    ChangeEmail(account_id="a", email=OTHER_EMAIL),
    AddTags(account_id="a", tags=("new", "loyal")),
    AddTags(account_id="a", tags=("late",)),
)


def operator_of(mesh: MemoryMesh, principal: Principal | None = None) -> Operator:
    client = mesh.client if principal is None else mesh.client_of(principal)
    return Operator(mesh.bus, client, mesh.clock, mesh.telemetry("operator"))


async def told(mesh: MemoryMesh, **asked: Any) -> HistoryPage:
    return await operator_of(mesh).history("test_history", HistoryQuestion(entity_id="a", **asked))


async def lived(mesh: MemoryMesh) -> None:
    for command in STORY:
        await mesh.client.ask(command, on_behalf_of="ada")


def change(field: str, before: Any, after: Any) -> Change:
    return Change(field=field, before=before, after=after)


async def test_every_event_is_told_with_what_it_changed() -> None:
    async with MemoryMesh([actor]) as mesh:
        await lived(mesh)
        page = await told(mesh)
        assert (page.key, page.next_after_version) == ("account/a", 0)
        assert [(entry.version, entry.name, entry.private) for entry in page.entries] == [
            (1, "account_opened", False),
            (2, "password_changed", True),
            (3, "email_changed", False),
            (4, "tags_added", False),
            (5, "tags_added", False),
        ]
        opened, password, email, tags, more_tags = page.entries
        assert opened.body == {"account_id": "a", "name": "•••", "email": "•••", "payment_token": "[masked]"}
        assert opened.changes == (
            change("account_id", None, "a"),
            change("title", None, "•••"),
            change("contact/email", None, "•••"),
            change("shadow", None, ""),
            change("rounds", None, 0),
            change("paid_by", None, "•••"),
        )
        hidden = change("shadow", "•••", "•••"), change("rounds", "•••", "•••")
        assert (password.body, password.changes) == (None, hidden)
        assert email.changes == (change("contact/email", "•••", "•••"),)
        assert tags.changes == (change("tags/0", None, "new"), change("tags/1", None, "loyal"))
        assert more_tags.changes == (change("tags/2", None, "late"),)


async def test_nothing_personal_or_secret_is_in_the_answer() -> None:
    async with MemoryMesh([actor]) as mesh:
        await lived(mesh)
        answer = msgspec.json.encode(await told(mesh)).decode()
        assert not [text for text in (NAME, EMAIL, OTHER_EMAIL, PASSWORD_HASH, TOKEN, "~p1.") if text in answer]


async def test_each_event_says_when_by_whom_and_in_which_trace() -> None:
    async with MemoryMesh([actor]) as mesh:
        command_id = "01a21d5a-a75f-72e9-82d7-fa21dfa5ae0b"
        await mesh.client.ask(STORY[0], Envelope(command_id=command_id), on_behalf_of="ada")
        [entry] = (await told(mesh)).entries
        assert (entry.command_id, entry.person) == (command_id, "ada")
        assert abs(entry.at_ms - mesh.clock.now_ms()) < 60_000
        decided = [span for span in mesh.spans if span.name == "test_history.command.open_account"]
        assert entry.trace_id == decided[0].trace_id.hex()


async def test_pages_follow_one_another_and_tell_the_same_as_one() -> None:
    async with MemoryMesh([actor]) as mesh:
        await lived(mesh)
        whole, entries, after = await told(mesh), list[HistoryEntry](), 0
        for _ in range(3):
            page = await told(mesh, after_version=after, limit=2)
            entries += page.entries
            after = page.next_after_version
        assert after == 0
        assert tuple(entries) == whole.entries
        assert (await told(mesh, after_version=5)).entries == ()


async def test_a_page_is_never_larger_than_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_module, "PAGE_BYTES_MAX", 1200)
    async with MemoryMesh([actor]) as mesh:
        await mesh.client.ask(STORY[0])
        for number in range(8):
            await mesh.client.ask(AddTags(account_id="a", tags=(f"{number}" * 200,)))
        await mesh.client.ask(AddTags(account_id="a", tags=("x" * 5000,)))
        entries, after = list[HistoryEntry](), 0
        for _ in range(20):
            page = await told(mesh, after_version=after)
            assert len(msgspec.json.encode(page)) < 1500
            entries += page.entries
            after = page.next_after_version
            if not after:
                break
        assert [entry.version for entry in entries] == list(range(1, 11))
        assert [entry.version for entry in entries if entry.cut] == [10]


async def test_a_history_without_end_is_refused_not_folded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_module, "EVENTS_MAX", 4)
    monkeypatch.setattr(history_module, "EVENTS_AT_ONCE_MAX", 2)
    async with MemoryMesh([actor]) as mesh:
        await lived(mesh)
        assert len((await told(mesh, limit=3)).entries) == 3
        with pytest.raises(Refused, match="history_long"):
            await told(mesh)


async def refusal(mesh: MemoryMesh, principal: Principal | None = None, **asked: Any) -> tuple[str, str]:
    question = HistoryQuestion(**{"entity_id": "a", **asked})
    with pytest.raises(Refused) as refused:
        await operator_of(mesh, principal).history("test_history", question)
    return refused.value.code, refused.value.kind


async def test_what_is_not_there_or_not_clear_is_refused_by_name() -> None:
    async with MemoryMesh([actor]) as mesh:
        assert await refusal(mesh) == ("entity_unknown", "not_found")
        await mesh.client.ask(STORY[0])
        await mesh.client.ask(OpenDrawer(drawer_id="a"))
        assert await refusal(mesh) == ("aggregate_missing", "invalid")
        assert await refusal(mesh, aggregate="cupboard") == ("aggregate_unknown", "invalid")
        assert (await told(mesh, aggregate="drawer")).key == "drawer/a"


@pytest.mark.parametrize("role", ["anonymous", "customer", "support", "warehouse", "finance"])
async def test_only_who_operates_the_mesh_may_ask(role: Any) -> None:
    async with MemoryMesh([actor]) as mesh:
        await mesh.client.ask(STORY[0])
        assert await refusal(mesh, Principal(subject="a", roles=(role,))) == ("permission_missing", "forbidden")
        for allowed in ("operator", "admin", "service"):
            operator = operator_of(mesh, Principal(subject="o", roles=(allowed,)))  # type: ignore[arg-type]
            assert (await operator.history("test_history", HistoryQuestion(entity_id="a"))).entries


async def test_a_question_about_another_entity_than_its_subject_says_is_refused() -> None:
    async with MemoryMesh([actor]) as mesh:
        headers = mesh.client.envelope().headers()
        body = msgspec.json.encode(HistoryQuestion(entity_id="a"))
        reply = await mesh.bus.request("test_history.query.events.b", body, headers, timeout_seconds=5)
        assert msgspec.json.decode(reply.body)["code"] == "key_mismatch"


@pytest.mark.parametrize("body", [b"", b"{", b"{}", b'{"entity_id":"a.b"}', b'{"entity_id":"a","limit":201}',
                                  b'{"entity_id":"a","limit":0}', b'{"entity_id":"a","after_version":-1}',
                                  b'{"entity_id":"a","who":1}'])  # fmt: skip
async def test_a_malformed_question_is_refused_and_the_pool_lives(body: bytes) -> None:
    async with MemoryMesh([actor]) as mesh:
        headers = mesh.client.envelope().headers()
        reply = await mesh.bus.request("test_history.query.events.a", body, headers, timeout_seconds=5)
        assert msgspec.json.decode(reply.body)["kind"] == "invalid"
        assert (await mesh.client.ask(STORY[0])).version == 1


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1, max_size=2), inner, max_size=3)
    ),
    max_leaves=8,
)


def leaves(value: Any, path: tuple[Any, ...] = ()) -> dict[tuple[Any, ...], Any]:
    """Return what stands at each end of a document; an empty container is no end."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if items is None:
        return {path: value}
    return {where: end for name, inner in items for where, end in leaves(inner, (*path, name)).items()}


@given(JSON, JSON)
def test_what_differs_is_what_turns_the_one_into_the_other(before: Any, after: Any) -> None:
    result = leaves(before)
    for path, old, new in differences(before, after):
        for where, value in ({} if old is ABSENT else leaves(old, path)).items():
            assert result.pop(where) == value
        result |= {} if new is ABSENT else leaves(new, path)
    assert result == leaves(after)


@given(JSON)
def test_what_is_the_same_does_not_differ(value: Any) -> None:
    assert not list(differences(value, value))


async def test_an_event_that_this_code_does_not_know_is_a_fault_not_a_guess() -> None:
    async with MemoryMesh([actor]) as mesh:
        await mesh.client.ask(STORY[0])
        events = mesh.truth.domain("test_history").events["account/a"]
        events[0] = events[0]._replace(name="of_tomorrow")
        with pytest.raises(MeshError, match="does not know"):
            await told(mesh)
