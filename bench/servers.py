"""uvicorn against granian under the gateway's own app, in paired rounds: requests a second, and CPU a request.

    python -m bench.servers              the table (about a minute); wrk is used where it is on the PATH
    python -m bench.servers slow         what each does about slow heads, slow bodies and idle connections

The mesh is an object that answers at once, so that what is measured is the server and the app. Compare ratios of one
run only: the machine is shared.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

from actors.mesh._principals import Signer
from actors.mesh._telemetry import Telemetry
from actors.mesh.adapters.memory.bus import MemoryBus
from actors.mesh.adapters.world import SystemClock, SystemIds
from gateway.app import create_app
from gateway.auth import DevelopmentTokens
from gateway.live.broadcast import Broadcast
from gateway.server import server_of
from schemas.envelope import Envelope
from schemas.message import Event, Message, Query
from schemas.principal import Principal

ROUNDS = int(os.environ.get("ROUNDS", "5"))
SECONDS = float(os.environ.get("SECONDS_EACH", "4"))
CONNECTIONS = 32
PATIENCE_SECONDS = 45.0
HEAD = "Host: 127.0.0.1\r\nAuthorization: Bearer t\r\nContent-Type: application/json\r\n"
ORDER = b'{"lines":[{"sku":"tea","quantity":2}],"deliver_to":"Ada, 1 Engine Row","payment_token":"tok_visa"}'
CASES: dict[str, tuple[str, str, bytes]] = {
    "GET item": ("GET", "/v1/items/tea", b""),
    "POST order, async": ("POST", "/v1/orders", ORDER),
}
ITEM = b'{"sku":"tea","title":"Tea","price":{"amount_minor":250,"currency":"EUR"},"on_hand":9,"reserved":1}'


class InstantReply(NamedTuple):
    body: bytes
    repeated: bool = False


class InstantMesh:
    """Answers at once and always the same."""

    connected = True

    async def ask(self, message: Query[Any], envelope: Envelope | None = None) -> Any:
        raise AssertionError("development tokens need no question about who it is")

    async def ask_raw(self, message: Message, envelope: Envelope) -> InstantReply:
        return InstantReply(ITEM if type(message).__name__ == "GetItem" else b'{"entity_id":"o-1","version":1}')

    def awaiting(self, events: tuple[type[Event], ...], key: str) -> nullcontext[Any]:
        return nullcontext()

    async def watch(self, events: Iterable[type[Event]]) -> None:
        """Nothing happens here."""

    async def probe(self, domains: Iterable[str]) -> Mapping[str, str]:
        return {}


def app() -> Any:
    """Return the gateway's app over the instant mesh."""
    clock = SystemClock()
    return create_app(
        InstantMesh(),
        authenticate=DevelopmentTokens({"t": Principal(subject="cust-ada", roles=("customer",))}),
        signer=Signer(bytes(32), "gateway", clock),
        clock=clock,
        ids=SystemIds(),
        telemetry=Telemetry("gateway", ratio=0.0),
        live=Broadcast(MemoryBus(clock), clock=clock, ids=SystemIds()),
    )


def command(server: str, port: int) -> list[str]:
    if server == "uvicorn":
        return [sys.executable, "-m", "bench.servers", "serve", str(port)]
    settings = ["--interface", "asgi", "--factory", "--workers", "1", "--loop", "uvloop", "--http", "1", "--no-ws"]
    return [
        sys.executable,
        "-m",
        "granian",
        *settings,
        "--port",
        str(port),
        "--log-level",
        "error",
        "bench.servers:app",
    ]


@contextmanager
def running(server: str) -> Iterator[tuple[int, int]]:
    """Start a server; give its port and process id."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(command(server, port), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", port), 0.2).close()
                break
            except OSError:
                time.sleep(0.05)
        time.sleep(0.3)
        yield port, process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process and its children: granian serves from a child."""
    total = 0.0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(stat.parent.name) == pid or int(fields[1]) == pid:
            total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def loaded(port: int, case: str, seconds: float) -> int:
    """Send one kind of request for a while over many connections; return how many were answered."""
    wrk = shutil.which("wrk")
    return with_wrk(wrk, port, case, seconds) if wrk else asyncio.run(with_asyncio(port, case, seconds))


def with_wrk(wrk: str, port: int, case: str, seconds: float) -> int:
    method, path, body = CASES[case]
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(f"wrk.method = {method!r}\nwrk.body = {body.decode()!r}\n")
        script.write('wrk.headers["Prefer"] = "respond-async"\n')
        for line in HEAD.split("\r\n")[1:-1]:
            name, _, value = line.partition(": ")
            script.write(f'wrk.headers["{name}"] = "{value}"\n')
        script.flush()
        url = f"http://127.0.0.1:{port}{path}"
        given = ["-t1", f"-c{CONNECTIONS}", f"-d{max(1, round(seconds))}s", "-s", script.name, url]
        output = subprocess.run([wrk, *given], capture_output=True, text=True, check=True).stdout
    assert "Non-2xx" not in output, output
    return int(re.search(r"(\d+) requests in", output).group(1))  # type: ignore[union-attr]


