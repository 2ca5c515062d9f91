"""Providers that send nothing and keep what they were given: for tests, with troubles to meet first."""

from __future__ import annotations

from typing import NamedTuple

from actors.mesh import Fault
from actors.notifications.provider.port import Answer
from actors.notifications.rendering import Mail, Note


class SentMail(NamedTuple):
    name: str
    address: str
    mail: Mail


class Recorder:
    """Keeps one message a key; `troubles` are met one a call, before (not executed) or after it has been kept."""

    def __init__(self, *troubles: Fault | Answer, answers: bool = True) -> None:
        self.calls = 0
        self.answers = answers
        self.troubles = list(troubles)
        self._taken: dict[str, Answer] = {}

    def take(self, key: str) -> Answer:
        """Return the answer to a call; raise the trouble it meets."""
        self.calls += 1
        trouble = self.troubles.pop(0) if self.troubles else None
        if isinstance(trouble, Answer):
            return trouble
        if trouble is None or trouble.executed:
            self._taken.setdefault(key, Answer(accepted=True, provider_id=f"provider-{len(self._taken) + 1}"))
        if trouble is not None:
            raise trouble
        return self._taken[key]

    async def find(self, key: str) -> Answer | None:
        return self._taken.get(key) if self.answers else None


class RecordedMails(Recorder):
    """Implements `MailServer`: `mails` lists every mail taken, also one that came twice."""

    def __init__(self, *troubles: Fault | Answer, answers: bool = False) -> None:
        super().__init__(*troubles, answers=answers)
        self.mails: list[tuple[str, SentMail]] = []

    async def send(self, message_id: str, name: str, address: str, mail: Mail) -> Answer:
        trouble = self.troubles[0] if self.troubles else None
        if trouble is None or (isinstance(trouble, Fault) and trouble.executed):
            self.mails.append((message_id, SentMail(name, address, mail)))
        return self.take(message_id)


class RecordedSms(Recorder):
    """Implements `SmsGateway`: `texts` by key."""

    def __init__(self, *troubles: Fault | Answer) -> None:
        super().__init__(*troubles)
        self.texts: dict[str, tuple[str, str]] = {}

    async def send(self, key: str, phone: str, text: str) -> Answer:
        answer = self.take(key)
        self.texts[key] = (phone, text)
        return answer


class RecordedPush(Recorder):
    """Implements `PushGateway`: `notes` by key."""

    def __init__(self, *troubles: Fault | Answer) -> None:
        super().__init__(*troubles)
        self.notes: dict[str, tuple[tuple[str, ...], Note]] = {}

    async def send(self, key: str, device_tokens: tuple[str, ...], note: Note) -> Answer:
        answer = self.take(key)
        self.notes[key] = (device_tokens, note)
        return answer
