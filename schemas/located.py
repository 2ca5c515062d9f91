"""Where in a message the fault lies: msgspec's complaint as a JSON pointer (RFC 6901)."""

from __future__ import annotations

import re

PATH = re.compile(r" - at `\$(.*)`$")
FIELD = re.compile(r"(?:missing required|contains unknown) field `([^`]{1,64})`")
STEP = re.compile(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]")


def located(message: str) -> tuple[str, str]:
    """Split msgspec's message: `Expected ... - at `$.lines[0].quantity`` is about `/lines/0/quantity`."""
    found = PATH.search(message)
    detail = message[: found.start()] if found else message
    steps = [name or index for name, index in STEP.findall(found.group(1))] if found else []
    field = FIELD.search(detail)
    if field:
        steps.append(field.group(1))
    return detail, "".join(f"/{escaped(step)}" for step in steps)


def escaped(step: str) -> str:
    """Return a name as a step of a JSON pointer."""
    return step.replace("~", "~0").replace("/", "~1")
