"""The record of which processes are ours, kept in the data folder so that a crash leaves no stranger running."""

import os
from pathlib import Path

import msgspec

from infra.local.processes import Identity, alive, end_stranger, identify

FILE = "run.json"


class Record(msgspec.Struct):
    """What `run.json` holds: the supervisor, and every process it has started."""

    supervisor: Identity | None = None
    processes: dict[str, Identity] = {}


class Ledger:
    """The record of one data folder; written before anybody relies on a process."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / FILE
        self._record = Record()

    def read(self) -> Record:
        """What an earlier run has left; a file that a crash has cut short counts as empty."""
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=Record)
        except (OSError, msgspec.DecodeError):
            return Record()

    async def end_leftovers(self) -> list[str]:
        """End what an earlier run has left alive, and only that: the start time must match, not only the number."""
        left = {name: identity for name, identity in self.read().processes.items() if alive(identity)}
        # The last started go first, as in an orderly stop.
        for identity in reversed(left.values()):
            await end_stranger(identity)
        return list(left)

    def open(self) -> None:
        """Begin a run of our own."""
        self._record = Record(supervisor=identify(os.getpid()))
        self._write()

    def add(self, name: str, pid: int) -> None:
        """Record a process that has just been started."""
        identity = identify(pid)
        if identity is not None:
            self._record.processes[name] = identity
            self._write()

    def remove(self, name: str) -> None:
        """Forget a process that has ended."""
        if self._record.processes.pop(name, None) is not None:
            self._write()

    def close(self) -> None:
        """End the run: nothing of ours is left."""
        self._file.unlink(missing_ok=True)

    def _write(self) -> None:
        fresh = self._file.with_suffix(".new")
        fresh.write_bytes(msgspec.json.encode(self._record))
        fresh.replace(self._file)
