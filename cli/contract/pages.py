"""`docs/messages.md`: every message for people, a table a domain and kind, written from the contract."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping

from cli.contract.facts import Contract, Kind, MessageFacts, ReaderFacts
from cli.contract.reading import subject_with_key
from schemas.message import Accepted

HEADING = """\
# Messages

Written by `mesh contract` from the declarations; change those, not this page. For machines the same stands in
[`asyncapi.json`](contract/asyncapi.json) and, one file a message, in [`contract/schemas/`](contract/schemas).
[Changing a contract](changing-a-contract.md) says how any of it may change.

A field is **required** unless it has a `?`. *personal*: sealed under that person's key wherever it is kept. *owner*:
whose entity it is; filled by the gateway, compared by the pool. *sensitive*: kept nowhere. `own` beside a role: about
one's own only.
"""
NOTHING = "-"
TABLES: Mapping[Kind, tuple[str, tuple[str, ...]]] = {
    "command": ("Commands", ("message", "subject", "who may send it", "sent by", "fields")),
    "event": ("Events", ("message", "subject", "who follows it", "fields")),
    "query": ("Queries", ("message", "subject", "who may ask it", "answer", "fields")),
}


def page(contract: Contract) -> str:
    """Return the whole page."""
    domains = sorted({facts.domain for facts in contract.messages.values()})
    links = " · ".join(f"[{domain}](#{domain})" for domain in domains)
    return "\n".join([HEADING, links, "", *(line for domain in domains for line in section(contract, domain))])


def section(contract: Contract, domain: str) -> Iterator[str]:
    """Yield the lines of one domain."""
    yield f"## {domain}"
    yield ""
    yield (importlib.import_module(f"schemas.{domain}").__doc__ or "").partition("\n")[0]
    yield ""
    for kind, (title, columns) in TABLES.items():
        rows = {
            subject: facts
            for subject, facts in contract.messages.items()
            if facts.domain == domain and facts.kind == kind
        }
        if not rows:
            continue
        yield f"### {title} of {domain}"
        yield ""
        yield f"| {' | '.join(columns)} |"
        yield "|---" * len(columns) + "|"
        yield from (f"| {' | '.join(cells(subject, facts))} |" for subject, facts in rows.items())
        yield ""


def cells(subject: str, facts: MessageFacts) -> tuple[str, ...]:
    """Return one row."""
    title = f"**{facts.name}**" + (f" v{facts.version}" if facts.version > 1 else "")
    title += f"<br>{facts.about}" if facts.about else ""
    where, fields = f"`{subject_with_key(subject, facts)}`", fields_cell(facts)
    if facts.kind == "event":
        title += "<br>*private: its content stays in the journal*" if facts.private else ""
        return title, where, readers_cell(facts.readers), fields
    if facts.kind == "query":
        return title, where, roles_cell(facts), f"`{facts.reply}`", fields
    title += "" if facts.reply == Accepted.__name__ else f"<br>answered with `{facts.reply}`"
    where += "<br>or told" if facts.told else ""
    return title, where, roles_cell(facts), readers_cell(facts.senders), fields


def roles_cell(facts: MessageFacts) -> str:
    """Return who may send it; whoever a question is about, where it needs no permission."""
    if not facts.permission:
        return "who it is about"
    return ", ".join(role if scope == "all" else f"{role} (own)" for role, scope in facts.roles.items())


def readers_cell(readers: tuple[ReaderFacts, ...]) -> str:
    """Return readers or senders, by domain."""
    by_domain: dict[str, list[str]] = {}
    for reader in readers:
        by_domain.setdefault(reader.domain, []).append(f"{reader.part} `{reader.name}`")
    return "<br>".join(f"{domain}: {', '.join(dict.fromkeys(parts))}" for domain, parts in by_domain.items()) or NOTHING


def fields_cell(facts: MessageFacts) -> str:
    """Return the fields of a message as they stand in it, those inside others left to the schema, with their marks."""
    inner = {path: mark for path, field in facts.fields.items() for mark in field.marks if "." in path or "[]" in path}
    shown = [
        f"`{path}`" + ("" if field.required else "?") + marks_of(field.marks)
        for path, field in facts.fields.items()
        if "." not in path and "[]" not in path
    ]
    return ", ".join([*shown, *(f"`{path}`{marks_of((mark,))}" for path, mark in inner.items())]) or NOTHING


def marks_of(marks: tuple[str, ...]) -> str:
    return "".join(f" *{mark.partition(':')[0]}*" for mark in marks)
