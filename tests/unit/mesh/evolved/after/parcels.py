"""Parcels three changes later: the address renamed, the size split, the colour retired; then a field was added."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from msgspec import Struct

from actors.mesh import Actor, Aggregate, Happened, Read, answers, decides, performs, projects
from schemas.message import Command, Event, Id, Personal, Query
from schemas.upcasts import Fields, Upcasts, with_defaults
from schemas.values import Version
from tests.unit.mesh.evolved.before.parcels import PRINTER, Printer


class Place(Struct, frozen=True, kw_only=True):
    street: Annotated[str, Personal("customer_id")]


class SendParcel(Command, frozen=True, kw_only=True):
    parcel_id: Id
    customer_id: Id
    street: Annotated[str, Personal("customer_id")]
    length: int
    width: int


class RecordLabel(Command, frozen=True, kw_only=True):
    parcel_id: Id
    label: str


class ParcelSent(Event, frozen=True, kw_only=True):
    parcel_id: Id
    customer_id: Id
    to: Place
    length: int
    width: int
    insured: bool = False


class LabelPrinted(Event, frozen=True, kw_only=True):
    parcel_id: Id
    label: str


class ParcelView(Struct, frozen=True, kw_only=True):
    parcel_id: Id
    customer_id: Id
    street: Annotated[str, Personal("customer_id")]
    area: int
    insured: bool


class GetParcel(Query[ParcelView], frozen=True, kw_only=True):
    parcel_id: Id
    at_least_version: Version = 0


def address_moved(fields: Fields) -> Fields:
    """Version 1 had the address as one text: sealed, so it is moved as it is."""
    fields["to"] = {"street": fields.pop("deliver_to")}
    return fields


def size_split(fields: Fields) -> Fields:
    """Version 2 had `10x20`, and a colour that nobody has asked for."""
    length, width = fields.pop("size").split("x")
    fields.pop("colour", None)
    return {**fields, "length": int(length), "width": int(width)}


UPCASTS: Upcasts = {ParcelSent: (address_moved, size_split, with_defaults)}


def send(parcel: Parcel | None, command: SendParcel) -> Iterator[ParcelSent]:
    if parcel is None:
        yield ParcelSent(
            parcel_id=command.parcel_id,
            customer_id=command.customer_id,
            to=Place(street=command.street),
            length=command.length,
            width=command.width,
        )


def record_label(parcel: Parcel | None, command: RecordLabel) -> Iterator[LabelPrinted]:
    assert parcel is not None
    if not parcel.label:
        yield LabelPrinted(parcel_id=command.parcel_id, label=f"{command.label} {parcel.area} {parcel.street}")


class Parcel(Struct, frozen=True, kw_only=True):
    street: str = ""
    area: int = 0
    label: str = ""


def evolve(parcel: Parcel | None, event: ParcelSent | LabelPrinted) -> Parcel:
    if isinstance(event, ParcelSent):
        return Parcel(street=event.to.street, area=event.length * event.width)
    assert parcel is not None
    return Parcel(street=parcel.street, area=parcel.area, label=event.label)


def parcel_view(view: ParcelView | None, event: ParcelSent, happened: Happened) -> ParcelView:
    return ParcelView(
        parcel_id=event.parcel_id,
        customer_id=event.customer_id,
        street=event.to.street,
        area=event.length * event.width,
        insured=event.insured,
    )


async def get_parcel(query: GetParcel, read: Read) -> ParcelView:
    return await read.one(ParcelView, query.parcel_id, at_least_version=query.at_least_version)


async def print_label(printer: Printer, event: ParcelSent, effect_id: str) -> RecordLabel:
    return RecordLabel(parcel_id=event.parcel_id, label=await printer.print(effect_id, event.to.street))


async def find_label(printer: Printer, event: ParcelSent, effect_id: str) -> RecordLabel | None:
    return None


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
