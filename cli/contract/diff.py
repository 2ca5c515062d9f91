"""What a change of the contract does to whoever relies on it: each difference judged, each reader it hits named."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

from msgspec import Struct

from cli.contract.changes import Difference, differences
from cli.contract.facts import Contract, MessageFacts, ReaderFacts

Verdict = Literal["breaks", "in order", "compatible"]
"""`in order`: nobody breaks as long as the parts are upgraded in the order that the change names."""
VERDICTS: tuple[Verdict, ...] = ("breaks", "in order", "compatible")

FOR_EVER = "events are for ever: keep it, and stop writing it"
STORED = "what is stored cannot be read any more: lift it in UPCASTS"
WRITTEN = "pools and tools of the earlier release cannot read what is written now: raise its version in UPCASTS"
BUMP = "it is written differently under the same version: add `with_defaults` to UPCASTS"
POOLS_FIRST = "upgrade the pools before whoever sends it"
WAIT = "pools of the earlier release leave it to the new ones; tools that follow it must be upgraded"
NOBODY = "nobody of ours"


class Change(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One difference. `hit`: who reads or sends it, those first whose code names the field."""

    subject: str
    what: str
    verdict: Verdict
    path: str = ""
    why: str = ""
    hit: tuple[str, ...] = ()


def diff(old: Contract, new: Contract) -> list[Change]:
    """Return every change from one contract to another, the worst first."""
    found: list[Change] = []
    for subject in sorted(old.messages.keys() | new.messages.keys()):
        before, after = old.messages.get(subject), new.messages.get(subject)
        if before is None and after is not None:
            found.append(Change(subject=subject, what=f"{after.kind} added", verdict="compatible"))
        elif after is None and before is not None:
            found.append(gone(subject, before, new))
        elif before is not None and after is not None:
            of_kind = of_event if before.kind == "event" else of_request
            found += of_kind(subject, before, after)
    return sorted(found, key=lambda change: (VERDICTS.index(change.verdict), change.subject, change.path))


def gone(subject: str, before: MessageFacts, new: Contract) -> Change:
    moved = [other for other, facts in new.messages.items() if facts.name == before.name]
    what = f"subject changed to {moved[0]}" if moved else f"{before.kind} removed"
    why = FOR_EVER if before.kind == "event" else "whoever sends it is refused: message_unknown"
    relying = before.readers if before.kind == "event" else (*before.senders, *roles(before))
    return Change(subject=subject, what=what, verdict="breaks", why=why, hit=named(relying))


def of_event(subject: str, before: MessageFacts, after: MessageFacts) -> Iterator[Change]:
    """Yield what differs in an event: old code reads new ones while a release rolls out, new code old ones for ever."""
    strict = {"old_strict": before.strict, "new_strict": after.strict}
    found = differences(before.fields, after.fields, **strict, omits=False)
    lifted = any(at >= before.version for at in after.lifted_from)
    if after.version < before.version:
        what = f"version lowered from {before.version} to {after.version}"
        yield Change(subject=subject, what=what, verdict="breaks", why=FOR_EVER, hit=named(after.readers))
    for one in found:
        verdict, why = judged_event(one, before, after, lifted=lifted)
        hit = named((*before.readers, *after.readers), one.field) if verdict != "compatible" and why != BUMP else ()
        yield Change(subject=subject, path=one.path, what=one.what, verdict=verdict, why=why, hit=hit)
    if before.key != after.key:
        what = f"key changed from {before.key} to {after.key}"
        yield Change(subject=subject, what=what, verdict="breaks", why=FOR_EVER, hit=named(before.readers))
    if after.private and not before.private:
        others = [reader for reader in before.readers if reader.part not in ("state", "view", "rows", "claim", "timer")]
        what, why = "private now", "whoever reads it off the stream finds it empty"
        yield Change(subject=subject, what=what, verdict="breaks", why=why, hit=named(others))
    elif before.private and not after.private:
        yield Change(subject=subject, what="no longer private", verdict="compatible")


def judged_event(one: Difference, before: MessageFacts, after: MessageFacts, *, lifted: bool) -> tuple[Verdict, str]:
    """Return what a difference of an event means, and why."""
    waits = after.since > before.version  # whoever knows the version before no more leaves what comes to new code
    if not one.new_reads and not (lifted and one.liftable):
        return "breaks", STORED
    if not one.old_reads and not waits:
        return "breaks", WRITTEN
    if one.encoded and after.version == before.version:
        return "breaks", BUMP
    return ("in order", WAIT) if waits and one.encoded else ("compatible", "")


