"""The card simulator as a process: the client against it, each magic card, and a log that survives a kill."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from actors.mesh import Broken, TimedOut, Unavailable
from actors.payments.provider import Answer, HttpCardProcessor
from schemas.values import Money

PROJECT = Path(__file__).resolve().parents[2]
TEN_EUROS = Money(amount_minor=1_000, currency="EUR")
LATE_SECONDS = 1.5
TIMEOUT_SECONDS = 0.75
READY_SECONDS = 30.0


class Simulator:
    """A process, and the address it is reached at."""

    def __init__(self, log: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._environment = os.environ | {
            "MESH_CARDS_PORT": str(self.port),
            "MESH_CARDS_LOG": str(log),
            "MESH_CARDS_LATE_SECONDS": str(LATE_SECONDS),
        }
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen([sys.executable, "-m", "infra.local.cards"], cwd=PROJECT, env=self._environment)
        deadline = time.monotonic() + READY_SECONDS
        while not self.answers():
            assert self.process.poll() is None, "the simulator ended"
            assert time.monotonic() < deadline, "the simulator does not serve"
            time.sleep(0.05)

    def answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/healthz", trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    def stop(self, how: signal.Signals) -> None:
        self.process.send_signal(how)
        self.process.wait(timeout=10)

    def log(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = httpx.get(f"{self.url}/v1/log", trust_env=False).json()["operations"]
        return rows

    def moved(self, payment_id: str) -> list[tuple[str, str]]:
        return [(row["kind"], row["outcome"]) for row in self.log() if row["payment_id"] == payment_id]


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    running = Simulator(tmp_path_factory.mktemp("cards") / "cards.sqlite")
    yield running
    running.stop(signal.SIGTERM)


@pytest.fixture
async def cards(simulator: Simulator) -> AsyncIterator[HttpCardProcessor]:
    client = HttpCardProcessor(simulator.url, TIMEOUT_SECONDS)
    yield client
    await client.aclose()


async def test_money_is_held_taken_and_given_back(simulator: Simulator, cards: HttpCardProcessor) -> None:
    assert (await cards.authorise("payment/a1@1", "a1", TEN_EUROS, "card-approved")).approved
    assert (await cards.capture("payment/a1@3", "a1", TEN_EUROS)).approved
    assert (await cards.refund("payment/a1@5", "a1", "r1", TEN_EUROS)).approved
    assert simulator.moved("a1") == [("authorisation", "approved"), ("capture", "approved"), ("refund", "approved")]
    assert simulator.log()[-1] == {
        "key": "payment/a1@5",
        "kind": "refund",
        "payment_id": "a1",
        "refund_id": "r1",
        "amount_minor": 1_000,
        "currency": "EUR",
        "outcome": "approved",
        "decline_code": "",
    }


async def test_money_is_held_and_let_go(simulator: Simulator, cards: HttpCardProcessor) -> None:
    await cards.authorise("payment/a2@1", "a2", TEN_EUROS, "card-approved")
    assert (await cards.void("payment/a2@3", "a2")).approved
    assert simulator.moved("a2") == [("authorisation", "approved"), ("void", "approved")]


@pytest.mark.parametrize(
    ("token", "code"), [("card-declined", "do_not_honour"), ("card-insufficient-funds", "insufficient_funds")]
)
async def test_a_decline_is_an_answer(cards: HttpCardProcessor, token: str, code: str) -> None:
    declined = Answer(approved=False, decline_code=code)
    assert await cards.authorise(f"payment/{token}@1", token, TEN_EUROS, token) == declined
    assert await cards.find(f"payment/{token}@1") == declined


async def test_an_objection_to_a_capture_is_an_answer(cards: HttpCardProcessor) -> None:
    assert await cards.capture("payment/a3@3", "a3", TEN_EUROS) == Answer(
        approved=False, decline_code="capture_over_authorisation"
    )


async def test_a_charge_whose_answer_came_too_late_was_made_once(
    simulator: Simulator, cards: HttpCardProcessor
) -> None:
    token = "card-timeout-then-success"
    with pytest.raises(TimedOut):
        await cards.authorise("payment/a4@1", "a4", TEN_EUROS, token)
    found = await cards.find("payment/a4@1")
    assert found is not None
    assert found.approved
    assert await cards.authorise("payment/a4@1", "a4", TEN_EUROS, token) == found
    assert simulator.moved("a4") == [("authorisation", "approved")]


async def test_a_charge_answered_by_an_error_was_made_once(simulator: Simulator, cards: HttpCardProcessor) -> None:
    token = "card-error-then-success"
    with pytest.raises(Broken):
        await cards.authorise("payment/a5@1", "a5", TEN_EUROS, token)
    assert (await cards.authorise("payment/a5@1", "a5", TEN_EUROS, token)).approved
    assert simulator.moved("a5") == [("authorisation", "approved")]


async def test_an_error_before_the_charge_left_nothing(simulator: Simulator, cards: HttpCardProcessor) -> None:
    token = "card-error-before"
    with pytest.raises(Broken):
        await cards.authorise("payment/a6@1", "a6", TEN_EUROS, token)
    assert await cards.find("payment/a6@1") is None
    assert simulator.moved("a6") == []
    assert (await cards.authorise("payment/a6@1", "a6", TEN_EUROS, token)).approved


async def test_a_key_is_never_two_instructions(cards: HttpCardProcessor) -> None:
    await cards.authorise("payment/a7@1", "a7", TEN_EUROS, "card-approved")
    with pytest.raises(Broken, match="422"):
        await cards.authorise("payment/a7@1", "a7", Money(amount_minor=1, currency="EUR"), "card-approved")


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({}, b"{}", 400),
        ({"Idempotency-Key": "bad1"}, b"not json", 400),
        ({"Idempotency-Key": "bad2"}, b'{"payment_id": "a8"}', 400),
        ({"Idempotency-Key": "bad3"}, b'{"payment_id": "a8", "surprise": 1}', 400),
        ({"Idempotency-Key": "bad4"}, b" " * 20_000, 413),
    ],
)
def test_what_is_no_instruction_moves_nothing(
    simulator: Simulator, headers: dict[str, str], body: bytes, status: int
) -> None:
    before = simulator.log()
    url = f"{simulator.url}/v1/authorisations"
    assert httpx.post(url, content=body, headers=headers, trust_env=False).status_code == status
    assert simulator.log() == before


async def test_where_nobody_listens_nothing_was_done() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = HttpCardProcessor(f"http://127.0.0.1:{free.getsockname()[1]}", TIMEOUT_SECONDS)
        with pytest.raises(Unavailable):
            await nobody.authorise("payment/a9@1", "a9", TEN_EUROS, "card-approved")
        await nobody.aclose()


async def test_what_was_answered_survives_a_kill(tmp_path: Path) -> None:
    simulator = Simulator(tmp_path / "cards.sqlite")
    cards = HttpCardProcessor(simulator.url, TIMEOUT_SECONDS)
    answer = await cards.authorise("payment/b1@1", "b1", TEN_EUROS, "card-approved")
    before = simulator.log()
    simulator.stop(signal.SIGKILL)
    simulator.start()
    try:
        assert simulator.log() == before
        assert await cards.find("payment/b1@1") == answer
        assert await cards.authorise("payment/b1@1", "b1", TEN_EUROS, "card-approved") == answer
        assert len(simulator.log()) == 1
    finally:
        simulator.stop(signal.SIGTERM)
        await cards.aclose()
