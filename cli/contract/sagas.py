"""Each saga as a picture for people: its steps, how each ends, where it turns round, and what undoes what."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, get_type_hints

from actors.mesh._actor import Actor
from actors.mesh._saga import Saga, Step

HEAD = """# Sagas

Written by `mesh contract` from the sagas' data; change that, not this page. A rectangle is a command that is sent, a
rounded one an event. The saga waits for the command's reply, or for the event that the arrow names. Up to the **pivot**
a refusal, a missed deadline or a stop undoes what was done or is in doubt, the last first (dotted). After it the saga
only goes forward: what fails there is tried again, and a missed deadline alarms.
"""


def sagas_page(actors: Mapping[str, Actor]) -> str:
    """Return the page of every saga of every domain."""
    parts = [HEAD]
    for name, actor in sorted(actors.items()):
        parts += [section(name, saga) for saga in actor.sagas]
    return "\n".join(parts)


def section(domain: str, saga: Saga[Any]) -> str:
    """Return one saga's heading, what is true of it as a whole, and its picture."""
    waits = ", ".join(f"`{event.__name__}`" for event in saga.alarms_on)
    told = [f"It begins with `{saga.starts_on.__name__}`; one runs for each `{saga.key}`."]
    if saga.on_refusal is None:
        told.append("There is no way back: it goes forward from its first step.")
    if waits:
        told.append(f"At {waits} it waits for a person.")
    return f"## {domain}: {saga.name}\n\n{' '.join(told)}\n\n```mermaid\n{diagram(saga)}\n```\n"


def diagram(saga: Saga[Any]) -> str:
    """Return a Mermaid flowchart."""
    return "\n".join(["flowchart TD", *(f"    {line}" for line in lines(saga))])


def lines(saga: Saga[Any]) -> Iterator[str]:
    yield f"begin([{saga.starts_on.__name__}]) --> s1"
    for number, step in enumerate(saga.steps, 1):
        pivot = "<br>pivot" if step.pivot else ""
        yield f's{number}["{number}. {command_of(step.do)}{pivot}<br>{deadline_of(step)}"]'
        following = f"s{number + 1}" if number < len(saga.steps) else "done([done])"
        yield f"s{number} -->|{step.until.__name__ if step.until else 'reply'}| {following}"
    if saga.on_refusal is not None:
        yield from way_back(saga, saga.on_refusal)


def way_back(saga: Saga[Any], on_refusal: Callable[..., Any]) -> Iterator[str]:
    """Yield what undoes what: from each step that may turn round, over the undoing of those before, to the end."""
    undoing = [number for number, step in enumerate(saga.steps, 1) if step.undo is not None]
    for number in undoing:
        undo = saga.steps[number - 1].undo
        assert undo is not None
        yield f'u{number}["undo {number}: {command_of(undo)}"]'
        yield f"u{number} -.-> {back_from(number - 1, undoing)}"
    yield f'ended["{command_of(on_refusal)}"] --> undone([undone])'
    for number, step in enumerate(saga.steps, 1):
        if saga.past_pivot(number - 1):
            break
        failing = " or ".join(["refused", *(event.__name__ for event in step.refused_by)])
        yield f"s{number} -.->|{failing}| {back_from(number - 1, undoing)}"
        if step.on_deadline == "undo" and not step.pivot:
            yield f"s{number} -.->|too late| {back_from(number, undoing)}"
    for event in saga.stops_on:
        yield f"stop([{event.__name__}]) -.->|from where it is| {back_from(len(saga.steps), undoing)}"


def back_from(number: int, undoing: list[int]) -> str:
    """Return what is undone first when everything up to a step was done, or may have been."""
    return next((f"u{one}" for one in reversed(undoing) if one <= number), "ended")


def deadline_of(step: Step[Any]) -> str:
    late = "" if step.on_deadline == "undo" else f", then {step.on_deadline}"
    return f"within {step.deadline_seconds:g} s{late}"


def command_of(make: Callable[..., Any]) -> str:
    """Return the name of the command that a function makes."""
    return str(get_type_hints(make)["return"].__name__)
