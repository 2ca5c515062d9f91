"""The environment as the local mailbox reads it: the one place that does."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass

LATE_SECONDS = 12.0
"""An answer that comes after any client's time-out of the house."""


@dataclass(frozen=True, slots=True)
class MailboxSettings:
    """Where to take mail, where it is read, where it is kept, and how late a slow server is."""

    smtp_port: int
    port: int
    log: str
    late_seconds: float


def read_mailbox_settings(environment: Mapping[str, str] | None = None) -> MailboxSettings:
    """The settings of this process, or of a mapping that a test hands in; ends the process naming what is missing."""
    env = os.environ if environment is None else environment
    wanted = ("MESH_SMTP_PORT", "MESH_MAILBOX_PORT", "MESH_MAILBOX_LOG")
    missing = [name for name in wanted if not env.get(name)]
    if missing:
        sys.exit(f"mailbox: set {' and '.join(missing)}")
    try:
        late_seconds = float(env.get("MESH_MAILBOX_LATE_SECONDS", "") or LATE_SECONDS)
        ports = int(env["MESH_SMTP_PORT"]), int(env["MESH_MAILBOX_PORT"])
        return MailboxSettings(*ports, env["MESH_MAILBOX_LOG"], late_seconds)
    except ValueError as error:
        sys.exit(f"mailbox: MESH_SMTP_PORT, MESH_MAILBOX_PORT and MESH_MAILBOX_LATE_SECONDS are numbers ({error})")
