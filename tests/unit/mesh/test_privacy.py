"""Personal data is sealed to its field and its person, and is gone with the person's key."""

from __future__ import annotations

import asyncio
import base64
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.mesh._errors import Broken
from actors.mesh._key_cache import CACHED_KEYS_MAX, LIFETIME_MS, KeyCache
from actors.mesh._personal import MASK, check_personal, personal_fields
from actors.mesh._privacy import ERASED, PREFIX, DataKeys, Privacy
from actors.mesh.adapters.memory.data_keys import MemoryDataKeys
from schemas.message import Event, Id, Personal
from schemas.orders import PlaceOrder
from schemas.users import UserRegistered, UserView
from schemas.values import Line

NAME, EMAIL = "Grace Hopper", "grace@example.org"
REGISTERED = UserRegistered(user_id="c1", name=NAME, email=EMAIL)


class Note(msgspec.Struct, frozen=True):
    text: Annotated[str, Personal("person_id")]
    author: str = ""


class Badge(msgspec.Struct, frozen=True, tag=True):
    text: str


class Photo(msgspec.Struct, frozen=True, tag=True):
    text: Annotated[str, Personal("person_id")]


class Dossier(Event, frozen=True, kw_only=True, rename="camel"):
    person_id: Id
    notes: tuple[Note, ...] = ()
    first_note: Note | None = None
    by_day: dict[str, Note] = msgspec.field(default_factory=dict)
    tags: list[Annotated[str, Personal("person_id")]] = msgspec.field(default_factory=list)
    nick_name: Annotated[str | None, Personal("person_id")] = None
    middle_name: Annotated[str, Personal("person_id")] | None = None
    shown: Badge | Photo | None = None


class Hands:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.ms = 1_000

    def __call__(self) -> int:
        return self.ms


def privacy(keys: DataKeys | None = None, clock: Hands | None = None, **keyword: Any) -> Privacy:
    return Privacy(
        keys or MemoryDataKeys(),
        master_key=keyword.get("master_key", b"m" * 32),
        hmac_key=keyword.get("hmac_key", b"h" * 32),
        now_ms=clock or Hands(),
    )


async def test_what_is_sealed_opens_again() -> None:
    here = privacy()
    assert await here.open(UserRegistered, await here.seal(REGISTERED)) == REGISTERED


async def test_the_plain_text_is_nowhere_in_sealed_bytes() -> None:
    sealed = await privacy().seal(REGISTERED)
    assert NAME.encode() not in sealed
    assert EMAIL.encode() not in sealed
    assert b'"user_id":"c1"' in sealed


async def test_the_same_name_is_sealed_differently_each_time() -> None:
    here = privacy()
    first, second = [msgspec.json.decode(await here.seal(REGISTERED)) for _ in range(2)]
    assert first["name"] != second["name"]
    assert first["name"].startswith(PREFIX)


async def test_a_struct_without_personal_fields_is_plain_json_and_asks_for_no_key() -> None:
    class NoKeys(MemoryDataKeys):
        async def get(self, person_ids: Any) -> Any:
            raise AssertionError

    here = privacy(NoKeys())
    line = Line(sku="s1", quantity=2)
    assert await here.seal(line) == b'{"sku":"s1","quantity":2}'
    assert await here.open(Line, await here.seal(line)) == line


async def test_empty_and_absent_texts_stay_as_they_are() -> None:
    sealed = msgspec.json.decode(await privacy().seal(UserRegistered(user_id="c1", name="", email=EMAIL)))
    assert sealed["name"] == ""
    assert msgspec.json.decode(await privacy().seal(Dossier(person_id="p")))["nickName"] is None


DOSSIER = Dossier(
    person_id="p1",
    notes=(Note("a secret", "ann"), Note("b secret")),
    first_note=Note("c secret"),
    by_day={"monday": Note("d secret")},
    tags=["e secret", ""],
    nick_name="f secret",
    middle_name="g secret",
    shown=Photo("h secret"),
)


async def test_texts_deep_inside_are_sealed_too() -> None:
    here = privacy()
    sealed = await here.seal(DOSSIER)
    assert b"secret" not in sealed
    assert b"ann" in sealed
    assert await here.open(Dossier, sealed) == DOSSIER


