"""Ten bugs that distributed systems are known for, each planted by replacing one small thing while a schedule runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from typing import Any, NamedTuple

import pytest

from actors.inventory.model import items, reservations
from actors.mesh import Actor, _project, _saga_runner, _saga_state, _timers
from actors.mesh._actor import Projection
from actors.mesh._blueprint import view_name
from actors.mesh._ports import Commit, Confirmation, Delivered, NewEvent, StoredEvent, ViewRow
from actors.mesh._read import Views, folded
from actors.mesh._relay import Relay
from actors.mesh.adapters.memory.following import MemoryFollower
from actors.mesh.adapters.memory.journal import MemoryJournal
from actors.mesh.adapters.memory.streams import MemoryConsumer, MemoryStream
from actors.payments import provider
from actors.payments.provider.port import CardProcessor, captured
from actors.payments.provider.simulated import CardBooks
from schemas.envelope import Envelope, derived_id
from schemas.payments import CaptureSubmitted, RecordCapture
from tests.sim.shop import ACTORS

Patch = pytest.MonkeyPatch


class Bug(NamedTuple):
    """What a bug replaces in the code and in the actors' tables, the invariants of which one must break by it, and the
    faults that bring it out: a search that focuses on them takes a second.
    """

    plant: Callable[[Patch], None]
    invariants: frozenset[str]
    focus: tuple[str, ...] = ()
    actors: Callable[[Sequence[Actor]], tuple[Actor, ...]] = tuple


def early_ack(patch: Patch) -> None:
    """A message is acknowledged when it is taken, not when it is dealt with."""
    deal = MemoryFollower._deal

    async def acknowledge_first(
        self: MemoryFollower, stream: MemoryStream, consumer: MemoryConsumer, batch: Sequence[Delivered]
    ) -> None:
        for message in batch:
            consumer.acknowledge(stream, message.sequence)
        await deal(self, stream, consumer, batch)

    patch.setattr(MemoryFollower, "_deal", acknowledge_first)


def no_inbox(patch: Patch) -> None:
    """A command that comes twice is taken for two."""
    refusal, confirm = MemoryJournal._refusal, MemoryJournal.confirm

    def forgetful(self: MemoryJournal, commit: Commit, in_turn: bool) -> Any:
        return refusal(self, commit._replace(command_id="never seen"), in_turn)

    async def nothing_remembered(self: MemoryJournal, command_id: str, keys: Sequence[str]) -> Confirmation:
        return (await confirm(self, command_id, keys))._replace(remembered=None)

    patch.setattr(MemoryJournal, "_refusal", forgetful)
    patch.setattr(MemoryJournal, "confirm", nothing_remembered)


def lost_compensation(patch: Patch) -> None:
    """An undo whose command got lost counts as done."""
    absorb = _saga_state.absorb_fault

    def taken_for_done(state: Any, send: Any, fault: Any, now_ms: int) -> None:
        if send.direction == "undo":
            _saga_state.absorb_reply(state, send)
        else:
            absorb(state, send, fault, now_ms)

    patch.setattr(_saga_runner, "absorb_fault", taken_for_done)


def clamped_stock(patch: Patch) -> None:
    """Nobody is refused for want of stock: what would be less than nothing is shown as nothing."""

    def always(states: Any, lines: Any, index: int) -> items.Item:
        return items.known(states.of(items.Item, lines[index].sku), lines[index].sku)

    patch.setattr(reservations, "available_item", always)


def clamping(actors: Sequence[Actor]) -> tuple[Actor, ...]:
    def evolve(item: items.Item | None, event: items.ItemEvent) -> items.Item:
        after = items.evolve(item, event)
        reserved = max(0, after.reserved)
        return replace_item(after, reserved=reserved, on_hand=max(after.on_hand, reserved))

    return tuple(
        replace(each, aggregates=(replace(each.aggregates[0], evolve=evolve), *each.aggregates[1:]))
        if each.name == "inventory"
        else each
        for each in actors
    )


def replace_item(item: items.Item, **changes: int) -> items.Item:
    return items.replace(item, **changes)


def double_capture(patch: Patch) -> None:
    """The card processor knows a payment by the key alone, and lets more be taken than was held."""
    objection = CardBooks._objection

    def careless(self: CardBooks, instruction: Any) -> str:
        return "" if instruction.kind == "capture" else objection(self, instruction)

    patch.setattr(CardBooks, "_objection", careless)


def capturing_anew(actors: Sequence[Actor]) -> tuple[Actor, ...]:
    """Each attempt to capture has a key of its own, and nobody asks what became of the last."""
    attempts = count()

    async def capture(cards: CardProcessor, event: CaptureSubmitted, effect_id: str) -> RecordCapture:
        key = f"{effect_id} {next(attempts)}"
        return captured(event, await cards.capture(key, event.payment_id, event.amount))

    async def find_nothing(cards: CardProcessor, event: CaptureSubmitted, effect_id: str) -> None:
        return None

    def changed(actor: Actor) -> Actor:
        performances = tuple(
            replace(each, do=capture, ask=find_nothing) if each.do is provider.capture else each
            for each in actor.performances
        )
        return replace(actor, performances=performances) if performances else actor

    return tuple(map(changed, actors))


def stale_decision(patch: Patch) -> None:
    """What was decided on an old state is written under the version of the new one."""
    refusal = MemoryJournal._refusal
    append = MemoryJournal.append

    def unversioned(self: MemoryJournal, commit: Commit) -> Commit:
        parts = [part._replace(expected=self._tables.version(part.key)) for part in commit.parts]
        return commit._replace(parts=parts)

    def never_late(self: MemoryJournal, commit: Commit, in_turn: bool) -> Any:
        return refusal(self, unversioned(self, commit), in_turn)

    write = MemoryJournal._write

    def write_anyhow(self: MemoryJournal, commit: Commit, inlines: Any) -> None:
        write(self, unversioned(self, commit), inlines)

    async def append_late(self: MemoryJournal, commit: Commit, *, in_turn: bool = False) -> Any:
        return await append(self, unversioned(self, commit), in_turn=in_turn)

    patch.setattr(MemoryJournal, "append", append_late)
    patch.setattr(MemoryJournal, "_refusal", never_late)
    patch.setattr(MemoryJournal, "_write", write_anyhow)


def relay_cursor(patch: Patch) -> None:
    """The relay's cursor moves past what it could not publish."""
    send = Relay._send

    async def move_on(self: Relay, key: str, first: int, events: Sequence[NewEvent]) -> None:
        try:
            await send(self, key, first, events)
        except Exception:
            self._published.append((key, first))
            raise

    patch.setattr(Relay, "_send", move_on)


