"""The data folder: checked before anything is written, held by one platform at a time, wiped only if it is ours."""

import asyncio
import fcntl
import hashlib
import os
import shutil
from pathlib import Path
from typing import IO

from infra.local.failures import StartFailed
from infra.local.ledger import Ledger

MARKER = ".actor-mesh"
ELSEWHERE = "elsewhere"
LEAST_FREE_BYTES = 200 * 1024 * 1024
_MEBIBYTE = 1024 * 1024


def prepare(folder: Path, *, least_free_bytes: int = LEAST_FREE_BYTES) -> None:
    """Make the folder, or make sure that it is one of ours, writable and with space left."""
    try:
        # As root the servers run as somebody else, who must be able to walk through.
        folder.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
        if not (folder / MARKER).exists() and any(folder.iterdir()):
            raise StartFailed(
                "platform", f"{folder} holds files of something else", "set MESH_DATA_FOLDER to an empty one"
            )
        (folder / MARKER).write_text("Data of Actor Mesh on this machine; `just reset` removes it.\n")
        (folder / "logs").mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise StartFailed(
            "platform",
            f"the data folder {folder} cannot be written ({error.strerror})",
            "mend it or set MESH_DATA_FOLDER to another",
        ) from error
    free = shutil.disk_usage(folder).free
    if free < least_free_bytes:
        raise StartFailed(
            "platform",
            f"only {free // _MEBIBYTE} MB are free where {folder} lies and {least_free_bytes // _MEBIBYTE} are needed",
            "make room or set MESH_DATA_FOLDER to a larger disk",
        )


def rotate_logs(folder: Path) -> None:
    """Begin each log afresh and keep the run before, so that a failure can still be read after the next start."""
    for log in (folder / "logs").glob("*.log"):
        log.replace(log.with_name(log.name + ".1"))


def hold(folder: Path) -> IO[bytes]:
    """Take the folder for this process; the kernel lets go of it however the process ends."""
    file = (folder / "lock").open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        supervisor = Ledger(folder).read().supervisor
        who = f" (process {supervisor.pid})" if supervisor else ""
        raise StartFailed(
            "platform",
            f"another one{who} runs on {folder}",
            "stop it with Ctrl-C, or set MESH_DATA_FOLDER to a folder of its own",
        ) from error
    return file


def walkable(path: Path) -> bool:
    """Whether any account of this machine can reach the path."""
    resolved = path.resolve()
    return all(part.stat().st_mode & 0o001 for part in (resolved, *resolved.parents))


def elsewhere(folder: Path) -> Path:
    """Where the data of a part goes that cannot live in the folder; noted in the folder, so that a wipe finds it."""
    note = folder / ELSEWHERE
    if not note.exists():
        name = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:12]
        note.write_text(f"/var/tmp/mesh-{name}")  # noqa: S108 - outlives a reboot, and nobody can reach our own folder
    return Path(note.read_text())


def wipe(folder: Path) -> None:
    """Remove the folder, what it has elsewhere and what still runs on it; another's folder is left alone."""
    if not folder.exists():
        return
    if not (folder / MARKER).exists():
        raise StartFailed("reset", f"{folder} holds files of something else", "set MESH_DATA_FOLDER to the right one")
    with hold(folder):
        asyncio.run(Ledger(folder).end_leftovers())
        if (folder / ELSEWHERE).exists():
            shutil.rmtree(elsewhere(folder), ignore_errors=True)
        shutil.rmtree(folder)
