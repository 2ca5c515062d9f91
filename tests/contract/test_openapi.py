"""The public API is a snapshot: a difference is a decision."""

import sys
from pathlib import Path

import msgspec

from gateway.openapi import document
from gateway.routes import ROUTES

SNAPSHOT = Path(__file__).with_name("openapi.json")
REGENERATE = "python tests/contract/test_openapi.py"


def current() -> str:
    """Return the document as it is kept; the version is not part of the contract."""
    return msgspec.json.format(msgspec.json.encode(document(ROUTES, "0")), indent=2).decode() + "\n"


def test_the_public_api_is_what_was_agreed() -> None:
    agreed = SNAPSHOT.read_text(encoding="utf-8")
    assert current() == agreed, f"the API has changed; if it was meant to, run: {REGENERATE}"


def test_every_operation_has_a_name_and_every_reference_a_target() -> None:
    api = document(ROUTES, "0")
    operations = [operation for methods in api["paths"].values() for operation in methods.values()]
    assert len({operation["operationId"] for operation in operations}) == len(ROUTES) + 1, "and the live stream"
    known = {f"#/components/{kind}/{name}" for kind, named in api["components"].items() for name in named}
    assert references(api) <= known


def references(value: object) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if "$ref" in value else set()
        return own.union(*(references(inner) for inner in value.values()))
    if isinstance(value, list):
        return set().union(*(references(inner) for inner in value))
    return set()


if __name__ == "__main__":
    SNAPSHOT.write_text(current(), encoding="utf-8")
    sys.stdout.write(f"written: {SNAPSHOT.name}\n")
