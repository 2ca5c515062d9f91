"""A card processor that is not one: its rules, its magic cards, and its own log of the truth."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, Literal

import msgspec

from actors.mesh import Broken, TimedOut
from actors.payments.provider.port import Answer, OperationKind
from schemas.values import Money

Trouble = Literal["none", "late", "error_after", "error_before"]
"""What goes wrong with an answer: it comes too late, or is an error after, or before, the thing was done."""

DECLINES: Final = {"card-declined": "do_not_honour", "card-insufficient-funds": "insufficient_funds"}
TROUBLES: Final[dict[str, Trouble]] = {
    "card-timeout-then-success": "late",
    "card-error-then-success": "error_after",
    "card-error-before": "error_before",
}
"""What goes wrong with the first call of these cards; the second is answered. `card-approved` has nothing special."""
RELUCTANT: Final[dict[str, OperationKind]] = {
    "card-capture-declined": "capture",
    "card-void-declined": "void",
    "card-refund-declined": "refund",
}
"""Of these cards the first such operation is declined, `try_again_later`; one under another key afterwards is not."""


class Instruction(msgspec.Struct, frozen=True, kw_only=True):
    """What the card processor is asked to do."""

    kind: OperationKind
    payment_id: str
    amount: Money | None = None
    payment_token: str = ""
    refund_id: str = ""


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the log: an instruction, under its idempotency key, and the answer given."""

    key: str
    instruction: Instruction
    answer: Answer


class KeyReused(Exception):
    """The idempotency key came before with another instruction."""


class CardBooks:
    """The log and the rules over it. `keep` makes a row durable, before it counts and before it is answered."""

    def __init__(
        self, operations: Iterable[Operation] = (), *, keep: Callable[[Operation], None] = lambda operation: None
    ) -> None:
        self._operations = {operation.key: operation for operation in operations}
        self._by_payment: dict[str, list[Operation]] = {}
        for operation in self._operations.values():
            self._by_payment.setdefault(operation.instruction.payment_id, []).append(operation)
        self._keep = keep
        self._stumbled: set[str] = set()

    @property
    def operations(self) -> tuple[Operation, ...]:
        """Everything that was decided, in order: approved and declined."""
        return tuple(self._operations.values())

    def find(self, key: str) -> Answer | None:
        operation = self._operations.get(key)
        return operation.answer if operation else None

    def carry_out(self, key: str, instruction: Instruction) -> tuple[Answer | None, Trouble]:
        """Do it once; return the answer, and what is to go wrong with it. There is none where nothing was done."""
        earlier = self._operations.get(key)
        if earlier is not None:
            if earlier.instruction != instruction:
                raise KeyReused(key)
            return earlier.answer, "none"
        trouble = TROUBLES.get(instruction.payment_token, "none")
        if trouble == "error_before" and key not in self._stumbled:
            self._stumbled.add(key)
            return None, trouble
        operation = Operation(key=key, instruction=instruction, answer=self._decide(instruction))
        self._keep(operation)
        self._operations[key] = operation
        self._by_payment.setdefault(instruction.payment_id, []).append(operation)
        return operation.answer, "none" if trouble == "error_before" else trouble

    def _decide(self, instruction: Instruction) -> Answer:
        decline_code = self._objection(instruction)
        if decline_code:
            return Answer(approved=False, decline_code=decline_code)
        return Answer(approved=True, provider_reference=f"{instruction.kind}-{len(self._operations) + 1:06d}")

    def _objection(self, instruction: Instruction) -> str:
        """Return why the bank says no; empty where it does not."""
        payment_id = instruction.payment_id
        held, taken = self._moved(payment_id, "authorisation"), self._moved(payment_id, "capture")
        voided = any(done.instruction.kind == "void" for done in self._approved(payment_id))
        amount_minor = instruction.amount.amount_minor if instruction.amount else 0
        if self._reluctant(instruction):
            return "try_again_later"
        match instruction.kind:
            case "authorisation":
                return DECLINES.get(instruction.payment_token, "")
            case "capture":
                over = taken + amount_minor > held
                return "authorisation_voided" if voided else "capture_over_authorisation" if over else ""
            case "void":
                return "already_captured" if taken else ""
            case "refund":
                over = self._moved(payment_id, "refund") + amount_minor > taken
                return "refund_over_capture" if over else ""

    def _reluctant(self, instruction: Instruction) -> bool:
        earlier = [each.instruction for each in self._by_payment.get(instruction.payment_id, ())]
        wanted = {RELUCTANT.get(each.payment_token) for each in earlier}
        return instruction.kind in wanted and all(each.kind != instruction.kind for each in earlier)

    def _approved(self, payment_id: str) -> list[Operation]:
        return [each for each in self._by_payment.get(payment_id, ()) if each.answer.approved]

    def _moved(self, payment_id: str, kind: OperationKind) -> int:
        instructions = [each.instruction for each in self._approved(payment_id)]
        return sum(each.amount.amount_minor for each in instructions if each.kind == kind and each.amount)


class SimulatedCards:
    """Implements `CardProcessor` in memory; what the log says is what happened, whatever the caller was told."""

    def __init__(self) -> None:
        self.books = CardBooks()

    async def authorise(self, key: str, payment_id: str, amount: Money, payment_token: str) -> Answer:
        return self._do(
            key, Instruction(kind="authorisation", payment_id=payment_id, amount=amount, payment_token=payment_token)
        )

    async def capture(self, key: str, payment_id: str, amount: Money) -> Answer:
        return self._do(key, Instruction(kind="capture", payment_id=payment_id, amount=amount))

    async def void(self, key: str, payment_id: str) -> Answer:
        return self._do(key, Instruction(kind="void", payment_id=payment_id))

    async def refund(self, key: str, payment_id: str, refund_id: str, amount: Money) -> Answer:
        return self._do(key, Instruction(kind="refund", payment_id=payment_id, amount=amount, refund_id=refund_id))

    async def find(self, key: str) -> Answer | None:
        return self.books.find(key)

    def _do(self, key: str, instruction: Instruction) -> Answer:
        try:
            answer, trouble = self.books.carry_out(key, instruction)
        except KeyReused:
            raise Broken(f"{key} was another instruction before") from None
        if trouble == "late":
            raise TimedOut("the answer came too late")
        if trouble != "none" or answer is None:
            raise Broken("the card processor answered 500")
        return answer