def counting_twice(patch: Patch) -> None:
    """Projections of inventory fold whatever they are brought, also what they have had."""
    careful = _project.apply

    async def apply(views: Views, projection: Projection, by_key: Mapping[str, Sequence[StoredEvent]]) -> None:
        store, name = views.store(projection), view_name(projection)
        if views.blueprint.name != "inventory":
            await careful(views, projection, dict(by_key))  # type: ignore[arg-type]
            return
        rows: list[ViewRow] = []
        for key, events in by_key.items():
            entity_id = key.partition("/")[2]
            row = (await store.get(name, [entity_id])).get(entity_id)
            first = row.version + 1 if row else 1
            again = [event._replace(version=version) for version, event in enumerate(events, first)]
            if (after := await folded(views, projection, row, again)) is not None:
                rows.append(after)
        await store.put(name, rows)

    patch.setattr(_project, "apply", apply)


def timer_fired_twice(patch: Patch) -> None:
    """Each firing of a timer is a command of its own."""
    firings = count()

    def under_a_fresh_id(**given: Any) -> Envelope:
        return Envelope(**{**given, "command_id": derived_id(given["command_id"], str(next(firings)))})

    patch.setattr(_timers, "Envelope", under_a_fresh_id)


def undo_forward(patch: Patch) -> None:
    """A saga undoes first what it did first."""

    def undoing(saga: Any, state: Any, now_ms: int) -> Any:
        for index, mine in enumerate(state.steps):
            happened = mine.doubt or mine.status in ("replied", "finished")
            if saga.steps[index].undo is not None and happened and not mine.undone:
                return _saga_state.Send(index, "undo") if now_ms >= state.next_try_ms else wait(state)
        if state.closed:
            return _saga_state.End("undone")
        return _saga_state.Send(-1, "close") if now_ms >= state.next_try_ms else wait(state)

    def wait(state: Any) -> Any:
        return _saga_state.Wait(state.next_try_ms)

    patch.setattr(_saga_state, "undoing", undoing)


BUGS: Mapping[str, Bug] = {
    "early_ack": Bug(early_ack, frozenset({"I3", "I7", "I12"}), ("killed at sagas.save.before",)),
    "no_inbox": Bug(no_inbox, frozenset({"I5"}), ("reply lost inventory.command.receive_stock",)),
    "lost_compensation": Bug(
        lost_compensation,
        frozenset({"I1", "I2", "I3"}),
        ("request lost inventory.command.release_stock", "request lost payments.command.void_payment"),
    ),
    "clamped_stock": Bug(clamped_stock, frozenset({"I1"}), actors=clamping),
    "double_capture": Bug(
        double_capture,
        frozenset({"I2", "I5"}),
        ("killed at effect.done.capture", "request lost payments.command.record_capture"),
        capturing_anew,
    ),
    "stale_decision": Bug(stale_decision, frozenset({"I1", "I2", "I3", "I5"})),
    "relay_cursor": Bug(relay_cursor, frozenset({"I4"}), ("store refused inventory.event.stock_held",)),
    "counting_twice": Bug(counting_twice, frozenset({"I7"}), ("deliveries doubled inventory_views",)),
    "timer_fired_twice": Bug(timer_fired_twice, frozenset({"I5"}), ("killed at timers.finish.before",)),
    "undo_forward": Bug(undo_forward, frozenset({"I3", "I12"}), ("reply lost payments.command.void_payment",)),
}
"""By name: what is planted, and the invariants of which one must break."""


@contextmanager
def planted(name: str) -> Iterator[tuple[Actor, ...]]:
    """Plant a bug and give the actors that it is in; no name plants none."""
    if not name:
        yield ACTORS
        return
    with pytest.MonkeyPatch.context() as patch:
        BUGS[name].plant(patch)
        yield BUGS[name].actors(ACTORS)
