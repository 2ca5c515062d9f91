"""What a log line owes its reader: the span it was written in; and what it owes everybody else: no secrets."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from actors.mesh._log import configure_logging, get_logger, is_secret, mask
from actors.mesh._telemetry import Telemetry, TraceContext

SAMPLED = TraceContext(b"t" * 16, b"s" * 8, True)


@pytest.fixture
def root_logger() -> Iterator[logging.Logger]:
    handlers, level = logging.root.handlers[:], logging.root.level
    yield logging.root
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    structlog.reset_defaults()


@pytest.mark.usefixtures("root_logger")
def test_a_log_line_names_its_span_and_hides_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("orders")
    telemetry = Telemetry("orders", collect=[])
    with telemetry.span("serve", parent=SAMPLED) as span:
        get_logger().info("signed_in", password="hunter2", nested={"apiToken": "hunter2", "order_id": "o-1"})
        logging.getLogger("driver").warning("cannot reach %s", "postgresql://mesh:hunter2@db/orders")
        try:
            raise ValueError("Bearer hunter2hunter2")
        except ValueError:
            get_logger().exception("failed")
    written = capsys.readouterr().out
    told = [json.loads(line) for line in written.splitlines()]
    assert "hunter2" not in written
    assert [line["event"] for line in told] == ["signed_in", "cannot reach postgresql://[masked]@db/orders", "failed"]
    assert {(line["service"], line["trace_id"], line["span_id"]) for line in told} == {
        ("orders", SAMPLED.trace_id.hex(), span.context.span_id.hex())
    }
    assert told[0]["nested"] == {"apiToken": "[masked]", "order_id": "o-1"}


@pytest.mark.usefixtures("root_logger")
@pytest.mark.parametrize(
    "text", ["a\nb", "a\r\n{}", "\x1b[31mred\x1b[0m", "\x00", "\u2028", "\x85", "\x9b2J", "\u202e"]
)
def test_whatever_a_text_holds_it_is_one_line_and_commands_no_terminal(
    capsys: pytest.CaptureFixture[str], text: str
) -> None:
    configure_logging("orders")
    get_logger().info("told", text=text, nested={text: [text]})
    logging.getLogger("driver").warning("cannot reach %s", text)
    written = capsys.readouterr().out
    assert written.replace("\n", "").isprintable()
    told = [json.loads(line) for line in written.split("\n")[:-1]]
    assert [line["event"] for line in told] == ["told", f"cannot reach {text}"]


@pytest.mark.parametrize("key", ["password", "card_number", "X-Api-Key", "accessToken", "AUTHORIZATION", "key", "pan"])
def test_a_key_that_may_hold_a_secret_is_masked(key: str) -> None:
    assert mask({key: {"deep": "hunter2"}}) == {key: "[masked]"}


@pytest.mark.parametrize("key", ["order_id", "monkey", "mesh.key", "discarded", "spanned", "keyboard"])
def test_a_key_that_only_sounds_like_one_is_kept(key: str) -> None:
    assert not is_secret(key)
