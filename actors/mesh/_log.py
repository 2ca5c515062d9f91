"""Logs as JSON lines on stdout: every line knows the service and the span it was written in, and no line a secret."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, cast

import msgspec
import structlog
from structlog.typing import EventDict, ExcInfo, FilteringBoundLogger, Processor, WrappedLogger

from actors.mesh._trace_context import current
from actors.mesh._tracebacks import told

MASK = "[masked]"
MASKED_DEPTH = 6  # what is nested deeper is written as text, masked by pattern only; a cycle must not hang a log line
SECRET_WORDS = frozenset(
    ("apikey", "authorization", "card", "cookie", "credential", "credentials", "cvc", "cvv", "jwt", "pan")
) | frozenset(("passphrase", "passwd", "password", "pin", "secret", "secrets", "signature", "token", "tokens"))
# A `key` is a secret unless it names an entity.
KEYS_THAT_NAME = frozenset(("mesh.key", "aggregate_key", "entity_key"))
WORD = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z0-9]+")
SECRET_TEXT = re.compile(
    r"(?i:\bbearer\s+)[A-Za-z0-9+/=._~-]{8,}"  # an authorization header quoted in a message
    r"|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"  # a JWT
    r"|(?<=://)[^\s:/@]*:[^\s@/]+(?=@)"  # user and password of a connection URL, as drivers quote them
)
# What JSON lets stand and whoever reads the log is not safe from: C1 controls, other ends of lines, turns of direction.
ACTS_ON_A_TERMINAL = re.compile(r"[\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
CHATTY_LOGGERS = ("httpx", "httpcore", "nats", "uvicorn.access")  # a line a request says nothing that a span does not


def configure_logging(service: str, level: int = logging.INFO) -> None:
    """Send structlog and the standard library's logging down one chain; call it once, in the composition root."""
    chain = _chain(service)
    structlog.configure(
        processors=[*chain, _render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stdout),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *chain],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _render],
        )
    )
    logging.root.handlers[:] = [handler]
    logging.root.setLevel(level)
    for name in CHATTY_LOGGERS:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))


def get_logger(**fields: object) -> FilteringBoundLogger:
    """A logger with these fields on every line."""
    return cast(FilteringBoundLogger, structlog.get_logger(**fields))


def mask(fields: Mapping[str, object]) -> dict[str, object]:
    """The same fields with every secret replaced, at any depth."""
    return {key: MASK if is_secret(key) else _masked(value, 1) for key, value in fields.items()}


def is_secret(key: str) -> bool:
    """Whether a field of this name may hold a secret: one of its words says so, or it ends in `key`."""
    if key in KEYS_THAT_NAME:
        return False
    words = [word.lower() for word in WORD.findall(key)]
    return bool(words) and (words[-1] in ("key", "keys") or not SECRET_WORDS.isdisjoint(words))


def _masked(value: object, depth: int) -> object:
    if isinstance(value, str):
        return SECRET_TEXT.sub(MASK, value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if depth < MASKED_DEPTH and isinstance(value, Mapping):
        return {str(key): MASK if is_secret(str(key)) else _masked(inner, depth + 1) for key, inner in value.items()}
    if depth < MASKED_DEPTH and isinstance(value, list | tuple | set | frozenset):
        return [_masked(inner, depth + 1) for inner in value]
    if depth < MASKED_DEPTH and isinstance(value, msgspec.Struct):
        return _masked(msgspec.structs.asdict(value), depth)
    return SECRET_TEXT.sub(MASK, str(value))


def _chain(service: str) -> list[Processor]:
    def add_service(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        event["service"] = service
        return event

    return [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="timestamp"),
        add_service,
        _add_trace,
        structlog.processors.ExceptionRenderer(_tell_exception),
        _mask_event,
    ]


def _tell_exception(exc_info: ExcInfo) -> str:
    return told(exc_info[1])


def _add_trace(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    context = current()
    if context is not None:
        event["trace_id"] = context.trace_id.hex()
        event["span_id"] = context.span_id.hex()
    return event


def _mask_event(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """The last step before the line is written, so that nothing added on the way escapes it."""
    event.pop("color_message", None)  # uvicorn says everything twice, once for a terminal
    kept: MutableMapping[str, Any] = {key: event[key] for key in ("_record", "_from_structlog") if key in event}
    return {**mask({key: value for key, value in event.items() if key not in kept}), **kept}


def _render(logger: WrappedLogger, method: str, event: EventDict) -> str:
    written = msgspec.json.encode(event, enc_hook=str).decode()
    return ACTS_ON_A_TERMINAL.sub(lambda found: f"\\u{ord(found[0]):04x}", written)
