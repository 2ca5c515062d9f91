"""Hot aggregates, folded: the version and state of each key this process has seen lately."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from actors.mesh._blueprint import Blueprint
from actors.mesh._errors import Broken
from actors.mesh._lifting import lift_stored
from actors.mesh._ports import History, Journal, StoredEvent
from actors.mesh._privacy import Privacy
from schemas.message import Event

STATES_MAX = 20_000
"""States kept in memory; at a kilobyte each, 20 MB a pool."""


class StateCache:
    """A cache that may be stale: whoever decides on it appends under the version it saw, or confirms it by a read."""

    def __init__(self, blueprint: Blueprint, journal: Journal, privacy: Privacy) -> None:
        self._blueprint, self._journal, self._privacy = blueprint, journal, privacy
        self._states: OrderedDict[str, tuple[int, Any]] = OrderedDict()

    async def load(self, keys: Sequence[str]) -> tuple[dict[str, int], dict[str, Any]]:
        """Return the version and state of each key, from memory or the journal."""
        missing = [key for key in keys if key not in self._states]
        if missing:
            for key, history in (await self._journal.load(missing)).items():
                self._remember(key, history.version, await self._folded(key, history))
        versions, states = dict[str, int](), dict[str, Any]()
        for key in keys:
            self._states.move_to_end(key)
            versions[key], states[key] = self._states[key]
        while len(self._states) > STATES_MAX:
            self._states.popitem(last=False)
        return versions, states

    async def read(self, key: str) -> Any:
        """Return a state as the journal has it, past the cache: for one who holds no mailbox of it."""
        return await self._folded(key, (await self._journal.load([key]))[key])

    async def _folded(self, key: str, history: History) -> Any:
        evolve = self._blueprint.aggregates[key.partition("/")[0]].evolve
        state = None
        for event in await opened(self._blueprint, self._privacy, history.events):
            state = evolve(state, event)
        return state

    def fold(self, versions: Mapping[str, int], events: Mapping[str, Iterable[Event]]) -> None:
        """Take in what has just been written on top of the states it was decided on."""
        for key, written in events.items():
            if key not in self._states:
                continue  # it made room for others meanwhile; folded on nothing it would be another state
            _, state = self._states[key]
            evolve = self._blueprint.aggregates[key.partition("/")[0]].evolve
            for event in written:
                state = evolve(state, event)
            self._remember(key, versions[key], state)

    def forget(self, keys: Iterable[str]) -> None:
        """Drop what may be stale."""
        for key in keys:
            self._states.pop(key, None)

    def _remember(self, key: str, version: int, state: Any) -> None:
        self._states[key] = (version, state)
        self._states.move_to_end(key)


async def opened(blueprint: Blueprint, privacy: Privacy, stored: Sequence[StoredEvent]) -> list[Event]:
    """Return stored events lifted, decrypted and decoded; one that this code does not know is a `Broken`."""
    bodies: list[tuple[type[Event], bytes]] = []
    places: dict[str, tuple[str, ...]] = {}
    for event in stored:
        event_type = blueprint.events.get(event.name)
        if event_type is None:
            raise Broken(f"{event.key}@{event.version} is a {event.name}, which this code does not know")
        lifted = lift_stored(event_type, event)
        bodies.append((event_type, lifted.body))
        places |= lifted.places
    return cast("list[Event]", await privacy.open_mixed(bodies, places))
