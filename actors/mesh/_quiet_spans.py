"""What `with telemetry.span(...)` gives where nothing is recorded."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from actors.mesh._spans import AttributeValue
from actors.mesh._trace_context import NOWHERE, TraceContext, current, enter


class Span:
    """Work under way, entered by `with`; this very class is the unsampled one."""

    __slots__ = ("_former", "context")

    def __init__(self, context: TraceContext) -> None:
        self.context = context
        self._former: TraceContext | None = None

    def set(self, key: str, value: AttributeValue) -> None:
        """Add an attribute."""

    def fail(self, description: str) -> None:
        """Mark the work as failed; an exception that leaves the block does so too, a refusal does not."""

    def __enter__(self) -> Self:
        self._former = current()
        if self.context is not NOWHERE:
            enter(self.context)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        enter(self._former)


class Unchanged(Span):
    """An unsampled one within another of the same context: there is nothing to enter and nothing to put back."""

    __slots__ = ()

    def __init__(self, context: TraceContext) -> None:
        self.context = context

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        pass


NOTHING = Unchanged(NOWHERE)
"""Outside of every trace."""
