"""What goes to a terminal: nothing from the wire may speak to it, and JSON has colours only where a person looks."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Any

import msgspec
from rich.console import Console
from rich.highlighter import JSONHighlighter
from rich.text import Text


def safe(text: str) -> str:
    """Return a text whose control characters are written out: a terminal obeys them."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else f"\\u{ord(each):04x}" for each in text)


def compact(value: Any) -> str:
    """Return JSON on one line, safe to show."""
    return safe(msgspec.json.encode(value).decode())


def print_json(value: Any) -> None:
    """Print one JSON document for machines, on one line."""
    sys.stdout.write(compact(value) + "\n")
    sys.stdout.flush()


def show_json(console: Console, value: Any) -> None:
    """Print a document for people: indented, and coloured where there are colours."""
    text = safe_lines(msgspec.json.format(msgspec.json.encode(value)).decode())
    console.print(JSONHighlighter()(Text(text)), soft_wrap=True)


def clock_time(at_ms: int) -> str:
    """Return `13:48:01.123`, local time."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone().strftime("%H:%M:%S.%f")[:-3]


def date_time(at_ms: int) -> str:
    """Return `2026-11-27 13:48:01.123`, local time."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def complain(message: str) -> None:
    """Say on stderr what went wrong."""
    Console(stderr=True).print(Text(safe_lines(message)), soft_wrap=True, highlight=False)


def safe_lines(text: str) -> str:
    return "\n".join(safe(line) for line in text.split("\n"))
