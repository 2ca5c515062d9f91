"""A domain that follows parcels, by a reaction and by a saga, as built against either release of their contract."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from msgspec import Struct

from actors.mesh import Actor, Aggregate, Happened, Outcomes, Saga, Step, decides, reacts
from schemas.message import Command, Event, Id
from tests.unit.mesh.evolved.after import parcels as after
from tests.unit.mesh.evolved.before import parcels as before


class RecordParcel(Command, frozen=True, kw_only=True):
    parcel_id: Id
    by: str
    address: str


class ParcelRecorded(Event, frozen=True, kw_only=True):
    parcel_id: Id
    by: str
    address: str


class Desk(Struct, frozen=True, kw_only=True):
    entries: tuple[str, ...] = ()


def record_parcel(desk: Desk | None, command: RecordParcel) -> Iterator[ParcelRecorded]:
    yield ParcelRecorded(parcel_id=command.parcel_id, by=command.by, address=command.address)


def evolve(desk: Desk | None, event: ParcelRecorded) -> Desk:
    return Desk(entries=(*(desk or Desk()).entries, f"{event.by}: {event.address}"))


def desk(sent: type[Event], address: Callable[[Any], str]) -> Actor:
    """Return the domain as a release has it whose parcels say where they go like this."""

    def noted(event: Any, happened: Happened) -> RecordParcel:
        return RecordParcel(parcel_id=event.parcel_id, by="reaction", address=address(event))

    def entered(event: Any, outcomes: Outcomes) -> RecordParcel:
        return RecordParcel(parcel_id=event.parcel_id, by="saga", address=address(event))

    return Actor(
        name="desks",
        aggregates=(
            Aggregate(state=Desk, key="parcel_id", evolve=evolve, decisions=(decides(RecordParcel, record_parcel),)),
        ),
        reactions=(reacts(sent, noted),),
        sagas=(Saga(name="entry", key="parcel_id", starts_on=sent, steps=(Step(do=entered),)),),
    )


BEFORE = (before.actor, desk(before.ParcelSent, lambda event: str(event.deliver_to)))
AFTER = (after.actor, desk(after.ParcelSent, lambda event: str(event.to.street)))
