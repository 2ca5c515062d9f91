"""The embedded platform, with real processes: it starts, survives, says what is wrong, and leaves nothing behind."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import asyncpg
import pytest

from infra.local import folder as data_folder
from infra.local import nats_server
from infra.local.endpoints import Endpoints, read_endpoints
from infra.local.failures import NotReady, StartFailed
from infra.local.ledger import Ledger, Record
from infra.local.parts import PartState
from infra.local.platform import LocalPlatform
from infra.local.ports import free_ports
from infra.local.processes import Identity, alive, identify, until
from infra.local.secrets import write_private
from infra.local.services import Service
from infra.local.settings import PROJECT, LocalSettings, read_settings
from infra.local.testing import fresh_database

SERVES = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
SAYS_NO_AND_ENDS = "print('the moon is in the wrong quarter'); raise SystemExit(3)"
HEARS_NO_SIGTERM = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + SERVES
SUPERVISOR = """
import asyncio, sys
from pathlib import Path
from infra.local.platform import LocalPlatform
from infra.local.services import Service

async def main() -> None:
    stubborn = Service("stubborn", (sys.executable, "-c", sys.argv[2], sys.argv[3]), {}, f"http://127.0.0.1:{sys.argv[3]}/")
    async with LocalPlatform(Path(sys.argv[1]), services=(stubborn,)):
        await asyncio.Event().wait()

