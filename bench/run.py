"""What one run of the benches has: servers of its own, a folder, rounds, and where other peers are found."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bench.processes import PROJECT
from infra.local.platform import LocalPlatform

YARDSTICKS = PROJECT.parent / "shared" / "yardsticks"


@dataclass(frozen=True)
class Run:
    """The setting of all benches of a run."""

    platform: LocalPlatform
    folder: Path
    rounds: int
    seconds: float
    yardsticks: Path | None
    """The folder of the yardsticks, None where it is not there: plain peers of our own stand in."""
    peers_python: str | None
    """A Python that has what the requirements of this project lack: FastStream, FastAPI, aiohttp, grpc."""

    @property
    def nats(self) -> str:
        return self.platform.endpoints.nats

    def pid(self, name: str) -> int:
        return self.platform.pids()[name]
