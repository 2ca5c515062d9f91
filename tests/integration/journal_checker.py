"""Reads a whole journal and says what is wrong with it: an empty list is a sound one."""

from __future__ import annotations

import json
from collections import Counter

import asyncpg

EVENTS = "SELECT key, version, command_id::text AS command_id, body FROM payments.events ORDER BY key, version"
COMMANDS = "SELECT command_id::text AS command_id FROM payments.commands"
WAITING = "SELECT coalesce(sum(events), 0) FROM payments.unpublished"


async def faults_of(admin_dsn: str) -> list[str]:
    """Check versions, decisions, commands and outbox; every event's body holds the version its decision saw."""
    connection = await asyncpg.connect(admin_dsn)
    try:
        events = await connection.fetch(EVENTS)
        commands = Counter(row["command_id"] for row in await connection.fetch(COMMANDS))
        waiting = await connection.fetchval(WAITING)
    finally:
        await connection.close()
    faults: list[str] = []
    last: dict[str, int] = {}
    places: Counter[tuple[str, str]] = Counter()
    for row in events:
        key, version = row["key"], row["version"]
        if version != last.get(key, 0) + 1:
            faults.append(f"{key} goes from {last.get(key, 0)} to {version}")
        if json.loads(row["body"])["seen"] != version - 1:
            faults.append(f"{key} at {version} was decided on another version")
        last[key] = version
        places[row["command_id"], key] += 1
    faults += [f"command {command_id} did its work {n} times" for (command_id, _), n in places.items() if n > 1]
    faults += [f"command {command_id} is there {n} times" for command_id, n in commands.items() if n > 1]
    if {command_id for command_id, _ in places} - set(commands):
        faults.append("events without their command")
    if waiting != len(events):
        faults.append(f"the outbox holds {waiting} of {len(events)} events")
    return faults
