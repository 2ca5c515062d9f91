"""Commits as the arrays that the function `append` takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from actors.mesh._ports import Commit, Part

APPEND = "SELECT append($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17,$18,$19)"


def guards(commit: Commit) -> Sequence[str]:
    """Return the keys the commit only read, while it writes something: nobody may write those beside it.

    Without that two commits could each write what the other had read, and both be accepted.
    """
    if not commit.inlines and not any(part.events for part in commit.parts):
        return ()
    return [part.key for part in commit.parts if not part.events]


def columns(commits: Sequence[Commit], polite: Iterable[Commit]) -> tuple[object, ...]:
    """Return the arguments of APPEND; `polite` are those that do not hold the turn on their keys."""
    polite_keys: set[str] = set()
    guarded_keys: set[str] = set()
    for commit in polite:
        polite_keys.update(part.key for part in commit.parts)
        guarded_keys.update(guards(commit))
    return (
        [commit.command_id for commit in commits],
        [commit.message for commit in commits],
        [commit.principal for commit in commits],
        [commit.fingerprint for commit in commits],
        [commit.request for commit in commits],
        [commit.reply for commit in commits],
        *_events([(commit.command_id, part) for commit in commits for part in commit.parts]),
        list(polite_keys),
        list(guarded_keys),
        _inlines(commits),
    )


def _events(parts: Sequence[tuple[str, Part]]) -> tuple[list[object], ...]:
    keys: list[object] = []
    versions: list[object] = []
    commands: list[object] = []
    names: list[object] = []
    headers: list[object] = []
    privates: list[object] = []
    bodies: list[object] = []
    for command_id, (key, expected, events) in parts:
        for version, (name, body, header, private) in enumerate(events, expected + 1):
            keys.append(key)
            versions.append(version)
            commands.append(command_id)
            names.append(name)
            headers.append(header)
            privates.append(private)
            bodies.append(body)
    return (
        [part.key for _, part in parts],
        [part.expected + 1 for _, part in parts],
        [len(part.events) for _, part in parts],
        keys,
        versions,
        commands,
        names,
        headers,
        privates,
        bodies,
    )


def _inlines(commits: Iterable[Commit]) -> str | None:
    inlines: dict[str, list[Mapping[str, object]]] = {}
    for commit in commits:
        if commit.inlines:
            for table, rows in commit.inlines.items():
                inlines.setdefault(table, []).extend(rows)
    return msgspec.json.encode(inlines).decode() if inlines else None
