"""The contract and the actors agree: every message has exactly one home, and every actor can start."""

from __future__ import annotations

import tomllib
from collections import Counter

import pytest

from actors.__main__ import ACTORS
from actors.mesh import Actor
from actors.mesh._blueprint import draw
from gateway.routes import ROUTES
from infra.local.secrets import DOMAINS
from infra.local.services import TABLE
from schemas.message import Command, Event, Message, Query, domain_of, subject_of
from tests.house.contract import found_actors, of_kind
from tests.house.source import ROOT


def homes(kind: type[Message]) -> Counter[str]:
    """Return how many actors take each message of a kind."""
    taken: Counter[str] = Counter()
    for actor in found_actors():
        blueprint = draw(actor)
        names = {Command: [*blueprint.commands], Query: [*blueprint.queries], Event: [*blueprint.events]}[kind]
        taken.update(f"{actor.name}.{kind.__name__.lower()}.{name}" for name in names)
    return taken


@pytest.mark.parametrize("actor", found_actors(), ids=lambda actor: actor.name)
def test_an_actor_draws(actor: Actor) -> None:
    assert draw(actor).name == actor.name


@pytest.mark.parametrize("actor", found_actors(), ids=lambda actor: actor.name)
def test_an_actor_is_named_after_its_package_and_is_started_by_the_composition_root(actor: Actor) -> None:
    assert ACTORS.get(actor.name) is actor, f"add {actor.name} to ACTORS in actors/__main__.py"


@pytest.mark.parametrize(
    ("kind", "remedy"),
    [
        (Command, "bind it with decides(...) in its domain's __init__.py"),
        (Query, "bind it with answers(...) in its domain's __init__.py"),
        (Event, "name it in the annotation of the aggregate's evolve"),
    ],
)
def test_every_message_has_exactly_one_home(kind: type[Message], remedy: str) -> None:
    wanted = {subject_of(message) for message in of_kind(kind)}
    taken = homes(kind)
    assert not wanted - set(taken), f"nobody takes {sorted(wanted - set(taken))}: {remedy}"
    assert not set(taken) - wanted, f"not in the contract: {sorted(set(taken) - wanted)}"
    assert set(taken.values()) == {1}, f"taken twice: {[name for name, count in taken.items() if count > 1]}"


def test_every_message_belongs_to_a_domain_that_has_an_actor() -> None:
    domains = {domain_of(message) for kind in (Command, Query, Event) for message in of_kind(kind)}
    assert domains == {actor.name for actor in found_actors()}


def test_the_local_platform_runs_every_actor() -> None:
    names = {actor.name for actor in found_actors()}
    assert set(DOMAINS) == names, "DOMAINS in infra/local/secrets.py: each domain has a password and a key"
    assert names <= set(TABLE), "TABLE in infra/local/services.py: each domain has a pool"


@pytest.mark.parametrize("listed", ["containers", "forbidden_modules"])
def test_the_import_contracts_name_every_domain(listed: str) -> None:
    told = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    wanted = {f"actors.{actor.name}" for actor in found_actors()}
    of_domains = [contract for contract in told if wanted & set(contract.get(listed, ()))]
    assert of_domains, f"no contract lists domains as {listed} any more: take this test back"
    for contract in of_domains:
        missing = wanted - set(contract[listed])
        assert not missing, f"add {sorted(missing)} to {contract['name']!r} in pyproject.toml"


def test_no_two_operations_of_the_gateway_are_the_same() -> None:
    assert len({(route.method, route.path) for route in ROUTES}) == len(ROUTES)
    names = [route.name for route in ROUTES]
    assert len(set(names)) == len(names), "where two rows send the same message, one of them is `named`"
