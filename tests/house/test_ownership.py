"""Our top-level packages have plain names, so nothing that is installed beside us may claim one of them."""

from __future__ import annotations

import importlib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.house.source import PACKAGES, ROOT

DISTRIBUTION = "actor-mesh"


@pytest.mark.parametrize("package", PACKAGES)
def test_nobody_else_owns_the_package(package: str) -> None:
    strangers = set(packages_distributions().get(package, ())) - {DISTRIBUTION}
    assert not strangers, f"{package!r} is also claimed by {sorted(strangers)}: that one cannot be installed beside us"


@pytest.mark.parametrize("package", PACKAGES)
def test_the_package_is_imported_from_this_repository(package: str) -> None:
    file = importlib.import_module(package).__file__
    assert file is not None, f"{package} has no __init__.py"
    assert Path(file).is_relative_to(ROOT), f"{package} was imported from {file}"


def test_every_package_of_the_repository_is_known() -> None:
    run_in_place = {"bench", "examples"}  # never installed
    found = {file.parent.name for file in ROOT.glob("*/__init__.py")} - run_in_place
    assert found == set(PACKAGES), (
        "name it in tests/house/source.py, pyproject.toml's packages and its import contracts"
    )
