"""Headers on the wire: written and read in one go where they are plain, and as nats-py does it where they are not."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Self

from nats.errors import BadHeaderError

VERSION = b"NATS/1.0"
LINE_END = b"\r\n"
END = b"\r\n\r\n"
WHITE = " \t\n\r\x0b\x0c"
"""What is no part of a value at its ends."""

STATUS, DESCRIPTION = "Status", "Description"
STATUS_CHARACTERS = 3

NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
"""What nats-py takes for the name of a header."""

NAMES_MAX = 1000
_names: set[str] = set()
"""Names that were looked at once: nearly every message has the same few. Bounded, for others choose names as well."""

LONG_CHARACTERS = 40
"""From here on one look of our own is cheaper for stock nats-py; a signed principal has some 300, a traceparent 55."""


def header_text(headers: Mapping[str, str]) -> str:
    """Return the lines of some headers; raise BadHeaderError for a name that is none. Line breaks become spaces."""
    text = ""
    for name, value in headers.items():
        if name in _names and "\n" not in value and "\r" not in value:
            text += f"{name}: {value}\r\n"
        elif name.strip():
            text += _line(name.strip(), value)
    return text


def _line(name: str, value: str) -> str:
    if not NAME.fullmatch(name):
        raise BadHeaderError(name)
    _know(name)
    cleaned_value = value.replace("\r", " ").replace("\n", " ").strip()
    return f"{name}: {cleaned_value}\r\n"


def _know(name: str) -> None:
    if len(_names) < NAMES_MAX:
        _names.add(name)


def read_headers(block: bytes) -> dict[str, str]:
    """Return the headers of a message; a status that the server says in the first line is `Status` among them."""
    first, _, rest = block.partition(LINE_END)
    if first == VERSION and rest.endswith(END):
        found: dict[str, str] = {}
        try:
            for line in rest[: -len(END)].decode().split("\r\n"):
                name, _, value = line.partition(": ")
                if name not in _names:  # or no name at all
                    return _read_carefully(rest)
                found[name] = value.strip(WHITE)
        except UnicodeDecodeError:
            return _read_carefully(rest)
        return found
    return {**_status(first), **_read_carefully(rest)}


def _status(first: bytes) -> dict[str, str]:
    """Read what may stand behind the version: `NATS/1.0 503`, `NATS/1.0 404 No Messages`."""
    said = first[len(VERSION) + 1 :]
    found: dict[str, str] = {}
    status, description = said[:STATUS_CHARACTERS].strip(), said[STATUS_CHARACTERS + 1 :]
    if status.isdigit():
        found[STATUS] = status.decode("ascii", "replace")
    if description:
        found[DESCRIPTION] = description.decode(errors="replace")
    return found


def _read_carefully(rest: bytes) -> dict[str, str]:
    """Read line by line and leave out what is no header; what is no text becomes U+FFFD."""
    found: dict[str, str] = {}
    for line in rest.split(LINE_END):
        raw, colon, value = line.partition(b":")
        name = raw.strip().decode("ascii", "replace")
        if colon and name.isascii() and not any(character.isspace() for character in name):
            found[name] = value.strip().decode(errors="replace")
            if NAME.fullmatch(name):
                _know(name)
    return found


class Clean(str):
    """A value without line breaks and without spaces at its ends: what cleaning it again returns is itself."""

    __slots__ = ()

    def strip(self, characters: str | None = None, /) -> Self:
        """Return itself."""
        return self

    def translate(self, table: Any, /) -> Self:
        """Return itself."""
        return self


def outgoing(headers: Mapping[str, str]) -> dict[str, str] | None:
    """Return headers as stock nats-py takes them: it looks for line breaks character by character."""
    if not headers:
        return None
    return {name: cleaned(value) if len(value) > LONG_CHARACTERS else value for name, value in headers.items()}


def cleaned(value: str) -> str:
    """Mark a value that is clean."""
    if "\n" in value or "\r" in value or value.strip() != value:
        return value
    return Clean(value)
