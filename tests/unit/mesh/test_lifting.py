"""Events of an earlier release are read as today's, by everybody who reads events; stored bytes never change."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from actors.mesh import Actor, Broken, Unavailable
from actors.mesh._blueprint import draw
from actors.mesh._followed import followed
from actors.mesh._lifting import lift, sealed_texts, with_schema, written_schema
from actors.mesh._operator import Operator, body_of
from actors.mesh._personal import MASK
from actors.mesh._ports import Delivered, Received, StoredEvent
from actors.mesh._privacy import ERASED
from actors.mesh.testing.memory_mesh import TESTER, MemoryMesh
from actors.mesh.testing.quiet import at_rest, differing_views
from gateway.live.moments import moment_of
from gateway.live.topics import Topic, by_subject
from schemas.envelope import SCHEMA
from schemas.history import HistoryQuestion
from schemas.upcasts import SchemaUnknown, lifted, lifting, schema_of, version_of, versions
from tests.unit.mesh.evolved.after import parcels as after
from tests.unit.mesh.evolved.before import parcels as before
from tests.unit.mesh.evolved.desks import AFTER, BEFORE

STREET = "12 Harbour Street"
SEND = before.SendParcel(parcel_id="p1", customer_id="ada", deliver_to=STREET, size="10x20")
SEND_NOW = after.SendParcel(parcel_id="p2", customer_id="ada", street=STREET, length=3, width=4)


class Printer:
    """Prints, unless it is out of paper: then nothing was done."""

    def __init__(self) -> None:
        self.addresses: list[str] = []
        self.has_paper = True

    async def print(self, key: str, address: str) -> str:
        if not self.has_paper:
            raise Unavailable("out of paper")
        self.addresses.append(address)
        return "label"


def earlier_release(printer: Printer) -> MemoryMesh:
    return MemoryMesh(BEFORE, outside={before.PRINTER: printer})


async def roll_forward(mesh: MemoryMesh, *actors: Actor) -> None:
    """Start the pools of today's release; those that run go on."""
    fresh = tuple(draw(actor) for actor in actors or AFTER)
    mesh.blueprints = tuple(next((one for one in fresh if one.name == old.name), old) for old in mesh.blueprints)
    for blueprint in fresh:
        await mesh.start_pool(blueprint)


def kill_all(mesh: MemoryMesh) -> None:
    for pool in tuple(mesh.pools):
        mesh.kill(pool)


def kept(mesh: MemoryMesh, key: str) -> list[StoredEvent]:
    return list(mesh.truth.domain("parcels").events[key])


def recorded(mesh: MemoryMesh) -> set[str]:
    return {
        msgspec.json.decode(event.body)["by"] + ": " + msgspec.json.decode(event.body)["address"]
        for event in mesh.truth.domain("desks").events["desk/p1"]
    }


def dead_letters(mesh: MemoryMesh) -> list[Any]:
    return [letter for name in ("parcels", "desks") for letter in mesh.truth.domain(name).dead_letters.values()]


async def test_whoever_reads_events_reads_those_of_an_earlier_release() -> None:
    printer = Printer()
    async with earlier_release(printer) as mesh:
        await mesh.client.ask(SEND)
        kill_all(mesh)  # written, and nobody has read it yet
        [stored] = kept(mesh, "parcel/p1")
        await roll_forward(mesh)
        await at_rest(mesh)
        shown = await mesh.client.ask(after.GetParcel(parcel_id="p1"))
        assert (shown.street, shown.area, shown.insured) == (STREET, 200, False)
        assert recorded(mesh) == {f"reaction: {STREET}", f"saga: {STREET}"}
        assert printer.addresses == [STREET]
        assert await differing_views(mesh) == []
        assert kept(mesh, "parcel/p1")[0] == stored, "stored bytes never change"
        assert dead_letters(mesh) == []


async def test_a_decision_sees_the_state_folded_from_lifted_events() -> None:
    async with earlier_release(Printer()) as mesh:
        await mesh.client.ask(SEND)
        kill_all(mesh)
        await roll_forward(mesh)
        await at_rest(mesh)
        [_, printed] = kept(mesh, "parcel/p1")
        assert msgspec.json.decode(printed.body)["label"] == f"label 200 {STREET}"


