"""Consultations and unique values with a mistake each: mypy must name exactly the lines that are marked."""

# fmt: off  (a mistake and its mark stand on one line)

from collections.abc import Iterator

from actors.mesh import Consulting, claims, consults, decides
from actors.mesh.testing.toys.lockers import (
    Consulted,
    Locker,
    LockerOpened,
    LockerRented,
    OpenLocker,
    Rent,
    TableCodes,
    open_locker,
    opened,
    rent,
    try_pin,
)


class NoCodes:
    """Knows no code."""


async def count(codes: TableCodes, command: OpenLocker, locker: Locker | None, look: Consulting) -> int:
    return codes.asked


def count_at_once(codes: TableCodes, command: OpenLocker, locker: Locker | None, look: Consulting) -> Consulted:
    raise NotImplementedError


def open_unseen(locker: Locker | None, command: OpenLocker) -> Iterator[LockerOpened]:
    yield from ()


def label_of(event: LockerRented) -> str:
    return event.label


def number_of(event: LockerRented) -> int:
    return 1


# A consultation: on another port, not awaited, for another command, of another answer, not taken, not given.
consults(NoCodes, try_pin)  # want error
consults(TableCodes, count_at_once)  # want error
decides(Rent, rent, consults=consults(TableCodes, try_pin))  # want error
decides(OpenLocker, open_locker, consults=consults(TableCodes, count))  # want error
decides(OpenLocker, open_unseen, consults=consults(TableCodes, try_pin), replies=opened)  # want error
decides(OpenLocker, open_locker, replies=opened)  # want error

# A unique value: of another event, and one that is no text.
claims(LockerOpened, "label", takes=label_of)  # want error
claims(LockerRented, "label", takes=number_of)  # want error