asyncio.run(main())
"""
WAIT_SECONDS = 20.0


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "data"
    yield place
    if (place / data_folder.MARKER).exists():
        data_folder.wipe(place)


def http_service(name: str = "web", script: str = SERVES) -> Service:
    port = free_ports(1)[0]
    return Service(name, (sys.executable, "-c", script, str(port)), {}, f"http://127.0.0.1:{port}/")


def settings_with(extra: Mapping[str, str]) -> LocalSettings:
    return read_settings({"PATH": os.environ["PATH"], **extra})


def elsewhere_served(endpoints: Endpoints) -> LocalSettings:
    """All three servers configured, so that a test of services starts none."""
    urls = {"MESH_NATS_URL": endpoints.nats, "MESH_POSTGRES_URL": endpoints.postgres, "MESH_REDIS_URL": endpoints.redis}
    return settings_with(urls)


def process(argv: list[str], environment: Mapping[str, str] | None = None) -> "subprocess.Popen[bytes]":
    told = {**os.environ, "PYTHONPATH": str(PROJECT), **(environment or {})}
    return subprocess.Popen(argv, cwd=PROJECT, env=told, stdout=subprocess.PIPE, start_new_session=True)


async def eventually(condition: Callable[[], bool]) -> None:
    assert await until(condition, WAIT_SECONDS)


async def fails(platform: LocalPlatform) -> str:
    with pytest.raises(StartFailed) as caught:
        await platform.start()
    assert platform.pids() == {}
    return str(caught.value)


async def test_the_servers_of_the_session_are_ready(servers: LocalPlatform) -> None:
    await nats_server.answers(servers.endpoints.nats)


async def test_a_probe_that_is_not_answered_hangs_up() -> None:
    gone = asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()  # until the other side closes
        gone.set()
        writer.close()

    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as mute:
        with pytest.raises(NotReady):
            await nats_server.answers(f"nats://127.0.0.1:{mute.sockets[0].getsockname()[1]}")
        await asyncio.wait_for(gone.wait(), WAIT_SECONDS)


async def test_a_fresh_database_is_a_new_one_each_time(servers: LocalPlatform) -> None:
    assert await fresh_database(servers.endpoints) != await fresh_database(servers.endpoints)


async def test_stopping_leaves_no_process_and_no_address(folder: Path) -> None:
    async with LocalPlatform(folder, services=(http_service(),)) as platform:
        started = [identity for pid in platform.pids().values() if (identity := identify(pid))]
        assert len(started) == 4
        assert read_endpoints(folder) == platform.endpoints
        assert (folder / "endpoints.json").stat().st_mode & 0o777 == 0o600
    assert not any(alive(identity) for identity in started)
    assert read_endpoints(folder) is None
    assert Ledger(folder).read() == Record()


async def test_a_killed_supervisor_leaves_data_and_the_next_start_ends_what_it_left(folder: Path) -> None:
    argv = [sys.executable, "-c", SUPERVISOR, str(folder), HEARS_NO_SIGTERM, str(free_ports(1)[0])]
    supervisor = process(argv)
    try:
        await eventually(lambda: read_endpoints(folder) is not None)
        endpoints = read_endpoints(folder)
        assert endpoints is not None
        left = dict(Ledger(folder).read().processes)
        await execute(endpoints.postgres, "CREATE TABLE kept AS SELECT 42 AS answer")
    finally:
        supervisor.kill()
        supervisor.communicate()
    assert alive(left["stubborn"])
    async with LocalPlatform(folder, services=()) as platform:
        assert not any(alive(identity) for identity in left.values())
        assert await execute(platform.endpoints.postgres, "SELECT answer FROM kept") == 42


async def execute(url: str, statement: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def test_a_process_that_has_got_the_number_of_ours_is_left_alone(folder: Path) -> None:
    data_folder.prepare(folder)
    stranger = process(["/bin/sleep", "60"])
    try:
        ledger = Ledger(folder)
        record = f'{{"processes":{{"nats":{{"pid":{stranger.pid},"started":"1"}}}}}}'
        write_private(folder / "run.json", record.encode())
        assert ledger.read().processes == {"nats": Identity(stranger.pid, "1")}
        assert await ledger.end_leftovers() == []
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.communicate()


async def test_a_second_platform_on_the_same_folder_is_told_who_holds_it(folder: Path, servers: LocalPlatform) -> None:
    settings = elsewhere_served(servers.endpoints)
    async with LocalPlatform(folder, services=(), settings=settings):
        said = await fails(LocalPlatform(folder, services=(), settings=settings))
    assert f"another one (process {os.getpid()}) runs on {folder}; stop it with Ctrl-C" in said


async def test_a_busy_port_is_named_with_its_remedy(folder: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        said = await fails(LocalPlatform(folder, services=(), settings=settings_with({"MESH_NATS_PORT": str(port)})))
    expected = "stop what listens there, or set MESH_NATS_PORT to another port (0 finds a free one)."
    assert said == f"nats did not start: port {port} is taken; {expected}"


def test_a_port_that_is_no_port_is_refused() -> None:
    with pytest.raises(StartFailed, match="MESH_NATS_PORT is 'many'"):
        settings_with({"MESH_NATS_PORT": "many"})


@pytest.mark.parametrize(
    ("version", "cause"),
    [(None, "has no PG_VERSION and so is not a database"), ("9", "was written by PostgreSQL 9 and this is 18")],
)
async def test_a_broken_data_folder_is_named(folder: Path, version: str | None, cause: str) -> None:
    data_folder.prepare(folder)
    home = data_folder.elsewhere(folder) / "postgres" if os.geteuid() == 0 else folder / "postgres"
    (home / "data").mkdir(parents=True)
    if version:
        (home / "data" / "PG_VERSION").write_text(version)
    said = await fails(LocalPlatform(folder, services=()))
    assert cause in said
    assert "just reset" in said


async def test_a_data_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    said = await fails(LocalPlatform(tmp_path / "file" / "data", services=()))
    assert "cannot be written (Not a directory); mend it or set MESH_DATA_FOLDER to another." in said


async def test_a_missing_program_is_named(folder: Path) -> None:
    settings = settings_with({"MESH_NATS_SERVER": "/nonexistent/nats-server"})
    said = await fails(LocalPlatform(folder, services=(), settings=settings))
    assert said.startswith("nats did not start: /nonexistent/nats-server does not exist or cannot be run;")
    assert "MESH_NATS_SERVER" in said


def test_a_full_disk_is_told_before_anything_starts(folder: Path) -> None:
    with pytest.raises(StartFailed, match="MB are free"):
        data_folder.prepare(folder, least_free_bytes=1 << 60)


def test_a_folder_of_something_else_is_neither_used_nor_wiped(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    for act in (data_folder.prepare, data_folder.wipe):
        with pytest.raises(StartFailed, match="holds files of something else"):
            act(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.txt"]


async def test_a_configured_address_replaces_the_embedded_server(folder: Path, servers: LocalPlatform) -> None:
    settings = elsewhere_served(servers.endpoints)
    async with LocalPlatform(folder, services=(), settings=settings) as platform:
        assert platform.pids() == {}
        assert platform.endpoints.nats == servers.endpoints.nats
        assert platform.environment["MESH_POSTGRES_URL"] == servers.endpoints.postgres


async def test_a_configured_address_where_nobody_answers_is_named(folder: Path) -> None:
    said = await fails(
        LocalPlatform(folder, services=(), settings=settings_with({"MESH_REDIS_URL": "redis://127.0.0.1:1"}))
    )
    assert "nothing serves at MESH_REDIS_URL" in said


async def test_a_dead_service_comes_back(folder: Path, servers: LocalPlatform) -> None:
    told: list[PartState] = []
    settings = elsewhere_served(servers.endpoints)
    async with LocalPlatform(folder, services=(http_service(),), settings=settings, watch=told.append) as platform:
        first = platform.pids()["web"]
        platform.kill("web", signal.SIGKILL)
        await eventually(lambda: platform.pids().get("web", first) != first and told[-1].status == "ready")
    assert [state.cause for state in told if state.status == "restarting"] == ["signal 9 ended it"]


async def test_a_killed_server_comes_back_at_its_address(folder: Path) -> None:
    async with LocalPlatform(folder, services=()) as platform:
        for name in ("nats", "postgres", "redis"):
            first = platform.pids()[name]
            platform.kill(name)
            await eventually(lambda name=name, first=first: platform.pids().get(name, first) != first)  # type: ignore[misc]
        await platform.restart("nats")
        await nats_server.answers(platform.endpoints.nats)


async def test_a_service_that_dies_at_its_start_is_quoted_and_nothing_stays(
    folder: Path, servers: LocalPlatform
) -> None:
    broken = http_service("broken", SAYS_NO_AND_ENDS)
    platform = LocalPlatform(folder, services=(http_service(), broken), settings=elsewhere_served(servers.endpoints))
    said = await fails(platform)
    assert said.startswith(
        "broken did not start: it ended with 3, saying: the moon is in the wrong quarter; look into "
    )
    assert Ledger(folder).read().processes == {}


async def test_a_step_runs_to_its_end_before_the_next_stage(
    folder: Path, servers: LocalPlatform, tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    step = Service("step", (sys.executable, "-c", f"open({str(mark)!r}, 'w').write('x')"), {}, ready="", stage=1)
    needs_it = http_service("web", f"open({str(mark)!r}).read()\n" + SERVES)
    late = Service(needs_it.name, needs_it.argv, {}, needs_it.ready, stage=2)
    settings = elsewhere_served(servers.endpoints)
    async with LocalPlatform(folder, services=(late, step), settings=settings) as platform:
        assert set(platform.pids()) == {"web"}


async def test_a_second_start_takes_little_time(folder: Path) -> None:
    async with LocalPlatform(folder, services=()):
        pass
    began = time.monotonic()
    async with LocalPlatform(folder, services=()):
        assert time.monotonic() - began < 3.0


async def test_up_tells_where_the_parts_are_and_stops_on_a_signal(folder: Path) -> None:
    ports = {f"MESH_{name}_PORT": "0" for name in ("NATS", "NATS_MONITOR", "POSTGRES", "REDIS")}
    up = process([sys.executable, "-m", "cli", "up", "--servers"], ports | {"MESH_DATA_FOLDER": str(folder)})
    try:
        await eventually(lambda: read_endpoints(folder) is not None)
    finally:
        up.terminate()
    told = up.communicate(timeout=WAIT_SECONDS)[0].decode()
    assert up.returncode == 0
    assert "postgres ready" in told
    assert "nats_monitor" in told
    assert "All parts have stopped; the data is kept." in told
    assert Ledger(folder).read() == Record()
