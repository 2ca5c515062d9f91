"""The documentation is true where a machine can tell: links lead somewhere, pages are found, settings are all there."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

from actors.mesh._settings import VARIABLES
from tests.house.contract import found_actors
from tests.house.source import PACKAGES, ROOT, modules

DOCS = ROOT / "docs"
DECISIONS = DOCS / "decisions"
SETTINGS = DOCS / "operating" / "settings.md"
CHANGES = ROOT / "changes"
PAGES = sorted([ROOT / "README.md", *DOCS.rglob("*.md"), *CHANGES.glob("*.md")])
LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.*)$", re.MULTILINE)
CODE_BLOCK = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"(?<=<!-- settings -->\n).*(?=<!-- end -->)", re.DOTALL)
FRAGMENT = re.compile(r"[1-9][0-9]*\.(added|changed|fixed|removed|security)\.md")
VARIABLE = re.compile(r"MESH(_[A-Z]+)+")
WRITE = "python -m tests.house.test_docs"


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def links(page: Path) -> list[str]:
    """Return what a page links to inside the repository."""
    prose = CODE_BLOCK.sub("", page.read_text(encoding="utf-8"))
    return [match["target"] for match in LINK.finditer(prose) if "://" not in match["target"]]


def anchors(page: Path) -> set[str]:
    """Return the places of a page that a link may name."""
    headings = HEADING.findall(CODE_BLOCK.sub("", page.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}


def leads_somewhere(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    inside = target.is_relative_to(ROOT) and target.exists()
    return inside and (not anchor or anchor in anchors(target))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_somewhere(page: Path) -> None:
    dead = [link for link in links(page) if not leads_somewhere(page, link)]
    assert not dead, f"{name_of(page)} links to what is not there: {dead}"


def test_every_page_can_be_found_from_the_index() -> None:
    found, next_pages = set[Path](), [ROOT / "README.md"]
    while next_pages:
        page = next_pages.pop()
        if page in found or page.suffix != ".md" or not page.exists():
            continue
        found.add(page)
        next_pages += [(page.parent / link.partition("#")[0]).resolve() for link in links(page)]
    lost = [name_of(page) for page in PAGES if page.is_relative_to(DOCS) and page not in found]
    assert not lost, f"no page leads to {lost}: link them from docs/index.md or from a page it names"


def test_every_decision_is_numbered_and_listed() -> None:
    pages = sorted(page.name for page in DECISIONS.glob("*.md") if page.name != "README.md")
    wrong = [name for name in pages if not re.fullmatch(r"\d{4}-[a-z0-9-]+\.md", name)]
    assert not wrong, f"{wrong}: call it NNNN-what-was-decided.md"
    assert len({name[:4] for name in pages}) == len(pages), f"a number is used twice: {pages}"
    missing = set(pages) - set(links(DECISIONS / "README.md"))
    assert not missing, f"add a line for {sorted(missing)} to docs/decisions/README.md"


def test_every_service_has_a_page() -> None:
    missing = [actor.name for actor in found_actors() if not (DOCS / "services" / f"{actor.name}.md").exists()]
    assert not missing, f"write docs/services/<name>.md for {missing}"


def test_every_change_is_named_after_its_issue_and_kind() -> None:
    wrong = [page.name for page in CHANGES.iterdir() if page.name != "README.md" and not FRAGMENT.fullmatch(page.name)]
    assert not wrong, f"{wrong}: call it <issue>.<added|changed|fixed|removed|security>.md"


def settings_table() -> str:
    """Return every variable with what it is for."""
    rows = [f"| `{name}` | {told} |" for name, told in sorted(VARIABLES.items())]
    return "\n".join(["", "| variable | what it is for |", "|---|---|", *rows, "", ""])


def test_the_settings_are_all_described() -> None:
    found = BLOCK.search(SETTINGS.read_text(encoding="utf-8"))
    assert found is not None, f"{name_of(SETTINGS)} has lost its markers"
    assert found.group() == settings_table(), f"the settings have changed: {WRITE}"


def test_every_variable_that_is_read_is_declared() -> None:
    texts = [
        (node.value, module.path)
        for module in modules(*PACKAGES)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    unknown = {f"{text} in {path}" for text, path in texts if VARIABLE.fullmatch(text) and text not in VARIABLES}
    assert not unknown, f"add to VARIABLES in actors/mesh/_settings.py: {sorted(unknown)}"


def test_no_page_knows_a_machine() -> None:
    told = [name_of(page) for page in PAGES if re.search(r"(?<![\w.])/(home|root|work|Users)/", page.read_text())]
    assert not told, f"{told} name a path of one machine: write it from the repository's folder on"


if __name__ == "__main__":
    text = SETTINGS.read_text(encoding="utf-8")
    SETTINGS.write_text(BLOCK.sub(lambda _: settings_table(), text), encoding="utf-8")
    sys.stdout.write(f"written: {name_of(SETTINGS)}\n")
