"""A server of MongoDB's wire protocol for tests: the one given, FerretDB where Go can build it, or nx-27017."""

import asyncio
import fcntl
import hashlib
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from infra.local.failures import StartFailed
from infra.local.parts import Part
from infra.local.ports import LOOPBACK, free_ports
from infra.local.processes import end, last_line, spawn, until
from infra.local.settings import LocalSettings, read_settings

SOURCE = Path(__file__).parent / "ferretdb"
BUILD_SECONDS = 900.0  # a minute on two idle cores; they may be busy
READY_SECONDS = 30.0
GRACE_SECONDS = 5.0

Product = Literal["given", "ferretdb", "nx-27017"]


@dataclass(frozen=True, slots=True)
class MongoServer:
    """Where it is reached, and what it is: `FerretDB v1.24.0`. A run must say on which product it was made."""

    url: str
    product: str


def products(settings: LocalSettings | None = None) -> tuple[Product, ...]:
    """Return what can be run here, the one that resembles MongoDB most first."""
    settings = settings or read_settings()
    if settings.mongo_url:
        return ("given",)
    return ("ferretdb", "nx-27017") if _go(settings) else ("nx-27017",)


def product_name(product: Product) -> str:
    """Return a product with its version, as pinned."""
    if product == "nx-27017":
        return f"nx-27017 {version('nx-27017')}"
    if product == "given":
        return "the server at MESH_MONGO_URL"
    return f"FerretDB {_pinned()}"


@asynccontextmanager
async def mongo_server(
    folder: Path, product: Product | None = None, settings: LocalSettings | None = None
) -> AsyncIterator[MongoServer]:
    """Run a server on a folder of its own, by default the best there is; it ends with the block."""
    settings = settings or read_settings()
    chosen = product or products(settings)[0]
    if chosen == "given":
        yield MongoServer(settings.mongo_url, product_name(chosen))
        return
    port = free_ports(1)[0]
    argv = await asyncio.to_thread(_command, chosen, folder, port, settings)
    part = Part(name=chosen, argv=argv, probe=None, remedy="look at its log", environment={}, working_folder=folder)
    log = folder / f"{chosen}.log"
    process = spawn(part, log)
    try:
        if not await until(lambda: _listens(port) or process.poll() is not None, READY_SECONDS) or process.poll():
            raise StartFailed(chosen, last_line(log) or "it said nothing", f"look at {log.name}")
        yield MongoServer(f"mongodb://{LOOPBACK}:{port}/", product_name(chosen))
    finally:
        await end(process, signal.SIGTERM, GRACE_SECONDS)


def build_ferretdb(settings: LocalSettings) -> Path:
    """Return the binary, built at most once for each pinned state of its sources and modules."""
    state = hashlib.sha256(b"".join((SOURCE / name).read_bytes() for name in ("main.go", "go.mod", "go.sum")))
    cache = Path.home() / ".cache" / "actor-mesh"
    cache.mkdir(parents=True, exist_ok=True)
    binary = cache / f"ferretdb-{_pinned()}-{state.hexdigest()[:12]}"
    with (cache / "ferretdb.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # whoever comes second finds it built
        if not binary.exists():
            fresh = binary.with_suffix(".new")
            _build(settings, fresh)
            fresh.replace(binary)
    return binary


def _build(settings: LocalSettings, binary: Path) -> None:
    go = _go(settings)
    if go is None:
        raise StartFailed("ferretdb", "there is no Go toolchain", "install Go, or use nx-27017")
    # `readonly`: the modules are those of go.sum, or none. No newer toolchain is fetched behind our back.
    pinned = {"GOFLAGS": "-mod=readonly", "GOTOOLCHAIN": "local", "CGO_ENABLED": "0", "GOWORK": "off"}
    nice = shutil.which("nice", path=settings.path)
    command = [
        *((nice, "-n", "15") if nice else ()),
        go,
        "build",
        "-trimpath",
        "-ldflags=-s -w",
        "-o",
        str(binary),
        ".",
    ]
    built = subprocess.run(
        command,
        cwd=SOURCE,
        env={**settings.inherited, **pinned},
        capture_output=True,
        text=True,
        check=False,
        timeout=BUILD_SECONDS,
    )
    if built.returncode:
        told = next((line for line in reversed(built.stderr.splitlines()) if line.strip()), "go said nothing")
        raise StartFailed("ferretdb", told, "mend it, or set MESH_MONGO_BUILD=0 to do with nx-27017")


def _go(settings: LocalSettings) -> str | None:
    if settings.inherited.get("MESH_MONGO_BUILD") == "0":
        return None
    return shutil.which("go", path=settings.path)


def _pinned() -> str:
    found = re.search(r"^require github\.com/FerretDB/FerretDB (\S+)$", (SOURCE / "go.mod").read_text(), re.MULTILINE)
    assert found, "go.mod pins FerretDB on a line of its own"
    return found[1]


def _command(product: Product, folder: Path, port: int, settings: LocalSettings) -> tuple[str, ...]:
    folder.mkdir(parents=True, exist_ok=True)
    if product == "ferretdb":
        return (str(build_ferretdb(settings)), f"{LOOPBACK}:{port}", str(folder.resolve()))
    script = Path(sys.executable).parent / "nx-27017"
    files = ("--log-file", str(folder / "nx.log"), "--pid-file", str(folder / "nx.pid"))
    return (sys.executable, str(script), "--db", "memory", "--host", LOOPBACK, "--port", str(port), *files)


def _listens(port: int) -> bool:
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1):
            return True
    except OSError:
        return False
