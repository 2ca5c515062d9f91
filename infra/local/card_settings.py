"""The environment as the card simulator reads it: the one place that does."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass

LATE_SECONDS = 12.0
"""An answer that comes after any client's time-out of the house."""


@dataclass(frozen=True, slots=True)
class CardSettings:
    """Where to serve, where the log is, and how late a late answer is."""

    port: int
    log: str
    late_seconds: float


def read_card_settings(environment: Mapping[str, str] | None = None) -> CardSettings:
    """The settings of this process, or of a mapping that a test hands in; ends the process naming what is missing."""
    env = os.environ if environment is None else environment
    wanted = ("MESH_CARDS_PORT", "MESH_CARDS_LOG")
    missing = [name for name in wanted if not env.get(name)]
    if missing:
        sys.exit(f"cards: set {' and '.join(missing)}")
    try:
        late_seconds = float(env.get("MESH_CARDS_LATE_SECONDS", "") or LATE_SECONDS)
        return CardSettings(int(env["MESH_CARDS_PORT"]), env["MESH_CARDS_LOG"], late_seconds)
    except ValueError as error:
        sys.exit(f"cards: MESH_CARDS_PORT and MESH_CARDS_LATE_SECONDS are numbers ({error})")