def of_request(subject: str, before: MessageFacts, after: MessageFacts) -> Iterator[Change]:
    """Yield what differs in a command or query and its answer: who sends it is of either release."""
    senders = (*before.senders, *roles(before))
    for one in differences(before.fields, after.fields, old_strict=before.strict, new_strict=after.strict):
        if not one.new_reads:
            verdict: Verdict = "breaks"
            why = "what senders of the earlier release send, and what timers and tells hold, is refused"
        else:
            verdict, why = ("compatible", "") if one.old_reads else ("in order", POOLS_FIRST)
        hit = named(senders, one.field) if verdict == "breaks" else ()
        yield Change(subject=subject, path=one.path, what=one.what, verdict=verdict, why=why, hit=hit)
    yield from of_answer(subject, before, after)
    yield from of_permission(subject, before, after)
    if before.key != after.key:
        what = f"key changed from {before.key or '_'} to {after.key or '_'}"
        why = "it is sent to another subject"
        yield Change(subject=subject, what=what, verdict="breaks", why=why, hit=named(senders))
    if before.told and not after.told:
        why = "tools that tell it are refused"
        yield Change(subject=subject, what="can be told no more", verdict="breaks", why=why, hit=named(roles(before)))


def of_answer(subject: str, before: MessageFacts, after: MessageFacts) -> Iterator[Change]:
    senders = (*before.senders, *roles(before))
    if before.reply != after.reply:
        what = f"answer changed from {before.reply} to {after.reply}"
        why = "whoever asks reads it as what it was"
        yield Change(subject=subject, what=what, verdict="breaks", why=why, hit=named(senders))
        return
    for one in differences(before.reply_fields, after.reply_fields):
        verdict: Verdict = "compatible"
        why = ""
        if not one.old_reads:
            verdict, why = "breaks", "whoever asks cannot read the answer any more"
        elif not one.new_reads:
            verdict, why = "in order", POOLS_FIRST
        what = f"answer: {one.what}"
        hit = named(senders) if verdict == "breaks" else ()
        yield Change(subject=subject, path=one.path, what=what, verdict=verdict, why=why, hit=hit)


def of_permission(subject: str, before: MessageFacts, after: MessageFacts) -> Iterator[Change]:
    if before.permission != after.permission:
        what = f"permission changed from {before.permission or 'none'} to {after.permission or 'none'}"
        why = "roles are given by its name"
        yield Change(subject=subject, what=what, verdict="breaks", why=why, hit=named(roles(before)))
    if before.owner != after.owner:
        what = f"owner changed from {before.owner or 'none'} to {after.owner or 'none'}"
        why = "customers are compared with another field"
        yield Change(subject=subject, what=what, verdict="breaks", why=why, hit=named(roles(before)))
    for role in sorted(before.roles.keys() | after.roles.keys()):
        old, new = before.roles.get(role), after.roles.get(role)
        if old == new:
            continue
        if old is None:
            yield Change(subject=subject, what=f"allowed to {role} ({new})", verdict="compatible")
        elif new is None or (old, new) == ("all", "own"):
            what = f"no longer allowed to {role}" + (" about others" if new else "")
            routes = [sender for sender in before.senders if sender.part == "route"]
            relying = (ReaderFacts(domain="role", part="", name=role), *routes)
            why = "they are refused: permission_missing"
            yield Change(subject=subject, what=what, verdict="breaks", why=why, hit=named(relying))
        else:
            yield Change(subject=subject, what=f"allowed to {role} about all", verdict="compatible")


def roles(facts: MessageFacts) -> tuple[ReaderFacts, ...]:
    """Return the people and tools that may send a message: they are hit too, and are nobody's to upgrade."""
    return tuple(ReaderFacts(domain="role", part="", name=role) for role in facts.roles if role != "service")


def named(relying: Iterable[ReaderFacts], field: str = "") -> tuple[str, ...]:
    """Return whoever relies on something, those first whose code names the field."""
    by_title: dict[str, bool] = {}
    for one in relying:
        title = " ".join(one.title.split())
        by_title[title] = by_title.get(title, False) or field in one.fields
    first = [f"{title} (reads {field})" for title, reads in by_title.items() if reads]
    return (*first, *(title for title, reads in by_title.items() if not reads)) or (NOBODY,)
