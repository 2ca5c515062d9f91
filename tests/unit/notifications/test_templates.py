"""Templates: every one of them can be filled in, in every locale, and nothing that is put in gets out of its place."""

from __future__ import annotations

from pathlib import Path

import pytest
from jinja2 import DictLoader, UndefinedError
from jinja2.exceptions import SecurityError

from actors.notifications import rendering
from actors.notifications.model.kinds import KINDS
from actors.notifications.rendering import (
    LOCALES,
    TemplatesBroken,
    check_templates,
    environment,
    mail,
    money,
    note,
    written_in,
)
from schemas.channels import Template
from tests.unit.notifications.people import MONEY

FOLDER = Path(rendering.__file__).parent / "templates"
SAMPLES = {
    "order_id": "o-42", "total_minor": "1205", "currency": "EUR", "reason": "cancel_requested", "user_id": "ada",
    "token": "a-token", "sku": "tea", "available": "3",
}  # fmt: skip


def sample(template: Template) -> dict[str, str]:
    return {name: SAMPLES[name] for name in KINDS[template].parameters}


def test_every_template_of_the_table_has_its_folder_and_no_folder_is_left_over() -> None:
    assert {folder.name for folder in FOLDER.iterdir() if folder.is_dir()} == set(KINDS)


def test_they_can_all_be_filled_in() -> None:
    check_templates()


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("template", KINDS)
def test_every_parameter_is_said_and_no_more_is_wanted(template: Template, locale: str) -> None:
    filled = mail(template, locale, "Ada", sample(template))
    said = filled.subject + filled.text
    for name in KINDS[template].parameters - {"total_minor", "currency", "reason"}:
        assert SAMPLES[name] in said, f"{template} does not say {name}"
    assert "Ada" in filled.text
    assert "Ada" in filled.html
    assert "{{" not in said + filled.html


@pytest.mark.parametrize("template", [name for name, kind in KINDS.items() if set(kind.channels) - {"email"}])
def test_what_fits_on_a_screen_is_short(template: Template) -> None:
    assert len(note(template, "en", sample(template)).text) <= 160


@pytest.mark.parametrize("template", KINDS)
def test_a_missing_parameter_is_an_error_and_not_a_gap(template: Template) -> None:
    for name in KINDS[template].parameters:
        rest = {other: value for other, value in sample(template).items() if other != name}
        with pytest.raises(UndefinedError):
            mail(template, "en", "Ada", rest)


def test_html_is_escaped_and_text_is_left_as_it_is() -> None:
    hostile = mail("order_confirmed", "en", "<script>alert(1)</script>", MONEY)
    assert "<script>alert" not in hostile.html
    assert "&lt;script&gt;" in hostile.html
    assert "<script>alert(1)</script>" in hostile.text


def test_a_parameter_is_never_read_as_a_template() -> None:
    sly = {**MONEY, "order_id": "{{ 7 * 7 }}"}
    assert "{{ 7 * 7 }}" in mail("order_confirmed", "en", "Ada", sly).text


def test_a_subject_stays_one_line() -> None:
    subject = mail("order_confirmed", "en", "Ada", {**MONEY, "order_id": "o1\r\nBcc: eve@example.org"}).subject
    assert subject == "Your order o1 Bcc: eve@example.org is confirmed"


def test_a_template_reaches_nothing_but_what_it_is_given() -> None:
    with pytest.raises(SecurityError):
        environment().from_string("{{ ''.__class__.__mro__[1].__subclasses__() }}").render()


@pytest.mark.parametrize(("locale", "written"), [("de", "de"), ("no", "en"), ("en", "en"), ("xx", "en")])
def test_what_is_not_written_in_a_locale_is_told_in_the_default_one(locale: str, written: str) -> None:
    assert written_in("order_confirmed", locale) == written


def test_a_mail_is_in_one_language_throughout() -> None:
    german = mail("order_confirmed", "de", "Ada", {**MONEY, "total_minor": "1205"})
    assert german.subject == "Ihre Bestellung o1 ist bestätigt"
    assert "12,05 EUR" in german.text
    assert '<html lang="de">' in german.html
    english = mail("low_stock", "de", "Ada", {"sku": "tea", "available": "3"})
    assert '<html lang="en">' in english.html


@pytest.mark.parametrize(
    ("amount", "locale", "written"),
    [
        ("0", "en", "0.00 EUR"),
        ("5", "en", "0.05 EUR"),
        ("900", "de", "9,00 EUR"),
        ("123456789", "en", "1234567.89 EUR"),
    ],
)
def test_money_is_written_to_the_cent(amount: str, locale: str, written: str) -> None:
    assert money(amount, "EUR", locale) == written


def test_a_broken_template_is_found_when_the_process_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {file.relative_to(FOLDER).as_posix(): file.read_text() for file in FOLDER.rglob("*.j2")} | {
        "low_stock/body.txt.j2": "{{ avialable }}"
    }
    broken = environment().overlay(loader=DictLoader(texts))
    monkeypatch.setattr(rendering, "environment", lambda: broken)
    with pytest.raises(TemplatesBroken, match=r"low_stock \(en\).*avialable"):
        check_templates()
