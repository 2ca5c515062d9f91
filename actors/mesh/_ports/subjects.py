"""Subjects with wildcards, as NATS reads them: `*` is one token, a last `>` is one or more."""

from __future__ import annotations

from collections.abc import Callable


def matcher(pattern: str) -> Callable[[str], bool]:
    """Return the test whether a subject falls under the pattern."""
    tokens = pattern.split(".")
    if not any(token in ("*", ">") for token in tokens):
        return pattern.__eq__
    rest = tokens[-1] == ">"
    head = tokens[:-1] if rest else tokens
    first = next(index for index, token in enumerate(tokens) if token in ("*", ">"))
    literal = "".join(f"{token}." for token in tokens[:first])  # most subjects are somebody else's: seen at a glance

    def matches(subject: str) -> bool:
        if not subject.startswith(literal):
            return False
        given = subject.split(".")
        if len(given) <= len(head) if rest else len(given) != len(head):
            return False
        return all(expected in ("*", token) for expected, token in zip(head, given, strict=False))

    return matches
