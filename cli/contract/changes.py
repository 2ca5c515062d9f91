"""What differs between two shapes of one message, and whether code of the one reads what code of the other writes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from cli.contract.facts import FieldFacts, Fields

NARROWER_WHEN_LESS = frozenset({"maximum", "exclusiveMaximum", "maxLength", "maxItems"})
NARROWER_WHEN_MORE = frozenset({"minimum", "exclusiveMinimum", "minLength", "minItems"})
WIDENINGS = frozenset({("integer", "number"), ("choice", "string")})
"""Types of which the second takes whatever the first does."""


class Difference(NamedTuple):
    """One thing that differs. `old_reads`: old code reads what new code writes; `new_reads`: the other way round.

    `encoded`: what is written looks different. `liftable`: an upcast can make good what new code does not read.
    """

    path: str
    what: str
    old_reads: bool = True
    new_reads: bool = True
    encoded: bool = True
    liftable: bool = True

    @property
    def field(self) -> str:
        """Return the field of the message that it is in."""
        return self.path.split(".")[0].removesuffix("[]")


def differences(
    old: Fields, new: Fields, *, old_strict: bool = False, new_strict: bool = False, omits: bool = True
) -> Iterator[Difference]:
    """Yield everything that differs.

    `strict`: a reader of that release refuses fields it does not know. `omits`: a writer may leave out what has a
    default, as those who send requests do; events hold every field.
    """
    for path in (*old, *(path for path in new if path not in old)):
        before, after = old.get(path), new.get(path)
        if after is None or before is None:
            around = parent(path)
            if around and (around not in old or around not in new):
                continue  # what it stood in is gone, or new, and that is said once
            if before is not None:
                strict = strictness(around, new, new_strict)
                yield removed(path, before, strict=strict)
            elif after is not None:
                yield added(path, after, strict=strictness(around, old, old_strict))
        else:
            yield from changed(path, before, after, omits=omits)


def parent(path: str) -> str:
    """Return what a path stands in, nothing for a field of the message's own."""
    if path.endswith("[]"):
        return path.removesuffix("[]")
    return path.rpartition(".")[0]


def strictness(around: str, fields: Fields, of_message: bool) -> bool:
    return fields[around].strict if around else of_message


def removed(path: str, before: FieldFacts, *, strict: bool) -> Difference:
    inner = path.endswith("[]")
    return Difference(
        path,
        "field removed" + ("" if before.required else ", it had a default"),
        old_reads=inner or not before.required,
        new_reads=inner or not strict,
    )


def added(path: str, after: FieldFacts, *, strict: bool) -> Difference:
    inner = path.endswith("[]")
    what = "required field added" if after.required else "field added, with a default"
    return Difference(path, what, old_reads=inner or not strict, new_reads=inner or not after.required)


def changed(path: str, before: FieldFacts, after: FieldFacts, *, omits: bool) -> Iterator[Difference]:
    """Yield what differs in one field."""
    if before.type != after.type:
        yield Difference(
            path,
            f"type changed from {before.type} to {after.type}",
            old_reads=(after.type, before.type) in WIDENINGS,
            new_reads=(before.type, after.type) in WIDENINGS,
        )
    elif before.values != after.values:
        yield from choices(path, before.values, after.values)
    if before.required != after.required and not path.endswith("[]"):
        what = "required now, it had a default" if after.required else "has a default now"
        yield Difference(path, what, old_reads=after.required or not omits, new_reads=not after.required, encoded=False)
    if before.nullable != after.nullable:
        what = "may be null now" if after.nullable else "may not be null any more"
        yield Difference(path, what, old_reads=not after.nullable, new_reads=after.nullable)
    if before.strict != after.strict:
        what = "refuses unknown fields now" if after.strict else "takes unknown fields now"
        yield Difference(path, what, encoded=False)
    if before.type == after.type:
        yield from limits(path, before.limits, after.limits)
    if not before.required and not after.required and before.default != after.default:
        what = f"default changed from {before.default!r} to {after.default!r}"
        yield Difference(path, what, new_reads=False, encoded=False)
    yield from marks(path, set(before.marks), set(after.marks))


def choices(path: str, before: tuple[Any, ...], after: tuple[Any, ...]) -> Iterator[Difference]:
    if gone := [value for value in before if value not in after]:
        yield Difference(path, f"value removed: {listed(gone)}", new_reads=False)
    if come := [value for value in after if value not in before]:
        yield Difference(path, f"value added: {listed(come)}", old_reads=False)


def limits(path: str, before: dict[str, Any], after: dict[str, Any]) -> Iterator[Difference]:
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        if new is None or is_wider(name, old, new):
            yield Difference(path, f"{name} widened from {old} to {said(new)}", old_reads=False)
        elif old is None or is_wider(name, new, old):
            yield Difference(path, f"{name} narrowed from {said(old)} to {new}", new_reads=False)
        else:
            yield Difference(path, f"{name} changed from {old} to {new}", old_reads=False, new_reads=False)


def is_wider(name: str, old: Any, new: Any) -> bool:
    """Return whether the new limit lets pass all that the old one did, and more."""
    if old is None:
        return False
    return (name in NARROWER_WHEN_LESS and new > old) or (name in NARROWER_WHEN_MORE and new < old)


def marks(path: str, before: set[str], after: set[str]) -> Iterator[Difference]:
    for mark in sorted(after - before):
        yield Difference(path, f"marked {mark} now", encoded=False)
    for mark in sorted(before - after):
        # What was sealed stays sealed where it is kept: without the mark nobody opens it.
        sealed = mark.startswith("personal")
        yield Difference(path, f"no longer marked {mark}", new_reads=not sealed, encoded=False, liftable=False)


def listed(values: list[Any]) -> str:
    return ", ".join(str(value) for value in values)


def said(limit: Any) -> str:
    return "none" if limit is None else str(limit)
