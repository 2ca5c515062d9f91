"""What a part of the platform is: a process to start, a probe that says when it serves, and how to stop it."""

import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Status = Literal["starting", "ready", "failed", "restarting", "stopped"]
Probe = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Account:
    """The system account a process runs as, where that is not ours."""

    user_id: int
    group_id: int


@dataclass(frozen=True, slots=True)
class Part:
    """One process of the platform; `probe` is None for a step that runs to its end before the next stage."""

    name: str
    argv: tuple[str, ...]
    probe: Probe | None
    remedy: str
    environment: Mapping[str, str] = field(default_factory=dict)
    working_folder: Path | None = None
    account: Account | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    stage: int = 0
    ready_seconds: float = 30.0
    grace_seconds: float = 20.0


@dataclass(frozen=True, slots=True)
class PartState:
    """What a watcher is told each time a part changes."""

    name: str
    status: Status
    seconds: float = 0.0
    cause: str = ""


Watch = Callable[[PartState], None]


def nobody_watches(state: PartState) -> None:
    """The watcher of those who do not look."""