async def with_asyncio(port: int, case: str, seconds: float) -> int:
    method, path, body = CASES[case]
    start = f"{method} {path} HTTP/1.1\r\n{HEAD}Prefer: respond-async\r\nContent-Length: {len(body)}\r\n\r\n"
    request = start.encode() + body
    deadline = time.monotonic() + seconds

    async def one() -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        answered = 0
        while time.monotonic() < deadline:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 20"), head
            await reader.readexactly(int(re.search(rb"content-length: (\d+)", head).group(1)))  # type: ignore[union-attr]
            answered += 1
        writer.close()
        return answered

    return sum(await asyncio.gather(*(one() for _ in range(CONNECTIONS))))


def measure() -> None:
    figures: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for number in range(ROUNDS):
        order = ("uvicorn", "granian") if number % 2 == 0 else ("granian", "uvicorn")
        for server in order:
            with running(server) as (port, pid):
                for case in CASES:
                    loaded(port, case, 1)
                    before, began = cpu_seconds(pid), time.monotonic()
                    answered = loaded(port, case, SECONDS)
                    took, used = time.monotonic() - began, cpu_seconds(pid) - before
                    figures.setdefault((case, server), []).append((answered / took, used / answered * 1e6))
    print(f"{'case':20} {'server':8} {'req/s':>8} {'CPU us/req':>11}   (medians of {ROUNDS} rounds)")
    for case in CASES:
        for server in ("uvicorn", "granian"):
            rates, costs = zip(*figures[case, server], strict=True)
            print(f"{case:20} {server:8} {statistics.median(rates):8.0f} {statistics.median(costs):11.0f}")
        pairs = list(zip(figures[case, "granian"], figures[case, "uvicorn"], strict=True))
        cost = [granian[1] / uvicorn[1] for granian, uvicorn in pairs]
        rate = [granian[0] / uvicorn[0] for granian, uvicorn in pairs]
        spread = f"{statistics.median(cost):.2f} ({min(cost):.2f}-{max(cost):.2f})"
        print(f"{case:20} granian/uvicorn: CPU {spread}, rate {statistics.median(rate):.2f}")


POST = f"POST /v1/orders/a/cancel HTTP/1.1\r\n{HEAD}Content-Length: 100\r\n\r\n"
SLOW: dict[str, bytes] = {
    "nothing is sent": b"",
    "half a head": b"GET /v1/items HTTP/1.1\r\nHost: a\r\nX-Slow",
    "half a body": POST.encode() + b"{",
    "idle after a request": f"GET /healthz HTTP/1.1\r\n{HEAD}\r\n".encode(),
}


ODD = {"CL and TE": "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "obs-fold": "X-A: a\r\n b\r\n"}


async def patient(port: int, sent: bytes, drip: bytes) -> tuple[float, str]:
    """Return after how many seconds the server closed, and the last status line it sent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    began = time.monotonic()
    heard = b""
    while (left := PATIENCE_SECONDS - (time.monotonic() - began)) > 0:
        try:
            chunk = await asyncio.wait_for(reader.read(65536), min(left, 1.0))
        except TimeoutError:
            if drip:
                writer.write(drip)
            continue
        except ConnectionError:
            break
        if not chunk:
            break
        heard += chunk
    writer.close()
    return time.monotonic() - began, heard.partition(b"\r\n")[0].decode()


async def look_at_slow(server: str, port: int) -> None:
    cases = [(name, sent, b"") for name, sent in SLOW.items()]
    cases += [("a head in drips", SLOW["half a head"], b"x"), ("a body in drips", SLOW["half a body"], b" ")]
    found = await asyncio.gather(*(patient(port, sent, drip) for _, sent, drip in cases))
    for (name, _, _), (seconds, status) in zip(cases, found, strict=True):
        closed = f"closed after {seconds:4.1f} s" if seconds < PATIENCE_SECONDS else "still open after 45 s"
        print(f"{server:8} {name:22} {closed}  {status}")
    huge = f"GET /healthz HTTP/1.1\r\n{HEAD}X-Huge: {'a' * 200_000}\r\n\r\n".encode()
    print(f"{server:8} {'a head of 200 KB':22} {(await patient(port, huge, b''))[1] or 'closed at once'}")
    for name, odd in ODD.items():  # 200 means that the app was asked
        request = f"GET /healthz HTTP/1.1\r\n{HEAD}{odd}Connection: close\r\n\r\n0\r\n\r\n".encode()
        print(f"{server:8} {name:22} {(await patient(port, request, b''))[1]}")


def slow() -> None:
    for server in ("uvicorn", "granian"):
        with running(server) as (port, _):
            asyncio.run(look_at_slow(server, port))


def main(arguments: list[str]) -> None:
    if arguments[:1] == ["serve"]:
        import uvloop

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(server_of(app(), "127.0.0.1", int(arguments[1])).serve())
    elif arguments == ["slow"]:
        slow()
    else:
        measure()


if __name__ == "__main__":
    main(sys.argv[1:])