async def test_work_and_sagas_that_an_earlier_release_began_are_gone_on_with() -> None:
    printer = Printer()
    printer.has_paper = False
    async with earlier_release(printer) as mesh:
        desk_pool = next(pool for pool in mesh.pools if pool._blueprint.name == "desks")
        await mesh.client.ask(SEND)
        while not mesh.truth.domain("parcels").effects or not mesh.truth.domain("desks").sagas:
            await mesh.clock.sleep(0.05)
        mesh.kill(desk_pool)
        kill_all(mesh)
        printer.has_paper = True
        await roll_forward(mesh)
        await at_rest(mesh)
        assert printer.addresses == [STREET]
        assert recorded(mesh) == {f"reaction: {STREET}", f"saga: {STREET}"}


async def test_a_history_and_the_tools_show_an_old_event_as_todays_and_nothing_personal() -> None:
    async with earlier_release(Printer()) as mesh:
        await mesh.client.ask(SEND)
        await at_rest(mesh)
        kill_all(mesh)
        await roll_forward(mesh, after.actor)
        page = await Operator(mesh.bus, mesh.client, mesh.clock, mesh.telemetry("tool")).history(
            "parcels", HistoryQuestion(entity_id="p1")
        )
        first = page.entries[0]
        assert first.body == {
            "parcel_id": "p1", "customer_id": "ada", "to": {"street": MASK}, "length": 10, "width": 20,
        }  # fmt: skip
        assert [change.field for change in first.changes] == ["street", "area", "label"]
        [message] = [each for each in delivered(mesh) if each.subject.startswith("parcels.event.parcel_sent")]
        seen = followed(message, {"parcel_sent": after.ParcelSent}).event
        assert seen == after.ParcelSent(
            parcel_id="p1", customer_id="ada", to=after.Place(street=MASK), length=10, width=20
        )
        assert body_of(received(message), {"parcels.event.parcel_sent": after.ParcelSent}) == {
            "parcel_id": "p1", "customer_id": "ada", "to": {"street": MASK}, "length": 10, "width": 20,
            "insured": False,
        }  # fmt: skip


async def test_a_live_topic_shows_the_fields_that_an_old_event_has_today() -> None:
    topic = Topic("parcels", (after.ParcelSent,), after.GetParcel, shows=("parcel_id", "length"))
    async with earlier_release(Printer()) as mesh:
        await mesh.client.ask(SEND)
        await at_rest(mesh)
        [message] = [each for each in delivered(mesh) if each.subject.startswith("parcels.event.parcel_sent")]
        moment = moment_of(by_subject((topic,)), message)
        assert moment is not None
        assert b'"data":{"parcel_id":"p1","length":10}' in moment.text


async def test_one_who_awaits_an_event_gets_an_old_release_s_as_todays() -> None:
    async with earlier_release(Printer()) as mesh:
        client = mesh.client_of(TESTER)
        await client.watch((after.ParcelSent,))
        with client.awaiting((after.ParcelSent,), "p1") as waiting:
            await client.ask(SEND)
            settled = await waiting.future
        assert isinstance(settled.event, after.ParcelSent)
        assert settled.event.width == 20
        await client.close()


async def test_a_view_is_rebuilt_from_events_of_both_releases() -> None:
    async with earlier_release(Printer()) as mesh:
        await mesh.client.ask(SEND)
        await at_rest(mesh)
        kill_all(mesh)
        await roll_forward(mesh)
        await mesh.client.ask(SEND_NOW)
        await at_rest(mesh)
        await mesh.views["parcels"].wipe("parcel_view")
        shown = [await mesh.client.ask(after.GetParcel(parcel_id=parcel_id)) for parcel_id in ("p1", "p2")]
        assert [view.area for view in shown] == [200, 12]
        assert [written_schema(kept(mesh, f"parcel/{each}")[0].headers) for each in ("p1", "p2")] == ["1", "4; since=3"]


async def test_an_earlier_release_leaves_what_it_cannot_read_to_the_next() -> None:
    """While a deployment rolls, old instances meet events of the new ones: nothing dies, nothing is skipped."""
    async with earlier_release(Printer()) as mesh:
        await roll_forward(mesh, after.actor)
        old_desk = mesh.pools[1]
        mesh.kill(mesh.pools[0])  # parcels are written by today's release, and read by the desk of the earlier one
        await mesh.clock.sleep(0.1)
        await mesh.client.ask(msgspec.structs.replace(SEND_NOW, parcel_id="p1"))
        await mesh.clock.sleep(20)
        assert dead_letters(mesh) == []
        assert "desk/p1" not in mesh.truth.domain("desks").events
        await roll_forward(mesh, AFTER[1])
        mesh.kill(old_desk)
        await at_rest(mesh)
        assert recorded(mesh) == {f"reaction: {STREET}", f"saga: {STREET}"}
        assert dead_letters(mesh) == []


