"""A change of the contract is judged, and whoever it hits is named: one planted break after another."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta, Struct
from msgspec.structs import replace

from cli.contract.changes import Difference, differences
from cli.contract.command import contract_at, run
from cli.contract.diff import BUMP, NOBODY, POOLS_FIRST, WAIT, Change, diff
from cli.contract.facts import Contract, FieldFacts, MessageFacts
from cli.contract.fields import fields_of
from cli.contract.files import RELEASED
from cli.contract.json_schemas import pretty
from cli.contract.reading import read_contract
from cli.reaching import EXIT_OK, EXIT_WRONG, Misused
from schemas.message import Personal
from tests.unit.mesh.evolved.after import parcels as after
from tests.unit.mesh.evolved.before import parcels as before

PLACED = "orders.event.order_placed"
CAPTURED = "payments.event.payment_captured"
CANCELLED = "orders.event.order_cancelled"
PLACE = "orders.command.place_order"
GET = "orders.query.get_order"
PRICES = "inventory.query.get_prices"
TEXT = FieldFacts(type="string", required=True)

Plant = Callable[[MessageFacts], MessageFacts]


@cache
def released() -> Contract:
    return read_contract()


def changed(subject: str, plant: Plant) -> list[Change]:
    """Return what is found where one message of the real contract is planted with a change."""
    old = released()
    return diff(old, Contract(release="next", messages={**old.messages, subject: plant(old.messages[subject])}))


def without(path: str) -> Plant:
    def plant(facts: MessageFacts) -> MessageFacts:
        kept = {one: field for one, field in facts.fields.items() if one != path and not one.startswith(f"{path}.")}
        return replace(facts, fields=kept)

    return plant


def with_field(path: str, field: FieldFacts) -> Plant:
    return lambda facts: replace(facts, fields={**facts.fields, path: field})


def other(path: str, **given: Any) -> Plant:
    return lambda facts: replace(facts, fields={**facts.fields, path: replace(facts.fields[path], **given)})


def limited(path: str, **limits: int) -> Plant:
    return lambda facts: other(path, limits={**facts.fields[path].limits, **limits})(facts)


def answer(path: str, field: FieldFacts | None) -> Plant:
    def plant(facts: MessageFacts) -> MessageFacts:
        kept = {one: each for one, each in facts.reply_fields.items() if one != path}
        return replace(facts, reply_fields=kept | ({path: field} if field else {}))

    return plant


BREAKS: list[tuple[str, Plant, str, str]] = [
    (PLACED, without("total"), "field removed", "orders view order_view (reads total)"),
    (PLACED, without("lines"), "field removed", "orders saga order_fulfilment (reads lines)"),
    (PLACED, without("payment_token"), "field removed", "orders saga order_fulfilment (reads payment_token)"),
    (PLACED, with_field("channel", TEXT), "required field added", "orders state order"),
    (
        PLACED,
        other("deliver_to", marks=()),
        "no longer marked personal:customer_id",
        "orders view order_view (reads deliver_to)",
    ),
    (
        CAPTURED,
        other("amount.currency", values=("EUR", "USD")),
        "value removed: CHF, GBP",
        "payments rows ledger (reads amount)",
    ),
    (
        CAPTURED,
        other("amount.currency", values=("CHF", "EUR", "GBP", "NOK", "USD")),
        "value added: NOK",
        "orders saga order_fulfilment (reads amount)",
    ),
    (
        CAPTURED,
        other("amount.amount_minor", type="string"),
        "type changed from integer to string",
        "payments view payment_view (reads amount)",
    ),
    (
        CAPTURED,
        other("amount.amount_minor", limits={"minimum": 1, "maximum": 10**12}),
        "minimum narrowed from 0 to 1",
        "payments state payment (reads amount)",
    ),
    (CANCELLED, without("reason_code"), "field removed", "notifications reaction order_cancelled (reads reason_code)"),
    (CANCELLED, without("detail"), "field removed", "gateway route POST /v1/orders (reads detail)"),
    (CANCELLED, without("reason_code"), "field removed", "gateway topic orders (reads reason_code)"),
    (
        "payments.event.capture_submitted",
        without("amount"),
        "field removed",
        "payments performer capture (reads amount)",
    ),
    (
        "inventory.event.stock_reserved",
        without("reservation_id"),
        "field removed",
        "inventory timer expiry (reads reservation_id)",
    ),
    ("users.event.user_registered", without("email"), "field removed", "users claim email (reads email)"),
    (CAPTURED, lambda facts: replace(facts, private=True), "private now", "orders saga order_fulfilment"),
    (
        PLACED,
        lambda facts: replace(facts, key="customer_id"),
        "key changed from order_id to customer_id",
        "orders view order_view",
    ),
    (PLACE, without("payment_token"), "field removed", "gateway route POST /v1/orders (reads payment_token)"),
    (PLACE, with_field("channel", TEXT), "required field added", "role customer"),
    (
        PLACE,
        limited("payment_token", maxLength=20),
        "maxLength narrowed from 200 to 20",
        "gateway route POST /v1/orders (reads payment_token)",
    ),
    (
        PLACE,
        lambda facts: replace(facts, permission="orders:order"),
        "permission changed from orders:place_order to orders:order",
        "role customer",
    ),
    (PLACE, lambda facts: replace(facts, roles={"admin": "all"}), "no longer allowed to customer", "role customer"),
    (PLACE, lambda facts: replace(facts, owner=""), "owner changed from customer_id to none", "role customer"),
    (PLACE, lambda facts: replace(facts, told=False), "can be told no more", "role admin"),
    (
        PLACE,
        lambda facts: replace(facts, reply="OrderView"),
        "answer changed from Accepted to OrderView",
        "gateway route POST /v1/orders",
    ),
    (
        "inventory.command.reserve_stock",
        without("lines"),
        "field removed",
        "orders saga order_fulfilment (reads lines)",
    ),
    (GET, answer("status", None), "answer: field removed", "gateway route GET /v1/orders/{order_id}"),
    (PRICES, answer("prices", None), "answer: field removed", "orders need place_order"),
    (
        GET,
        other("at_least_version", required=True),
        "required now, it had a default",
        "gateway route GET /v1/orders/{order_id} (reads at_least_version)",
    ),
]


@pytest.mark.parametrize(
    ("subject", "plant", "what", "hit"), BREAKS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_planted_break_is_found_and_names_the_reader(subject: str, plant: Plant, what: str, hit: str) -> None:
    broken = [change for change in changed(subject, plant) if change.verdict == "breaks"]
    assert what in [change.what for change in broken], changed(subject, plant)
    [found] = [change for change in broken if change.what == what][:1]
    assert found.subject == subject
    assert hit in found.hit, found.hit
    assert found.why


@pytest.mark.parametrize("subject", [PLACED, PLACE, GET])
def test_a_message_that_is_gone_breaks_whoever_relies_on_it(subject: str) -> None:
    old = released()
    [found] = diff(
        old, Contract(release="next", messages={one: facts for one, facts in old.messages.items() if one != subject})
    )
    assert (found.verdict, found.subject) == ("breaks", subject)
    assert set(found.hit) & {"orders saga order_fulfilment", "gateway route POST /v1/orders"}


def test_a_message_under_another_subject_says_where_it_went() -> None:
    old = released()
    moved = {one: facts for one, facts in old.messages.items() if one != PLACED} | {
        "shop.event.order_placed": old.messages[PLACED]
    }
    first = diff(old, Contract(release="next", messages=moved))[0]
    assert (first.verdict, first.what) == ("breaks", "subject changed to shop.event.order_placed")
    assert "orders saga order_fulfilment" in first.hit


KEEPS: list[tuple[str, Plant, str, str]] = [
    (
        PLACED,
        lambda facts: replace(with_field("gift", FieldFacts(type="boolean", default=False))(facts), version=2),
        "compatible",
        "",
    ),
    (PLACE, with_field("gift", FieldFacts(type="boolean", default=False)), "in order", POOLS_FIRST),
    (PLACE, limited("payment_token", maxLength=500), "in order", POOLS_FIRST),
    (GET, answer("gift", TEXT), "in order", POOLS_FIRST),
    (GET, answer("gift", FieldFacts(type="boolean", default=False)), "compatible", ""),
    (PLACE, lambda facts: replace(facts, roles={**facts.roles, "support": "all"}), "compatible", ""),
    (
        CAPTURED,
        lambda facts: replace(
            other("amount.currency", values=("CHF", "EUR", "GBP", "NOK", "USD"))(facts), version=2, since=2
        ),
        "in order",
        WAIT,
    ),
]


@pytest.mark.parametrize(("subject", "plant", "verdict", "why"), KEEPS)
def test_what_breaks_nobody_is_not_called_a_break(subject: str, plant: Plant, verdict: str, why: str) -> None:
    assert [(change.verdict, change.why) for change in changed(subject, plant)] == [(verdict, why)]


def test_an_event_that_has_grown_under_the_same_version_is_told_even_though_nobody_is_hit() -> None:
    [found] = changed(PLACED, with_field("gift", FieldFacts(type="boolean", default=False)))
    assert (found.verdict, found.why, found.hit) == ("breaks", BUMP, ())


def test_a_version_never_goes_back() -> None:
    old = replace(released().messages[PLACED], version=3, since=3)
    new = replace(old, version=2, since=2)
    [found] = diff(Contract(release="a", messages={PLACED: old}), Contract(release="b", messages={PLACED: new}))
    assert found.what == "version lowered from 3 to 2"
    assert found.verdict == "breaks"


def event(kind: type[Any], **given: Any) -> MessageFacts:
    return MessageFacts(
        name="ParcelSent", domain="parcels", kind="event", key="parcel_id", fields=fields_of(kind), **given
    )


def parcels(facts: MessageFacts) -> Contract:
    return Contract(release="-", messages={"parcels.event.parcel_sent": facts})


def test_what_upcasts_lift_is_a_matter_of_order_and_what_they_do_not_breaks() -> None:
    old = event(before.ParcelSent)
    lifted = event(after.ParcelSent, version=4, since=3, lifted_from=(1, 2))
    assert {change.verdict for change in diff(parcels(old), parcels(lifted))} == {"in order"}
    unlifted = event(after.ParcelSent, version=4, since=3)
    assert "breaks" in {change.verdict for change in diff(parcels(old), parcels(unlifted))}


def test_nobody_of_ours_is_said_where_nobody_is_known() -> None:
    [found] = diff(parcels(event(before.ParcelSent)), Contract(release="-", messages={}))
    assert found.hit == (NOBODY,)


class Inner(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    note: Annotated[str, Personal("person_id"), Meta(max_length=9)]


class Deep(Struct, frozen=True, kw_only=True):
    person_id: str
    inner: Inner | None = None
    many: Annotated[tuple[Inner, ...], Meta(max_length=3)] = ()
    named: dict[str, int] = {}
    choice: Literal["a", "b"] = "a"


def test_fields_are_found_however_deep_with_their_limits_and_marks() -> None:
    found = fields_of(Deep)
    assert list(found) == [
        "person_id",
        "inner",
        "inner.note",
        "many",
        "many[]",
        "many[].note",
        "named",
        "named[]",
        "choice",
    ]
    assert found["inner"] == FieldFacts(type="object", nullable=True, strict=True, default=None)
    assert found["many"].limits == {"maxItems": 3}
    assert found["many[].note"] == FieldFacts(
        type="string", required=True, limits={"maxLength": 9}, marks=("personal:person_id",)
    )
    assert found["named[]"] == FieldFacts(type="integer")
    assert found["choice"] == FieldFacts(type="choice", values=("a", "b"), default="a")


def test_a_struct_that_refuses_unknown_fields_cannot_grow_unseen() -> None:
    strict = {"o": FieldFacts(type="object", strict=True)}
    [found] = differences(strict, {**strict, "o.x": FieldFacts(type="string", default="")})
    assert found == Difference("o.x", "field added, with a default", old_reads=False)


def test_what_stood_in_a_field_that_is_gone_is_not_told_again() -> None:
    old = {"o": FieldFacts(type="object", required=True), "o.x": TEXT, "o.x[]": TEXT}
    assert [one.path for one in differences(old, {})] == ["o"]


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    """A released contract in which orders still had a colour."""
    old = released()
    facts = with_field("colour", TEXT)(old.messages[PLACED])
    file = tmp_path / "released.json"
    file.write_bytes(pretty(Contract(release="0.0.9", messages={**old.messages, PLACED: facts})))
    return file


def test_the_command_names_whom_a_break_hits_and_exits_with_1(
    planted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("diff", against=str(planted), as_json=True) == EXIT_WRONG
    told = json.loads(capsys.readouterr().out)
    assert told["breaks"] == 1
    assert told["changes"][0]["path"] == "colour"
    assert "orders saga order_fulfilment" in told["changes"][0]["hit"]
    assert run("diff", against=str(planted)) == EXIT_WRONG
    shown = capsys.readouterr().out
    assert "breaks" in shown
    assert "colour" in shown


def test_the_command_is_content_where_nothing_differs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "same.json"
    file.write_bytes(pretty(released()))
    assert run("diff", against=str(file)) == EXIT_OK
    assert "Nothing differs" in capsys.readouterr().out


@pytest.mark.parametrize("against", ["no-such-commit", "--upload-pack=x", "-x"])
def test_what_is_neither_a_file_nor_a_commit_is_said_so(against: str) -> None:
    with pytest.raises(Misused, match=r"is no file|There is no"):
        contract_at(against)


def test_a_file_that_is_no_contract_is_said_so(tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    file.write_bytes(b'{"release": 3}')
    with pytest.raises(Misused, match="is no contract"):
        contract_at(str(file))


def test_another_action_than_there_is_names_those_there_are() -> None:
    with pytest.raises(Misused, match="write, diff, release"):
        run("publish")


def test_the_released_contract_is_a_file_of_the_repository() -> None:
    assert contract_at("").messages
    assert RELEASED.endswith("released.json")
    assert msgspec.json.encode(contract_at(""))
