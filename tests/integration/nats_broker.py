"""A nats-server of a test's own, to be killed and paused."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path


class Broker:
    """Not yet started; loopback and a free port."""

    def __init__(self, folder: Path, configuration: str = "") -> None:
        self._configuration = folder / "nats.conf"
        self._configuration.write_text(configuration)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.url = f"nats://127.0.0.1:{self.port}"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        binary = Path(sys.prefix) / "bin" / "nats-server"
        arguments: list[str | Path] = [binary, "-a", "127.0.0.1", "-p", str(self.port), "-js", "-sd", self._folder]
        arguments += ["-c", self._configuration]
        self._process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as probe:
                probe.recv(4)
                return
            time.sleep(0.02)
        raise AssertionError("nats-server did not start")

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
