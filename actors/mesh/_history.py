"""An entity's history for an operator: each event as it may be shown, and what it changed in the folded state.

Nothing is decrypted for it: events are folded as they are kept, and what was sealed in them is hidden wherever the fold
has put it. So is whatever else an event hides, a private one all of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice, zip_longest
from typing import Any

import msgspec

from actors.mesh._actor import Aggregate
from actors.mesh._blueprint import Blueprint
from actors.mesh._errors import Broken, Refused
from actors.mesh._lifting import lift_stored
from actors.mesh._personal import MASK
from actors.mesh._ports import Journal, StoredEvent
from actors.mesh._privacy import PREFIX
from actors.mesh._read import decided_at_ms
from actors.mesh._shown import hidden_texts, shown, without
from actors.mesh._telemetry import parse_traceparent
from schemas.envelope import PERSON, TRACEPARENT
from schemas.history import Change, HistoryEntry, HistoryPage, HistoryQuestion

EVENTS_AT_ONCE_MAX = 200
"""Events read from the journal, and folded, before the pool turns to others."""
EVENTS_MAX = 20_000
"""A state is folded from its first event; a longer history is not told on the way of a question."""
PAGE_BYTES_MAX = 128 * 1024
"""Half of what a message may hold: the last entry of a page may be large."""
CHANGES_MAX = 100
ABSENT = object()

Path = tuple[str | int, ...]


async def history(blueprint: Blueprint, journal: Journal, question: HistoryQuestion) -> HistoryPage:
    """Return one page; refuse where there is no such entity, or more than one."""
    key = await key_asked_for(blueprint, journal, question)
    fold = Fold(blueprint.aggregates[key.partition("/")[0]], blueprint)
    entries, size = list[HistoryEntry](), 0
    while fold.version < EVENTS_MAX:
        stored = await journal.events(key, fold.version, EVENTS_AT_ONCE_MAX)
        for event in stored:
            if event.version <= question.after_version:
                fold.take(event)
                continue
            entry = fold.tell(event)
            room = PAGE_BYTES_MAX - size
            if len(entries) == question.limit or (entries and room < size_of(entry)):
                return HistoryPage(key=key, entries=tuple(entries), next_after_version=entries[-1].version)
            entry = entry if size_of(entry) <= room else cut(entry)
            entries.append(entry)
            size += size_of(entry)
        if len(stored) < EVENTS_AT_ONCE_MAX:
            return HistoryPage(key=key, entries=tuple(entries))
    raise Refused("history_long", f"{key} has more than {EVENTS_MAX} events", kind="invalid")


async def key_asked_for(blueprint: Blueprint, journal: Journal, question: HistoryQuestion) -> str:
    """Return the journal's key of the entity."""
    known = tuple(blueprint.aggregates)
    if question.aggregate and question.aggregate not in known:
        detail = f"{blueprint.name} has {', '.join(known)}"
        raise Refused("aggregate_unknown", detail, kind="invalid", pointer="/aggregate")
    wanted = (question.aggregate,) if question.aggregate else known
    keys = [f"{aggregate}/{question.entity_id}" for aggregate in wanted]
    found = [key for key in keys if await journal.events(key, 0, 1)]
    if not found:
        raise Refused("entity_unknown", f"{blueprint.name} knows no {' or '.join(keys)}", kind="not_found")
    if len(found) > 1:
        detail = f"there are {' and '.join(found)}: say which"
        raise Refused("aggregate_missing", detail, kind="invalid", pointer="/aggregate")
    return found[0]


class Fold:
    """Folds a key's events from the first one on, and tells each."""

    def __init__(self, aggregate: Aggregate[Any], blueprint: Blueprint) -> None:
        self.version = 0
        self._aggregate, self._blueprint = aggregate, blueprint
        self._state: Any = None
        self._hidden: set[str] = set()

    def take(self, stored: StoredEvent) -> Any:
        """Fold one event and return its body as it may be shown; raise `Broken` where this code does not know it."""
        event_type = self._blueprint.events.get(stored.name)
        if event_type is None:
            raise Broken(f"{stored.key}@{stored.version} is a {stored.name}, which this code does not know")
        lifted = lift_stored(event_type, stored).body
        data = msgspec.json.decode(lifted)
        body = None if stored.private else shown(event_type, data)
        # The entity's own id is in every event, and in the question: a private event may not hide it everywhere.
        own = stored.key.partition("/")[2]
        self._hidden |= {text for text in hidden_texts(data, body) if text != own and not text.startswith(PREFIX)}
        self._state = self._aggregate.evolve(self._state, msgspec.json.decode(lifted, type=event_type))
        self.version = stored.version
        return body

    def tell(self, stored: StoredEvent) -> HistoryEntry:
        """Fold one event and return it with what it changed."""
        before = plain(self._state)
        body = self.take(stored)
        headers = msgspec.json.decode(stored.headers, type=dict[str, str])
        context = parse_traceparent(headers.get(TRACEPARENT))
        return HistoryEntry(
            version=stored.version,
            name=stored.name,
            at_ms=decided_at_ms(stored),
            command_id=stored.command_id,
            person=headers.get(PERSON, ""),
            trace_id="" if context is None else context.trace_id.hex(),
            private=stored.private,
            body=body,
            changes=self._changes(before, plain(self._state), private=stored.private),
        )

    def _changes(self, before: Any, after: Any, *, private: bool) -> tuple[Change, ...]:
        # Compared as they are, for a hidden text may change too; shown as they may be.
        old, new = self._visible(before), self._visible(after)
        return tuple(
            Change(
                field="/".join(without(str(step), self._hidden) for step in path),
                before=None if was is ABSENT else MASK if private else at(old, path),
                after=None if now is ABSENT else MASK if private else at(new, path),
            )
            for path, was, now in islice(differences(before, after), CHANGES_MAX)
        )

    def _visible(self, state: Any) -> Any:
        return shown(self._aggregate.state, without(state, self._hidden))


def plain(state: Any) -> Any:
    """Return a state as JSON would have it."""
    return {} if state is None else msgspec.to_builtins(state, str_keys=True, order="deterministic")


def differences(before: Any, after: Any, path: Path = ()) -> Iterator[tuple[Path, Any, Any]]:
    """Yield each place where two states differ, with what is there in each; `ABSENT` where it is not there."""
    if before is not ABSENT and after is not ABSENT and before == after:
        return
    if all(isinstance(each, Mapping) or each is ABSENT for each in (before, after)):
        old, new = ({} if each is ABSENT else each for each in (before, after))
        for name in {**old, **new}:
            yield from differences(old.get(name, ABSENT), new.get(name, ABSENT), (*path, name))
    elif all(is_list(each) or each is ABSENT for each in (before, after)):
        old, new = (() if each is ABSENT else each for each in (before, after))
        for index, (was, now) in enumerate(zip_longest(old, new, fillvalue=ABSENT)):
            yield from differences(was, now, (*path, index))
    else:
        yield path, before, after


def at(visible: Any, path: Path) -> Any:
    """Return what may be shown of a place; where what is around it is hidden, it is hidden."""
    for step in path:
        if not (step in visible if isinstance(visible, Mapping) else is_list(visible)):
            return MASK
        visible = visible[step]
    return visible


def is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple))


def size_of(entry: HistoryEntry) -> int:
    return len(msgspec.json.encode(entry))


def cut(entry: HistoryEntry) -> HistoryEntry:
    """Return an entry without what makes it large."""
    return msgspec.structs.replace(entry, cut=True, body=None, changes=())