async def test_the_other_member_of_a_union_keeps_its_text() -> None:
    assert b"public" in await privacy().seal(Dossier(person_id="p1", shown=Badge("public")))


def test_paths_are_told_by_name() -> None:
    assert [path.name for path in personal_fields(Dossier)] == [
        "notes[].text", "first_note.text", "by_day[].text", "tags[]", "nick_name", "middle_name", "shown.text",
    ]  # fmt: skip


async def test_an_erased_person_is_erased_in_event_and_view_and_for_ever() -> None:
    here = privacy()
    event = await here.seal(REGISTERED)
    opened = await here.open(UserRegistered, event)
    view = await here.seal(
        UserView(
            user_id="c1", status="active", name=opened.name, email=opened.email, roles=("customer",), registered_at_ms=1
        )
    )
    await here.erase("c1")
    gone = UserView(user_id="c1", status="active", name=ERASED, email=ERASED, roles=("customer",), registered_at_ms=1)
    assert await here.open(UserView, view) == gone
    assert await here.open(UserRegistered, event) == UserRegistered(user_id="c1", name=ERASED, email=ERASED)
    again = await here.seal(REGISTERED)
    assert msgspec.json.decode(again)["name"] == ERASED
    assert (await here.open(UserRegistered, again)).name == ERASED


async def test_one_may_be_erased_before_having_a_key() -> None:
    here = privacy()
    await here.erase("c1")
    assert msgspec.json.decode(await here.seal(REGISTERED))["email"] == ERASED


async def test_erasing_one_person_leaves_the_others() -> None:
    here = privacy()
    other = UserRegistered(user_id="c2", name="Ada", email="ada@example.org")
    bodies = [await here.seal(REGISTERED), await here.seal(other)]
    await here.erase("c1")
    assert [event.name for event in await here.open_many(UserRegistered, bodies)] == [ERASED, "Ada"]


async def test_an_erasure_elsewhere_is_felt_when_the_cached_key_runs_out() -> None:
    keys, clock = MemoryDataKeys(), Hands()
    here, there = privacy(keys, clock), privacy(keys)
    sealed = await here.seal(REGISTERED)
    await there.erase("c1")
    clock.ms += LIFETIME_MS - 1
    assert (await here.open(UserRegistered, sealed)).name == NAME
    clock.ms += 1
    assert (await here.open(UserRegistered, sealed)).name == ERASED


async def test_a_key_read_before_the_erasure_does_not_come_back_after_it() -> None:
    class Slow(MemoryDataKeys):
        held: asyncio.Event | None = None

        async def get(self, person_ids: Any) -> Any:
            found = dict(await super().get(person_ids))
            if self.held:
                await self.held.wait()
            return found

    keys = Slow()
    sealed = await privacy(keys).seal(REGISTERED)
    here, keys.held = privacy(keys), asyncio.Event()
    reading = asyncio.create_task(here.open(UserRegistered, sealed))
    await asyncio.sleep(0)
    await here.erase("c1")
    keys.held.set()
    assert (await reading).name == ERASED
    assert (await here.open(UserRegistered, sealed)).name == ERASED


async def test_two_that_race_to_make_a_key_end_with_the_same() -> None:
    class Late(MemoryDataKeys):
        async def get(self, person_ids: Any) -> Any:
            found = dict(await super().get(person_ids))
            await asyncio.sleep(0)
            return found

    keys = Late()
    first, second = privacy(keys), privacy(keys)
    one, two = await asyncio.gather(first.seal(REGISTERED), second.seal(REGISTERED))
    assert await privacy(keys).open_many(UserRegistered, [one, two]) == [REGISTERED, REGISTERED]


async def test_a_ciphertext_moved_to_another_field_does_not_open() -> None:
    here = privacy()
    body = msgspec.json.decode(await here.seal(REGISTERED))
    body["name"], body["email"] = body["email"], body["name"]
    with pytest.raises(Broken, match=r"UserRegistered\.name of c1"):
        await here.open(UserRegistered, msgspec.json.encode(body))


async def test_a_ciphertext_moved_to_another_person_does_not_open() -> None:
    here = privacy()
    other = msgspec.json.decode(await here.seal(UserRegistered(user_id="c2", name="Ada", email=EMAIL)))
    body = msgspec.json.decode(await here.seal(REGISTERED)) | {"name": other["name"]}
    with pytest.raises(Broken, match="name of c1"):
        await here.open(UserRegistered, msgspec.json.encode(body))


