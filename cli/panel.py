"""How the start of the platform is shown: a panel on a terminal, plain lines elsewhere."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from infra.local.parts import PartState

_STYLES = {"starting": "yellow", "ready": "green", "failed": "bold red", "restarting": "magenta", "stopped": "dim"}
_FRAMES_PER_SECOND = 8


class Panel:
    """Shows each part's state; after `settle` only what changes, line by line."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._states: dict[str, PartState] = {}
        self._began: dict[str, float] = {}
        self._live = (
            Live(get_renderable=self._table, console=console, refresh_per_second=_FRAMES_PER_SECOND)
            if console.is_terminal
            else None
        )

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.settle()

    def settle(self) -> None:
        """The start is over: leave the panel where it is."""
        if self._live:
            self._live.stop()
            self._live = None

    def show(self, state: PartState) -> None:
        """Take a part's new state; this is what the platform calls."""
        before = self._states.get(state.name)
        self._states[state.name] = state
        if before is None or before.status != "starting":
            self._began[state.name] = time.monotonic()
        if before == state:
            return
        if self._live is None:
            self._console.print(self._line(state), soft_wrap=True)

    def _line(self, state: PartState) -> Text:
        words = [state.name, state.status]
        if state.status == "ready" and state.seconds:
            words.append(f"({state.seconds:.1f} s)")
        if state.cause:
            words.append(f"- {state.cause}")
        return Text(" ".join(words), style=_STYLES[state.status] if self._console.is_terminal else "")

    def _table(self) -> Table:
        table = Table(box=None, pad_edge=False, show_header=False)
        # A copy, since the panel is drawn by a thread of its own.
        for name, state in list(self._states.items()):
            waited = time.monotonic() - self._began[name]
            seconds = waited if state.status == "starting" else state.seconds
            shown = f"{seconds:.1f} s" if seconds else ""
            table.add_row(name, Text(state.status, style=_STYLES[state.status]), shown, Text(state.cause))
        return table
