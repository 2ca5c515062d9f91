"""What of the contract is committed: written from the declarations, compared with them, and kept at each release."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import msgspec

from actors.__main__ import ACTORS
from cli.contract.asyncapi import document
from cli.contract.facts import Contract
from cli.contract.json_schemas import pretty, schema_files
from cli.contract.pages import page
from cli.contract.sagas import sagas_page

FACTS = "docs/contract/contract.json"
"""The contract as it is: what another branch or an earlier commit is compared with."""
RELEASED = "docs/contract/released.json"
"""The contract as it was released last: what nobody may break."""
SCHEMAS = "docs/contract/schemas"
OLDER = re.compile(r"(?P<event>[a-z_.]+)\.v(?P<version>[1-9][0-9]*)\.json")


def files(contract: Contract) -> dict[str, bytes]:
    """Return every file that follows from the contract, by its path in the repository."""
    made = {
        "docs/messages.md": page(contract).encode(),
        "docs/sagas.md": sagas_page(ACTORS).encode(),
        "docs/contract/asyncapi.json": pretty(document(contract)),
        FACTS: pretty(contract),
    }
    return made | {f"{SCHEMAS}/{name}": body for name, body in schema_files(contract).items()}


def differing(root: Path, wanted: Mapping[str, bytes]) -> list[str]:
    """Return in words what is not committed as it follows from the contract."""
    found = [
        f"{path} is missing" if not (root / path).exists() else f"{path} is not what the code says"
        for path, body in wanted.items()
        if not (root / path).exists() or (root / path).read_bytes() != body
    ]
    return found + [f"{path} belongs to no message" for path in stale(root, wanted)]


def write(root: Path, wanted: Mapping[str, bytes]) -> list[str]:
    """Write what differs, remove what belongs to no message; return the paths that were touched."""
    touched = []
    for path, body in wanted.items():
        file = root / path
        if not file.exists() or file.read_bytes() != body:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(body)
            touched.append(path)
    for path in stale(root, wanted):
        (root / path).unlink()
        touched.append(path)
    return touched


def stale(root: Path, wanted: Mapping[str, bytes]) -> list[str]:
    """Return the schemas of no message; those of an event's older versions stay, for their bytes are stored."""
    there = sorted(f"{SCHEMAS}/{file.name}" for file in (root / SCHEMAS).glob("*.json"))
    return [path for path in there if path not in wanted and not is_older(path, wanted)]


def is_older(path: str, wanted: Mapping[str, bytes]) -> bool:
    """Return whether it is the schema of an earlier version of an event that is still there."""
    found = OLDER.fullmatch(path.rpartition("/")[2])
    if found is None:
        return False
    newest = [
        int(other["version"])
        for one in wanted
        if (other := OLDER.fullmatch(one.rpartition("/")[2]))
        if other["event"] == found["event"]
    ]
    return bool(newest) and int(found["version"]) < max(newest)


def read_facts(text: bytes) -> Contract:
    """Return a contract from its file; raise msgspec's error where it is none."""
    return msgspec.json.decode(text, type=Contract)
