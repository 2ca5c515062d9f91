"""Parcels as an earlier release had them: the address and the size are one text each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Protocol

from msgspec import Struct

from actors.mesh import Actor, Aggregate, Happened, Read, answers, decides, performs, projects
from schemas.message import Command, Event, Id, Personal, Query
from schemas.values import Version


class SendParcel(Command, frozen=True, kw_only=True):
    parcel_id: Id
    customer_id: Id
    deliver_to: Annotated[str, Personal("customer_id")]
    size: str


class RecordLabel(Command, frozen=True, kw_only=True):
    parcel_id: Id
    label: str


class ParcelSent(Event, frozen=True, kw_only=True):
    parcel_id: Id
    customer_id: Id
    deliver_to: Annotated[str, Personal("customer_id")]
    size: str
    colour: str = "brown"


class LabelPrinted(Event, frozen=True, kw_only=True):
    parcel_id: Id
    label: str


class ParcelView(Struct, frozen=True, kw_only=True):
    parcel_id: Id
    customer_id: Id
    deliver_to: Annotated[str, Personal("customer_id")]
    size: str


class GetParcel(Query[ParcelView], frozen=True, kw_only=True):
    parcel_id: Id
    at_least_version: Version = 0


class Printer(Protocol):
    """Prints labels, somewhere outside."""

    async def print(self, key: str, address: str) -> str: ...


def send(parcel: ParcelSent | None, command: SendParcel) -> Iterator[ParcelSent]:
    yield ParcelSent(
        parcel_id=command.parcel_id,
        customer_id=command.customer_id,
        deliver_to=command.deliver_to,
        size=command.size,
    )


def record_label(parcel: ParcelSent | None, command: RecordLabel) -> Iterator[LabelPrinted]:
    yield LabelPrinted(parcel_id=command.parcel_id, label=command.label)


class Parcel(Struct, frozen=True, kw_only=True):
    sent: ParcelSent | None = None
    label: str = ""


def evolve(parcel: Parcel | None, event: ParcelSent | LabelPrinted) -> Parcel:
    if isinstance(event, ParcelSent):
        return Parcel(sent=event)
    return Parcel(sent=parcel and parcel.sent, label=event.label)


def parcel_view(view: ParcelView | None, event: ParcelSent, happened: Happened) -> ParcelView:
    return ParcelView(
        parcel_id=event.parcel_id, customer_id=event.customer_id, deliver_to=event.deliver_to, size=event.size
    )


async def get_parcel(query: GetParcel, read: Read) -> ParcelView:
    return await read.one(ParcelView, query.parcel_id, at_least_version=query.at_least_version)


async def print_label(printer: Printer, event: ParcelSent, effect_id: str) -> RecordLabel:
    return RecordLabel(parcel_id=event.parcel_id, label=await printer.print(effect_id, event.deliver_to))


async def find_label(printer: Printer, event: ParcelSent, effect_id: str) -> RecordLabel | None:
    return None


PRINTER: type[Printer] = Printer  # type: ignore[type-abstract]  # which port it is, is all that is asked of it

actor = Actor(
    name="parcels",
    aggregates=(
        Aggregate(
            state=Parcel,
            key="parcel_id",
            evolve=evolve,
            decisions=(decides(SendParcel, send), decides(RecordLabel, record_label)),
        ),
    ),
    answers=(answers(GetParcel, get_parcel),),
    projections=(projects(ParcelView, parcel_view),),
    performances=(performs(ParcelSent, port=PRINTER, do=print_label, ask=find_label),),
)