async def test_who_was_erased_stays_erased_in_lifted_events() -> None:
    async with earlier_release(Printer()) as mesh:
        await mesh.client.ask(SEND)
        await at_rest(mesh)
        await mesh.privacy().erase("ada")
        [stored, *_] = kept(mesh, "parcel/p1")
        body, places = lift(after.ParcelSent, "1", stored.body)
        assert (await mesh.privacy().open(after.ParcelSent, body, places)).to.street == ERASED


async def test_a_sealed_text_that_was_put_elsewhere_in_the_store_does_not_open_by_being_lifted() -> None:
    async with earlier_release(Printer()) as mesh:
        await mesh.client.ask(SEND)
        [stored, *_] = kept(mesh, "parcel/p1")
        fields = msgspec.json.decode(stored.body)
        swapped = msgspec.json.encode({**fields, "deliver_to": fields["colour"], "size": "1x2", "to": {}})
        moved = msgspec.json.encode({**fields, "deliver_to": fields["deliver_to"], "customer_id": "eve"})
        assert lift(after.ParcelSent, "1", swapped).places == {}
        body, places = lift(after.ParcelSent, "1", moved)
        with pytest.raises(Broken):
            await mesh.privacy().open(after.ParcelSent, body, places)


def test_an_event_is_at_the_version_its_changes_have_brought_it_to() -> None:
    assert (version_of(before.ParcelSent), schema_of(before.ParcelSent)) == (1, "1")
    assert (version_of(after.ParcelSent), schema_of(after.ParcelSent)) == (4, "4; since=3")


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ("", (after.address_moved, after.size_split, after.with_defaults)),
        ("1", (after.address_moved, after.size_split, after.with_defaults)),
        ("2", (after.size_split, after.with_defaults)),
        ("3", ()),
        ("4; since=3", ()),
        ("7; since=3", ()),
    ],
)
def test_what_a_body_goes_through_depends_on_its_version(schema: str, expected: tuple[Any, ...]) -> None:
    assert lifting(after.ParcelSent, schema) == expected


@pytest.mark.parametrize("schema", ["5", "6; since=5"])
def test_what_only_newer_code_can_read_is_left_for_later(schema: str) -> None:
    with pytest.raises(SchemaUnknown, match=r"parcels.event.parcel_sent is at version \d here, and this code knows 4"):
        lifting(after.ParcelSent, schema)
    with pytest.raises(Unavailable):
        lift(after.ParcelSent, schema, b"{}")


@pytest.mark.parametrize("schema", ["0", "x", "1;since=1", "3; since=", "9999999", "٣", "-1"])
def test_a_header_that_names_no_version_is_a_bug_of_whoever_wrote_it(schema: str) -> None:
    with pytest.raises(ValueError, match="is no version"):
        versions(schema)


def test_what_needs_no_lifting_stays_the_same_bytes() -> None:
    body = b'{ "parcel_id" : "p1" }'
    assert lifted(after.ParcelSent, "3", body) is body


def test_the_version_is_found_in_stored_headers_and_nowhere_else() -> None:
    headers = msgspec.json.encode({"Mesh-Person": f'"{SCHEMA}":"9"', "Mesh-Key": "parcel/p1"}).decode()
    assert written_schema(headers) == ""
    assert written_schema(with_schema(headers, after.ParcelSent)) == "4; since=3"
    assert msgspec.json.decode(with_schema(headers, after.ParcelSent))[SCHEMA] == "4; since=3"


def test_sealed_texts_are_found_with_every_reading_of_their_path() -> None:
    value = {"a": {"b": ["~p1.x"]}, "c": "plain", "d": "~p1.y"}
    assert dict(sealed_texts(value)) == {"~p1.x": ("a.b[0]", "a[b][0]"), "~p1.y": ("d",)}


def delivered(mesh: MemoryMesh) -> list[Delivered]:
    return [
        Delivered(message.subject, message.headers, message.body, sequence, 1, 0)
        for sequence, message in enumerate(mesh.bus._streams["PARCELS"].messages, 1)
    ]


def received(message: Delivered) -> Received:
    async def respond(_body: bytes, _headers: object) -> None: ...

    return Received(message.subject, message.headers, message.body, respond)
