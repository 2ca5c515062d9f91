"""The local mailbox as a process of its own, and what it took."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx

from infra.local.ports import free_ports

PROJECT = Path(__file__).resolve().parents[2]
READY_SECONDS = 30.0


class MailboxProcess:
    """A process, and the addresses it is reached at."""

    def __init__(self, log: Path, *, late_seconds: float = 30.0) -> None:
        self.smtp_port, self.port = free_ports(2)
        self.url, self.smtp_url = f"http://127.0.0.1:{self.port}", f"smtp://127.0.0.1:{self.smtp_port}"
        self._environment = os.environ | {
            "MESH_SMTP_PORT": str(self.smtp_port),
            "MESH_MAILBOX_PORT": str(self.port),
            "MESH_MAILBOX_LOG": str(log),
            "MESH_MAILBOX_LATE_SECONDS": str(late_seconds),
        }
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "infra.local.mailbox"]
        self.process = subprocess.Popen(command, cwd=PROJECT, env=self._environment)
        deadline = time.monotonic() + READY_SECONDS
        while not self.answers():
            assert self.process.poll() is None, "the mailbox ended"
            assert time.monotonic() < deadline, "the mailbox does not serve"
            time.sleep(0.05)

    def answers(self) -> bool:
        try:
            return self.get("/healthz").status_code == 200
        except httpx.TransportError:
            return False

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        self.process.send_signal(how)
        self.process.wait(timeout=10)

    def get(self, path: str, **parameters: str) -> httpx.Response:
        return httpx.get(f"{self.url}{path}", params=parameters, trust_env=False)

    def mails(self, to: str = "") -> list[dict[str, Any]]:
        """Return the mails to somebody, newest first."""
        found: list[dict[str, Any]] = self.get("/v1/mails", to=to).json()["mails"]
        return found
