"""What is promised to whoever joins is what the code says; and nobody who was promised something is let down.

Where it was meant: `mesh contract` writes the files anew.
"""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec
import pytest

from cli.contract import messages
from cli.contract.asyncapi import document, notes
from cli.contract.command import WRITE
from cli.contract.diff import diff
from cli.contract.facts import Contract
from cli.contract.files import RELEASED, differing, files, read_facts, write
from cli.contract.json_schemas import DIALECT, ID
from cli.contract.reading import read_contract
from schemas import envelope
from schemas.message import Command, Event, Query, subject_of
from schemas.upcasts import TABLE
from tests.house.contract import of_kind, schema_modules
from tests.house.source import ROOT

OFFICIAL = Path(__file__).with_name("asyncapi-3.0.0.schema.json")
"""The JSON Schema of AsyncAPI 3.0.0 as its authors publish it (asyncapi/spec-json-schemas, Apache-2.0)."""


@cache
def contract() -> Contract:
    return read_contract()


@cache
def made() -> dict[str, bytes]:
    return files(contract())


@cache
def asyncapi() -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(made()["docs/contract/asyncapi.json"])
    return found


def schemas() -> dict[str, dict[str, Any]]:
    return {path: msgspec.json.decode(body) for path, body in made().items() if "/schemas/" in path}


@cache
def official() -> Any:
    return jsonschema_rs.Draft7Validator(msgspec.json.decode(OFFICIAL.read_bytes()))


def test_what_is_committed_is_what_the_code_says() -> None:
    wrong = differing(ROOT, made())
    assert not wrong, f"if it was meant, run `{WRITE}`: {wrong}"


def test_nobody_is_broken_who_relies_on_the_last_release() -> None:
    released = read_facts((ROOT / RELEASED).read_bytes())
    broken = [change for change in diff(released, contract()) if change.verdict == "breaks"]
    told = "\n".join(f"{one.subject} {one.path}: {one.what}; {one.why}; hits {', '.join(one.hit)}" for one in broken)
    assert not broken, f"docs/changing-a-contract.md says how else to do it:\n{told}"


def test_the_document_is_asyncapi_3() -> None:
    assert [str(error) for error in official().iter_errors(asyncapi())] == []


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("asyncapi",), "2.6.0"),
        (("channels", "orders.command.place_order", "address"), 3),
        (("operations", "PlaceOrder", "action"), "ask"),
        (("operations", "PlaceOrder", "bindings", "nats", "subject"), "x"),
        (("operations", "PlaceOrder", "reply", "channel"), "orders"),
        (("components", "messages", "OrderPlaced", "correlationId"), {"location": "header"}),
        (("components", "schemas", "Money", "type"), "money"),
    ],
)
def test_a_document_that_is_not_asyncapi_is_found_out(place: tuple[str, ...], value: object) -> None:
    broken = msgspec.json.decode(made()["docs/contract/asyncapi.json"])
    inside = broken
    for name in place[:-1]:
        inside = inside[name]
    inside[place[-1]] = value
    assert not official().is_valid(broken)


def test_every_reference_of_the_document_leads_somewhere() -> None:
    lost = [target for target in references(asyncapi()) if resolved(asyncapi(), target) is None]
    assert lost == []


def references(value: object) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [found for inner in value.values() for found in references(inner)]
    return [found for inner in value for found in references(inner)] if isinstance(value, list) else []


def resolved(document: Any, target: str) -> Any:
    found: Any = document
    for step in target.removeprefix("#/").split("/"):
        found = found.get(step) if isinstance(found, dict) else None
    return found


@pytest.mark.parametrize("kind", [Command, Query, Event], ids=lambda kind: kind.__name__)
def test_every_message_is_a_channel_an_operation_and_a_line_for_people(kind: Any) -> None:
    page = made()["docs/messages.md"].decode()
    for message in of_kind(kind):
        channel = asyncapi()["channels"][subject_of(message)]
        operation = asyncapi()["operations"][message.__name__]
        assert operation["channel"] == {"$ref": f"#/channels/{subject_of(message)}"}
        assert operation["action"] == ("send" if kind is Event else "receive")
        assert ("reply" in operation) is (kind is not Event)
        assert [*channel["messages"]] == [message.__name__]
        assert f"| **{message.__name__}**" in page
        assert f"`{subject_of(message)}." in page


def test_a_command_s_operation_says_who_may_and_by_which_queue_it_is_taken_and_what_answers() -> None:
    placed = asyncapi()["operations"]["PlaceOrder"]
    assert placed["bindings"] == {"nats": {"queue": "orders", "bindingVersion": "0.1.0"}}
    assert placed["x-permission"] == "orders:place_order"
    assert placed["x-roles"]["customer"] == "own"
    answers = [one["$ref"].rpartition("/")[2] for one in placed["reply"]["messages"]]
    assert answers == ["Accepted", "Refusal", "Failure"]
    assert asyncapi()["channels"]["orders.command.place_order.reply"]["address"] is None


