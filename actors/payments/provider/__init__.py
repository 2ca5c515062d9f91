"""The card processor: its port, its client over HTTP, and a simulated one for tests and laptops."""

from actors.payments.provider.client import HttpCardProcessor
from actors.payments.provider.port import (
    Answer,
    CardProcessor,
    OperationKind,
    authorise,
    capture,
    find_authorisation,
    find_capture,
    find_refund,
    find_void,
    refund,
    void,
)
from actors.payments.provider.simulated import CardBooks, Instruction, KeyReused, Operation, SimulatedCards

__all__ = [
    "Answer",
    "CardBooks",
    "CardProcessor",
    "HttpCardProcessor",
    "Instruction",
    "KeyReused",
    "Operation",
    "OperationKind",
    "SimulatedCards",
    "authorise",
    "capture",
    "find_authorisation",
    "find_capture",
    "find_refund",
    "find_void",
    "refund",
    "void",
]
