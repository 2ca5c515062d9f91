"""A saga, as data: steps forward, and the way back. Declarations only; `_saga_runner.py` does it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Literal, cast

from typing_extensions import TypeVar

from actors.mesh._errors import Refused
from schemas.message import Command, Event

E = TypeVar("E", bound=Event)
F = TypeVar("F", bound=Event)

OnDeadline = Literal["undo", "wait"]

STEP_DEADLINE_SECONDS = 30.0


class Outcomes:
    """What a saga has recorded so far: the events it has seen, by type."""

    def __init__(self, events: Mapping[type[Event], Event]) -> None:
        self._events = events

    def of(self, event: type[F]) -> F | None:
        """Return the event of that type, if it has come."""
        return cast("F | None", self._events.get(event))


@dataclass(frozen=True, slots=True)
class Step(Generic[E]):
    """One command of a saga and, where it can be undone, the command that undoes it.

    It ends with the command's reply or, with `until`, with that event; `refused_by` names the events that fail it.
    `pivot`: from here the saga only goes forward. A missed deadline undoes before the pivot (or waits on, if told so),
    and only alarms after it.
    """

    do: Callable[[E, Outcomes], Command[Any]]
    undo: Callable[[E, Outcomes], Command[Any]] | None = None
    until: type[Event] | None = None
    refused_by: tuple[type[Event], ...] = ()
    pivot: bool = False
    deadline_seconds: float = STEP_DEADLINE_SECONDS
    on_deadline: OnDeadline = "undo"

    @property
    def name(self) -> str:
        """The name of the function that makes the command."""
        return self.do.__name__


@dataclass(frozen=True, slots=True)
class Saga(Generic[E]):
    """Steps asked in order; before the pivot a refusal, a missed deadline or a stop undoes what was done or in doubt.

    `key` is the field that every event named here carries, and that tells whose saga it is. Without `on_refusal` there
    is no way back: it goes forward from its first step. `alarms_on` names events at which it waits for a person.
    """

    name: str
    key: str
    starts_on: type[E]
    steps: tuple[Step[E], ...]
    on_refusal: Callable[[E, Outcomes, Refused], Command[Any]] | None = None
    stops_on: tuple[type[Event], ...] = ()
    alarms_on: tuple[type[Event], ...] = ()

    def __post_init__(self) -> None:
        for event in self.events:
            if self.key not in event.__struct_fields__:
                raise TypeError(
                    f"saga {self.name}: {event.__name__} has no field {self.key!r}; every event must carry it"
                )
        if sum(step.pivot for step in self.steps) > 1:
            raise TypeError(f"saga {self.name}: more than one pivot")
        turning = any(step.undo or step.refused_by or step.pivot for step in self.steps) or self.stops_on
        if self.on_refusal is None and turning:
            raise TypeError(f"saga {self.name}: what turns it round needs on_refusal, the command that ends it then")

    @property
    def events(self) -> tuple[type[Event], ...]:
        """Every event the saga follows, the first one first."""
        named: list[type[Event]] = [self.starts_on, *self.stops_on, *self.alarms_on]
        for step in self.steps:
            named += [step.until] if step.until else []
            named += step.refused_by
        return tuple(dict.fromkeys(named))

    def past_pivot(self, index: int) -> bool:
        """Return whether the saga only goes forward when it is at this step."""
        return self.on_refusal is None or any(step.pivot for step in self.steps[:index])