def test_what_is_told_has_a_channel_and_what_must_not_be_told_has_none() -> None:
    assert asyncapi()["channels"]["orders.tell.place_order"]["x-jetstream"]["stream"] == "ORDERS_TELLS"
    assert "users.tell.change_password" not in asyncapi()["channels"]


def test_who_follows_an_event_is_derived_from_the_tables() -> None:
    followed = asyncapi()["operations"]["notifications.follows.OrderConfirmed"]
    assert followed["x-readers"] == ["reaction order_confirmed"]
    [row] = [line for line in made()["docs/messages.md"].decode().splitlines() if "| **OrderPlaced**" in line]
    assert "view `order_view`" in row
    assert "saga `order_fulfilment`" in row
    assert "gateway: topic `orders`" in row
    assert "`deliver_to` *personal*" in row


def test_what_the_mesh_itself_answers_is_in_every_domain() -> None:
    for domain in ("orders", "users"):
        question = asyncapi()["operations"][f"{domain}.HistoryQuestion"]
        assert question["x-permission"] == f"{domain}:events"
        assert asyncapi()["channels"][f"{domain}.query.events"]["address"] == f"{domain}.query.events.{{entity_id}}"


def test_every_header_has_a_note_and_each_kind_of_message_its_headers() -> None:
    named = {name for name, value in vars(envelope).items() if name.isupper() and isinstance(value, str)}
    assert {getattr(envelope, name) for name in named} == notes().keys(), "say in a docstring what the header is"
    event = asyncapi()["components"]["schemas"]["headers.event"]["properties"]
    assert {envelope.KEY, envelope.VERSION, envelope.SCHEMA, envelope.CORRELATION_ID} <= event.keys()
    assert envelope.PRINCIPAL not in event
    assert envelope.COMMAND_ID not in asyncapi()["components"]["schemas"]["headers.query"]["properties"]


def test_every_schema_is_json_schema_2020_12_complete_in_itself_and_named_once() -> None:
    found = schemas()
    for path, schema in found.items():
        assert schema["$schema"] == DIALECT
        assert jsonschema_rs.meta.is_valid(schema), path
        assert all(resolved(schema, target) is not None for target in references(schema)), path
    ids = [schema["$id"] for schema in found.values()]
    assert len(set(ids)) == len(ids)
    assert f"{ID}orders.command.place_order" in ids
    assert f"{ID}orders.event.order_placed:1" in ids


def test_a_schema_carries_the_marks() -> None:
    placed = schemas()["docs/contract/schemas/orders.command.place_order.json"]["properties"]
    assert placed["customer_id"]["x-owner"] is True
    assert placed["deliver_to"]["x-personal"] == "customer_id"
    added = schemas()["docs/contract/schemas/users.event.address_added.v1.json"]
    assert added["$defs"]["Address"]["properties"]["street"]["x-personal"] == "user_id"
    changed = schemas()["docs/contract/schemas/users.command.change_password.json"]["properties"]
    assert changed["new_password"]["x-sensitive"] is True


def test_what_is_made_is_the_same_in_every_process() -> None:
    """Sets and hashes differ from process to process; files that are committed must not."""
    script = (
        "from cli.contract.files import files; from cli.contract.reading import read_contract as c; import hashlib;"
    )
    script += "print(hashlib.sha256(b''.join(k.encode() + v for k, v in files(c()).items())).hexdigest())"
    told = {
        subprocess.run(
            [sys.executable, "-c", script], env={"PYTHONHASHSEED": seed}, cwd=ROOT, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(told) == 1


def test_files_that_differ_are_written_and_those_of_no_message_go(tmp_path: Path) -> None:
    wanted = {
        "docs/messages.md": b"page",
        "docs/contract/schemas/orders.event.order_placed.v2.json": b"{}",
    }
    folder = tmp_path / "docs" / "contract" / "schemas"
    folder.mkdir(parents=True)
    older, gone = folder / "orders.event.order_placed.v1.json", folder / "orders.event.order_lost.v1.json"
    older.write_bytes(b"{}")
    gone.write_bytes(b"{}")
    assert differing(tmp_path, wanted) == [
        "docs/messages.md is missing",
        "docs/contract/schemas/orders.event.order_placed.v2.json is missing",
        "docs/contract/schemas/orders.event.order_lost.v1.json belongs to no message",
    ]
    assert len(write(tmp_path, wanted)) == 3
    assert differing(tmp_path, wanted) == []
    assert older.exists(), "bytes of an older version are stored: its schema stays"
    assert not gone.exists()
    (tmp_path / "docs" / "messages.md").write_bytes(b"another")
    assert differing(tmp_path, wanted) == ["docs/messages.md is not what the code says"]


def test_upcasts_stand_beside_their_events() -> None:
    for module in schema_modules():
        for event in getattr(module, TABLE, {}):
            assert event in messages().values(), f"{event}: UPCASTS names events of the contract"
            assert event.__module__ == module.__name__, f"{event.__name__}: put it into UPCASTS of {event.__module__}"


def test_the_document_changes_with_the_contract() -> None:
    without = Contract(
        release="9", messages={name: facts for name, facts in contract().messages.items() if facts.domain == "orders"}
    )
    assert document(without)["channels"].keys() < asyncapi()["channels"].keys()
