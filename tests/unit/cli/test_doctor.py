"""What `mesh doctor` says of a machine and a mesh: each thing that is wrong is found, and has a remedy."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from actors.mesh.connect import BrokerSurvey, ConsumerState, Info, StreamSurvey
from cli.doctor_machine import folder, packages, platform, ports, program, programs, variables
from cli.doctor_mesh import broker, declared, pools, skew, stuck
from cli.finding import Finding
from cli.status_facts import Look, PoolStatus, Status
from infra.local.endpoints import Endpoints
from infra.local.folder import MARKER, prepare
from infra.local.ledger import Ledger
from infra.local.settings import FIXED_PORTS, read_settings


def states(found: Iterable[Finding]) -> list[str]:
    findings = list(found)
    assert all(bool(each.remedy) == (each.state != "ok") for each in findings), "what is not well has a remedy"
    return [each.state for each in findings]


def test_a_program_is_there_or_is_named_with_what_installs_it(tmp_path: Path) -> None:
    assert program("sh", "/bin/sh", "-").state == "ok"
    assert program("sh", str(tmp_path / "no"), "install it").state == "fail"
    assert set(states(programs(read_settings({})))) == {"ok"}
    settings = read_settings({"MESH_NATS_SERVER": str(tmp_path / "no"), "MESH_POSTGRES_BIN": str(tmp_path)})
    assert states(programs(settings)) == ["fail", "fail", "fail", "ok"]


def test_a_server_of_somebody_else_needs_no_program() -> None:
    elsewhere = {"MESH_NATS_URL": "nats://n", "MESH_POSTGRES_URL": "postgresql://p", "MESH_REDIS_URL": "redis://r"}
    assert states(programs(read_settings(elsewhere))) == []


def test_a_lock_file_that_has_changed_is_seen(tmp_path: Path) -> None:
    assert states(packages(tmp_path)) == []
    (tmp_path / ".venv").mkdir()
    (tmp_path / "requirements.lock").write_text("a==1\n")
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    (tmp_path / ".venv" / "actor-mesh-synced").write_text("a==1\n[project]\n")
    assert states(packages(tmp_path)) == ["ok"]
    (tmp_path / "requirements.lock").write_text("a==2\n")
    assert states(packages(tmp_path)) == ["warn"]


def test_a_misspelt_variable_is_told_with_the_one_that_was_meant() -> None:
    assert states(variables({"MESH_NATS_URL": "x", "PATH": "/bin"})) == ["ok"]
    [found] = variables({"MESH_NATS_ULR": "x"})
    assert (found.state, "did you mean MESH_NATS_URL" in found.what) == ("fail", True)


def test_a_data_folder_is_ours_or_can_become_so(tmp_path: Path) -> None:
    assert states(folder(tmp_path / "not" / "yet")) == ["ok"]
    prepare(tmp_path / "ours")
    assert states(folder(tmp_path / "ours")) == ["ok"]
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "file").write_text("")
    assert states(folder(tmp_path / "theirs")) == ["fail"]
    (tmp_path / "theirs" / MARKER).write_text("")
    assert states(folder(tmp_path / "theirs")) == ["ok"]


def test_a_platform_that_died_is_told_from_one_that_runs(tmp_path: Path) -> None:
    assert [each.what for each in platform(tmp_path)] == [f"none runs on {tmp_path}"]
    ledger = Ledger(tmp_path)
    ledger.open()
    ledger.add("nats", os.getpid())
    [running] = platform(tmp_path)
    assert (running.state, "1 of its parts" in running.what) == ("ok", True)
    record = msgspec.json.decode((tmp_path / "run.json").read_bytes())
    record["supervisor"]["started"] = "long ago"
    (tmp_path / "run.json").write_bytes(msgspec.json.encode(record))
    [died] = platform(tmp_path)
    assert (died.state, "left behind nats" in died.what) == ("warn", True)
    ledger.open()
    record = msgspec.json.decode((tmp_path / "run.json").read_bytes())
    record["processes"] = {"orders": {"pid": 1, "started": "long ago"}}
    (tmp_path / "run.json").write_bytes(msgspec.json.encode(record))
    assert [(each.state, each.area) for each in platform(tmp_path)] == [("ok", "platform"), ("warn", "orders")]


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        yield listener.getsockname()[1]


def test_a_port_is_free_or_ours_or_somebody_elses(taken: int) -> None:
    free = {f"MESH_{name.upper()}_PORT": "0" for name in FIXED_PORTS}
    assert states(ports(read_settings(free), None)) == ["ok"]
    settings = read_settings(free | {"MESH_GATEWAY_PORT": str(taken)})
    [found] = ports(settings, None)
    assert (found.state, "MESH_GATEWAY_PORT" in found.remedy) == ("fail", True)
    names = {name: "" for name in FIXED_PORTS if name in Endpoints.__struct_fields__}
    ours = Endpoints(**names | {"gateway": f"http://127.0.0.1:{taken}"}, tokens={})  # type: ignore[arg-type]
    assert states(ports(settings, ours)) == ["ok"]
    others = Endpoints(**names | {"gateway": "http://127.0.0.1:1"}, tokens={})  # type: ignore[arg-type]
    assert states(ports(settings, others)) == ["warn"]


def survey(
    *streams: StreamSurvey, version: str = "2.15.1", stored: int = 0, most: int = 0, ahead: int = 0
) -> BrokerSurvey:
    return BrokerSurvey(version, 262_144, stored, most, ahead, streams)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({}, ["ok", "ok", "ok"]),
        ({"version": "2.12.0"}, ["ok", "ok", "ok"]),
        ({"version": "2.11.9"}, ["fail", "ok", "ok"]),
        ({"version": "unknown"}, ["fail", "ok", "ok"]),
        ({"stored": 79, "most": 100}, ["ok", "ok", "ok"]),
        ({"stored": 80, "most": 100}, ["ok", "warn", "ok"]),
        ({"stored": 95, "most": 100}, ["ok", "fail", "ok"]),
        ({"ahead": -1000}, ["ok", "ok", "warn"]),
        ({"ahead": 30_000}, ["ok", "ok", "fail"]),
    ],
)
def test_a_broker_is_judged_by_version_room_and_clock(given: dict[str, Any], found: list[str]) -> None:
    assert states(broker(survey(**given))) == found


def test_a_skew_says_which_way() -> None:
    assert "2,000 ms ahead of this machine" in skew("nats", 2000).what
    assert "2,000 ms behind this machine" in skew("nats", -2000).what


def status(*found: PoolStatus) -> Status:
    return Status(ok=True, nats="", seconds=1, pools=found, consumers=(), troubles=())


def info(version: str = "0.1.0", **metadata: str) -> Info:
    return Info(name="orders", id="1", version=version, metadata=metadata)


def test_a_domain_is_served_by_pools_of_one_version_that_can_work() -> None:
    well = PoolStatus(domain="orders", instances=2)
    assert states(pools(status(well), [info(), info()])) == ["ok"]
    assert states(pools(status(well), [info(), info("0.2.0")])) == ["warn"]
    assert states(pools(status(PoolStatus(domain="orders", instances=0)), [])) == ["fail"]
    assert states(pools(status(PoolStatus(domain="orders", instances=1, problems=("a", "b"))), [])) == ["fail", "fail"]
    assert states(pools(status(PoolStatus(domain="orders", instances=1, dead_letters=1)), [info()])) == ["ok", "warn"]


def reader(name: str = "orders_views", subjects: tuple[str, ...] = ("orders.event.>",), **given: int) -> ConsumerState:
    numbers = {"pending": 0, "unacknowledged": 0, "redelivered": 0, "pulls": 1, "delivered_sequence": 0} | given
    return ConsumerState(stream="ORDERS", name=name, filter_subjects=subjects, **numbers)


def stream(*readers: ConsumerState) -> StreamSurvey:
    return StreamSurvey("ORDERS", ("orders.event.>",), 9, 900, 9, readers)


DECLARED = '[{"stream":"ORDERS","name":"orders_views","filter_subjects":["orders.event.>"]}]'


@pytest.mark.parametrize(
    ("there", "found"),
    [
        (survey(stream(reader())), ["ok"]),
        (survey(stream(reader(), reader("somebody_elses"))), ["ok"]),
        (survey(), ["fail"]),
        (survey(stream()), ["fail"]),
        (survey(stream(reader(subjects=("orders.event.order_paid.*",)))), ["fail"]),
    ],
)
def test_streams_and_readers_are_as_the_pools_declare_them(there: BrokerSurvey, found: list[str]) -> None:
    assert states(declared([info(stream="ORDERS", consumers=DECLARED)] * 2, there)) == found


def test_a_declaration_that_cannot_be_read_is_told() -> None:
    assert states(declared([info(consumers="?")], survey())) == ["warn", "ok"]


def look(*readers: ConsumerState) -> Look:
    return Look(0, (), survey(stream(*readers)))


@pytest.mark.parametrize(
    ("before", "now", "found"),
    [
        (reader(pending=3, delivered_sequence=5), reader(pending=3, delivered_sequence=5), "fail"),
        (reader(pending=3, delivered_sequence=5, pulls=0), reader(pending=9, delivered_sequence=5, pulls=0), "fail"),
        (reader(pending=3, delivered_sequence=5), reader(pending=3, delivered_sequence=6), "ok"),
        (reader(pending=3, unacknowledged=2), reader(pending=3, unacknowledged=1), "ok"),
        (reader(pending=0), reader(pending=3), "ok"),
        (reader(pending=3), reader(pending=0), "ok"),
    ],
)
def test_a_reader_that_has_something_to_read_and_does_not_is_stuck(
    before: ConsumerState, now: ConsumerState, found: str
) -> None:
    assert states(stuck(look(before), look(now))) == [found]


def test_a_reader_that_has_just_been_made_is_not_stuck() -> None:
    assert states(stuck(look(), look(reader(pending=5)))) == ["ok"]