async def test_a_ciphertext_moved_to_another_type_or_another_place_in_a_list_does_not_open() -> None:
    here = privacy()
    event = msgspec.json.decode(await here.seal(REGISTERED))
    with pytest.raises(Broken):
        await here.open(UserView, msgspec.json.encode({**event, "status": "active", "registered_at_ms": 1}))
    dossier = msgspec.json.decode(await here.seal(DOSSIER))
    dossier["notes"].reverse()
    with pytest.raises(Broken, match=r"notes\[0\]\.text"):
        await here.open(Dossier, msgspec.json.encode(dossier))


async def test_each_flipped_bit_of_a_ciphertext_is_noticed() -> None:
    here = privacy()
    body = msgspec.json.decode(await here.seal(UserRegistered(user_id="c1", name="Ada", email="")))
    text = body["name"].removeprefix(PREFIX)
    raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    for bit in range(len(raw) * 8):
        flipped = bytearray(raw)
        flipped[bit // 8] ^= 1 << bit % 8
        name = PREFIX + base64.urlsafe_b64encode(flipped).rstrip(b"=").decode()
        with pytest.raises(Broken):
            await here.open(UserRegistered, msgspec.json.encode({**body, "name": name}))


@pytest.mark.parametrize("damaged", ["", "!!!", "AAAA", "A"])
async def test_what_is_no_ciphertext_behind_the_prefix_is_broken_not_a_crash(damaged: str) -> None:
    here = privacy()
    body = msgspec.json.decode(await here.seal(REGISTERED)) | {"name": PREFIX + damaged}
    with pytest.raises(Broken):
        await here.open(UserRegistered, msgspec.json.encode(body))


async def test_another_master_key_opens_nothing() -> None:
    keys = MemoryDataKeys()
    sealed = await privacy(keys).seal(REGISTERED)
    with pytest.raises(Broken, match="c1"):
        await privacy(keys, master_key=b"x" * 32).open(UserRegistered, sealed)


async def test_lost_keys_are_a_fault_and_not_an_erasure() -> None:
    sealed = await privacy().seal(REGISTERED)
    with pytest.raises(Broken, match="no data key of c1"):
        await privacy().open(UserRegistered, sealed)


async def test_a_text_kept_before_its_field_was_marked_still_reads() -> None:
    assert await privacy().open(UserRegistered, msgspec.json.encode(REGISTERED)) == REGISTERED


async def test_a_text_that_looks_sealed_is_a_text_like_any_other() -> None:
    here = privacy()
    sly = UserRegistered(user_id="c1", name=PREFIX + "AAAA", email=ERASED)
    assert await here.open(UserRegistered, await here.seal(sly)) == sly


async def test_personal_data_of_nobody_is_a_bug() -> None:
    with pytest.raises(ValueError, match="its person's id is empty"):
        await privacy().seal(UserRegistered(user_id="", name=NAME, email=""))


async def test_bodies_are_sealed_whole_under_the_domain_or_a_person() -> None:
    here = privacy()
    for person in (None, "c1"):
        sealed = await here.seal_bytes("request", b"the body", person)
        assert b"the body" not in sealed
        assert sealed != await here.seal_bytes("request", b"the body", person)
        assert await here.open_bytes("request", sealed, person) == b"the body"
        for purpose, whose in (("dead letter", person), ("request", "c2"), ("request", None if person else "c1")):
            await here.seal_bytes("x", b"", "c2")
            await here.seal_bytes("x", b"", "c1")
            with pytest.raises(Broken):
                await here.open_bytes(purpose, sealed, whose)
        for end in range(len(sealed)):
            with pytest.raises(Broken):
                await here.open_bytes("request", sealed[:end], person)


async def test_a_persons_whole_bodies_go_with_the_key() -> None:
    here = privacy()
    sealed = await here.seal_bytes("request", b"the body", "c1")
    await here.erase("c1")
    assert await here.open_bytes("request", sealed, "c1") is None
    later = await here.seal_bytes("request", b"the body", "c1")
    assert b"the body" not in later
    assert await here.open_bytes("request", later, "c1") is None


def test_a_mask_hides_what_is_personal_and_nothing_else() -> None:
    data = msgspec.json.decode(msgspec.json.encode(DOSSIER))
    masked = Privacy.mask(Dossier, data)
    assert "secret" not in str(masked)
    assert masked["notes"] == [{"text": MASK, "author": "ann"}, {"text": MASK, "author": ""}]
    assert masked["personId"] == "p1"
    assert masked["tags"] == [MASK, ""]
    assert Privacy.mask(UserRegistered, {"name": ["odd"], "email": None}) == {"name": MASK, "email": None}
    assert Privacy.mask(Dossier, {"notes": "odd", "byDay": 3}) == {"notes": "odd", "byDay": 3}


def test_a_fingerprint_tells_commands_apart_by_content_asker_and_name() -> None:
    here = privacy()
    order: dict[str, Any] = {"order_id": "o1", "customer_id": "c1", "deliver_to": "x", "payment_token": "t"}
    order["lines"] = [{"sku": "s", "quantity": 1}]
    one = msgspec.convert(order, PlaceOrder)
    two = msgspec.convert(order | {"deliver_to": "y"}, PlaceOrder)
    base = here.fingerprint("orders.command.place_order", "c1", one)
    assert base == here.fingerprint("orders.command.place_order", "c1", msgspec.convert(order, PlaceOrder))
    others = [
        here.fingerprint("orders.command.place_order", "c1", two),
        here.fingerprint("orders.command.place_order", "c2", one),
        here.fingerprint("orders.command.other", "c1", one),
        privacy(hmac_key=b"x" * 32).fingerprint("orders.command.place_order", "c1", one),
    ]
    assert len({base, *others}) == 5
    assert len(base) == 32


def test_a_blind_index_is_equal_for_equal_values_of_a_scope_only() -> None:
    here = privacy()
    assert here.blind_index("email", EMAIL) == here.blind_index("email", EMAIL)
    others = (("email", EMAIL), ("phone", EMAIL), ("email", "x"), ("emailx", ""))
    assert len({here.blind_index(scope, value) for scope, value in others}) == len(others)
    assert here.blind_index("email", EMAIL) != privacy(hmac_key=b"x" * 32).blind_index("email", EMAIL)
    assert EMAIL not in here.blind_index("email", EMAIL)


def test_short_keys_stop_the_start() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        privacy(master_key=b"short")


def test_the_cache_is_bounded_and_forgets_the_oldest() -> None:
    cache = KeyCache(Hands())
    for number in range(CACHED_KEYS_MAX + 1):
        cache.remember(str(number), None)
    assert cache.get("0") is None
    assert cache.get("1") is not None


def test_a_mark_that_names_no_field_stops_the_start() -> None:
    class Stray(msgspec.Struct):
        text: Annotated[str, Personal("nobody_id")]

    with pytest.raises(TypeError, match=r"Stray\.text .* no field of that name"):
        check_personal(Stray)


class Node(msgspec.Struct):
    text: Annotated[str, Personal("text")]
    children: list[Node] = []


class Tree(msgspec.Struct):
    children: list[Tree] = []


class SetOfTexts(msgspec.Struct):
    texts: set[Annotated[str, Personal("x")]]


class Keyed(msgspec.Struct):
    texts: dict[Annotated[str, Personal("x")], int]


class Number(msgspec.Struct):
    age: Annotated[int, Personal("x")]


@pytest.mark.parametrize("struct", [Node, SetOfTexts, Keyed, Number])
def test_a_mark_where_nobody_can_follow_stops_the_start(struct: type[msgspec.Struct]) -> None:
    with pytest.raises(TypeError):
        personal_fields(struct)


def test_a_struct_that_contains_itself_is_fine_without_marks() -> None:
    assert personal_fields(Tree) == ()


@given(name=st.text(), email=st.text(), notes=st.lists(st.text(), max_size=4))
def test_any_text_comes_back_as_it_was(name: str, email: str, notes: list[str]) -> None:
    async def round_trip() -> None:
        here = privacy()
        event = UserRegistered(user_id="c1", name=name, email=email)
        dossier = Dossier(person_id="c1", notes=tuple(Note(text) for text in notes))
        assert await here.open_mixed(
            [(UserRegistered, await here.seal(event)), (Dossier, await here.seal(dossier))]
        ) == [event, dossier]

    asyncio.run(round_trip())
