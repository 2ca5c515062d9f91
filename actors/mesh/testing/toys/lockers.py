"""A domain of lockers: each has an owner, a label that no other has, and a code that is told once and kept nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Protocol, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from actors.mesh import Actor, Aggregate, Consulting, Refused, claims, consults, decides
from schemas.message import Command, Event, Id, Sensitive


class Opened(Struct, frozen=True, kw_only=True):
    """How a locker is opened from now on."""

    locker_id: Id
    code: str
    holder_of_label: str
    times: int


class Rent(Command, frozen=True, kw_only=True):
    locker_id: Id
    renter_id: Id
    label: str


class Relabel(Command, frozen=True, kw_only=True):
    locker_id: Id
    label: str


class OpenLocker(Command[Opened], frozen=True, kw_only=True):
    """Open it with the pin, and be told a new code."""

    locker_id: Id
    pin: Annotated[str, Sensitive()]


class GuessPin(Command[Opened], frozen=True, kw_only=True):
    """Open it with the pin; a wrong one is refused, and locks it until it is rented anew."""

    locker_id: Id
    pin: Annotated[str, Sensitive()]


class MoveIn(Command, frozen=True, kw_only=True):
    """Take what is in the locker that has a label over into this one."""

    locker_id: Id
    label: str


class LockerRented(Event, frozen=True, kw_only=True):
    locker_id: Id
    renter_id: Id
    label: str


class LockerRelabelled(Event, frozen=True, kw_only=True):
    locker_id: Id
    label: str
    old_label: str


class LockerOpened(Event, frozen=True, kw_only=True):
    locker_id: Id
    at_ms: int


class LockerLocked(Event, frozen=True, kw_only=True):
    locker_id: Id


class LockerEmptied(Event, frozen=True, kw_only=True):
    locker_id: Id


LockerEvent: TypeAlias = LockerRented | LockerRelabelled | LockerOpened | LockerLocked | LockerEmptied


class Locker(Struct, frozen=True, kw_only=True):
    locker_id: str
    renter_id: str
    label: str
    opened: int = 0


class Codes(Protocol):
    """Where pins are known and codes come from."""

    async def fits(self, locker_id: str, pin: str) -> bool: ...

    def fresh(self) -> str: ...


class Consulted(Struct, frozen=True, kw_only=True):
    now_ms: int
    code: str
    holder_of_label: str


class TableCodes:
    """Implements `Codes`: one pin for all, codes by number; counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    async def fits(self, locker_id: str, pin: str) -> bool:
        self.asked += 1
        return pin == "1234"

    def fresh(self) -> str:
        return f"code-{self.asked}"


async def try_pin(codes: Codes, command: OpenLocker, locker: Locker | None, look: Consulting) -> Consulted:
    if not await codes.fits(command.locker_id, command.pin):
        raise Refused("pin_refused", "try another", kind="unauthenticated")
    label = locker.label if locker else ""
    holder = await look.claimed("label", label) or ""
    neighbour = await look.state(Locker, holder)
    assert neighbour is None or neighbour.label == label, "a label is held by the locker that has it"
    return Consulted(now_ms=look.now_ms, code=codes.fresh(), holder_of_label=holder)


async def guess_pin(codes: Codes, command: GuessPin, locker: Locker | None, look: Consulting) -> bool:
    return await codes.fits(command.locker_id, command.pin)


async def find_label(codes: Codes, command: MoveIn, locker: Locker | None, look: Consulting) -> Locker | None:
    holder = await look.claimed("label", command.label)
    return await look.held(Locker, holder) if holder else None


def rent(locker: Locker | None, command: Rent) -> Iterator[LockerEvent]:
    if locker is None:
        yield LockerRented(locker_id=command.locker_id, renter_id=command.renter_id, label=command.label)


def relabel(locker: Locker | None, command: Relabel) -> Iterator[LockerEvent]:
    if locker is not None and locker.label != command.label:
        yield LockerRelabelled(locker_id=command.locker_id, label=command.label, old_label=locker.label)


def open_locker(locker: Locker | None, command: OpenLocker, consulted: Consulted) -> Iterator[LockerEvent]:
    if locker is None:
        raise Refused("locker_unknown", kind="not_found")
    yield LockerOpened(locker_id=command.locker_id, at_ms=consulted.now_ms)


def guess(locker: Locker | None, command: GuessPin, fits: bool) -> Iterator[LockerEvent]:
    if locker is not None:
        yield LockerOpened(locker_id=command.locker_id, at_ms=0) if fits else LockerLocked(locker_id=command.locker_id)


def guessed(locker: Locker, command: GuessPin, fits: bool) -> Opened:
    if not fits:
        raise Refused("pin_refused", "it is locked now", kind="unauthenticated")
    return Opened(locker_id=command.locker_id, code="", holder_of_label="", times=locker.opened)


def move_in(locker: Locker | None, command: MoveIn, other: Locker | None) -> Iterator[LockerEvent]:
    if other is None or locker is None:
        raise Refused("locker_unknown", kind="not_found")
    yield LockerEmptied(locker_id=other.locker_id)
    yield LockerOpened(locker_id=command.locker_id, at_ms=0)


def opened(locker: Locker, command: OpenLocker, consulted: Consulted) -> Opened:
    return Opened(
        locker_id=command.locker_id,
        code=consulted.code,
        holder_of_label=consulted.holder_of_label,
        times=locker.opened,
    )


def evolve(locker: Locker | None, event: LockerEvent) -> Locker:
    if isinstance(event, LockerRented):
        return Locker(locker_id=event.locker_id, renter_id=event.renter_id, label=event.label)
    assert locker is not None, "a locker is rented before anything else happens to it"
    if isinstance(event, LockerRelabelled):
        return replace(locker, label=event.label)
    return replace(locker, opened=locker.opened + isinstance(event, LockerOpened))


# mypy wants a concrete class where a type is handed over; which port it is, is all that is asked of it here.
CODES: type[Codes] = Codes  # type: ignore[type-abstract]

actor = Actor(
    name="lockers",
    aggregates=(
        Aggregate(
            state=Locker,
            key="locker_id",
            evolve=evolve,
            owner="renter_id",
            decisions=(
                decides(Rent, rent),
                decides(Relabel, relabel),
                decides(OpenLocker, open_locker, consults=consults(CODES, try_pin), replies=opened, remember=False),
                decides(GuessPin, guess, consults=consults(CODES, guess_pin), replies=guessed, remember=False),
                decides(MoveIn, move_in, consults=consults(CODES, find_label)),
            ),
        ),
    ),
    claims=(
        claims(LockerRented, "label", takes=lambda event: event.label),
        claims(LockerRelabelled, "label", takes=lambda event: event.label, frees=lambda event: event.old_label),
    ),
)
