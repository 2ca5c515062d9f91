"""Templates filled in when something is sent or read, and never before: what is rendered is kept nowhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple, get_args

from actors.notifications.model.kinds import KINDS
from schemas.values import Locale

if TYPE_CHECKING:
    from jinja2 import Environment

LOCALES: Final[tuple[Locale, ...]] = get_args(Locale)
DEFAULT_LOCALE: Final = "en"
"""What is written for no other locale is told in this one."""
SUFFIX: Final = ".j2"


class Mail(NamedTuple):
    """A mail's subject and its two bodies, which say the same."""

    subject: str
    text: str
    html: str


class Note(NamedTuple):
    """What fits on a screen: a push message, an item of an inbox; a text message is its text alone."""

    title: str
    text: str


class TemplatesBroken(Exception):
    """A template cannot be read, or wants what nobody gives; found when the process starts."""


@cache
def environment() -> Environment:
    """Return what templates are read and filled in by: nothing missing, nothing unescaped, nothing reached but text."""
    from jinja2 import PackageLoader, StrictUndefined  # here: every pool imports every domain, and one of them renders
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    made = ImmutableSandboxedEnvironment(
        loader=PackageLoader("actors.notifications"),
        undefined=StrictUndefined,
        autoescape=lambda name: name is not None and name.endswith(f".html{SUFFIX}"),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["money"] = money
    return made


def money(amount_minor: str, currency: str, locale: str) -> str:
    """Write an amount in minor units as people of the locale do."""
    whole, cents = divmod(int(amount_minor), 100)
    return f"{whole}{'.' if locale == DEFAULT_LOCALE else ','}{cents:02d} {currency}"


def mail(template: str, locale: str, name: str, parameters: Mapping[str, str]) -> Mail:
    """Fill in a mail."""
    given = {**parameters, "name": name}
    return Mail(
        subject=one_line(template, locale, "subject.txt", given),
        text=filled(template, locale, "body.txt", given),
        html=filled(template, locale, "body.html", given),
    )


def note(template: str, locale: str, parameters: Mapping[str, str]) -> Note:
    """Fill in a short message."""
    return Note(
        title=one_line(template, locale, "subject.txt", parameters),
        text=one_line(template, locale, "short.txt", parameters),
    )


def one_line(template: str, locale: str, part: str, given: Mapping[str, str]) -> str:
    """Fill in a part that must be one line, whatever it was given."""
    return " ".join(filled(template, locale, part, given).split())


def filled(template: str, locale: str, part: str, given: Mapping[str, Any]) -> str:
    written = written_in(template, locale)
    folder = template if written == DEFAULT_LOCALE else f"{template}/{written}"
    return environment().get_template(f"{folder}/{part}{SUFFIX}").render({**given, "locale": written})


@cache
def written_in(template: str, locale: str) -> str:
    """Return the locale a template is told in: this one where it is written in it, else the default one, all of it."""
    return locale if f"{template}/{locale}/subject.txt{SUFFIX}" in environment().list_templates() else DEFAULT_LOCALE


def check_templates() -> None:
    """Fill in every template in every locale with what its kind is given; raise `TemplatesBroken` naming what fails."""
    problems = [problem for template in KINDS for locale in LOCALES for problem in problems_of(template, locale)]
    if problems:
        raise TemplatesBroken("; ".join(problems))


def problems_of(template: str, locale: str) -> Iterator[str]:
    kind = KINDS[template]  # type: ignore[index]
    sample = dict.fromkeys(kind.parameters, "1")
    try:
        if "email" in kind.channels:
            mail(template, locale, "Ada", sample)
        if set(kind.channels) - {"email"}:
            note(template, locale, sample)
    except Exception as error:  # noqa: BLE001 - whatever a template does, the next one is looked at as well
        yield f"{template} ({locale}): {error}"
