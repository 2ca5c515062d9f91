"""How an exception is told in a log or a dead letter: where it came from, and its own words only where they are ours.

Python's own errors quote what they were given (`invalid literal for int(): 'Ada Byron'`), and that may be what the
contract declares personal.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator

QUOTING = (ArithmeticError, AttributeError, LookupError, NameError, TypeError, ValueError)
"""Errors whose message is made of values; the words of all others are somebody's sentence."""
WITHHELD = "(its words are withheld: they quote values)"
CHAIN_MAX = 10


def told(error: BaseException) -> str:
    """Return the traceback of an error and of those behind it, the latest last, without any value."""
    return "\n".join("".join((*traceback.format_tb(each.__traceback__), headline(each))) for each in chain(error))


def headline(error: BaseException) -> str:
    """Return the type of an error and, where they are safe, its words."""
    words = WITHHELD if isinstance(error, QUOTING) and str(error) else str(error)
    name = type(error).__qualname__
    return f"{name}: {words}" if words else name


def chain(error: BaseException) -> Iterator[BaseException]:
    """Yield the errors that led to one, the first cause first, then itself."""
    found = [error]
    while len(found) < CHAIN_MAX:
        before = found[0].__cause__ or (None if found[0].__suppress_context__ else found[0].__context__)
        if before is None or before in found:
            break
        found.insert(0, before)
    yield from found
