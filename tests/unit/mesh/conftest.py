"""The log of the mesh under test, and what its customers may do."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import structlog

from schemas.principal import PERMISSIONS, held, only_own


@pytest.fixture(autouse=True)
def _plain_log() -> Iterator[None]:
    """Log as plain text: the default renderer draws the locals of every frame, and takes seconds for it."""
    structlog.configure(processors=[structlog.processors.format_exc_info, structlog.processors.KeyValueRenderer()])
    yield
    structlog.reset_defaults()


@pytest.fixture
def customers_may(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Let customers hold one permission and no other; what was looked up before is forgotten, and so is this."""

    def forget() -> None:
        held.cache_clear()
        only_own.cache_clear()

    def allow(name: str) -> None:
        monkeypatch.setitem(PERMISSIONS, "customer", frozenset({name}))
        forget()

    yield allow
    monkeypatch.undo()
    forget()
