"""Events of other domains that become commands of ours."""

from __future__ import annotations

from actors.mesh._actor import Happened
from actors.mesh._blueprint import Blueprint
from actors.mesh._client import Client
from actors.mesh._errors import Refused
from actors.mesh._follow import Inbound
from actors.mesh._lifting import lift_stored
from actors.mesh._log import get_logger
from actors.mesh._privacy import Privacy
from actors.mesh._read import decided_at_ms
from schemas.envelope import CORRELATION_ID, PERSON, Envelope, derived_id
from schemas.message import domain_of, wire_name

log = get_logger()


class Reactions:
    """Sends what one domain's reactions answer with; the command's id follows from the event's."""

    def __init__(self, blueprint: Blueprint, client: Client, privacy: Privacy) -> None:
        self._reactions, self._client, self._privacy = blueprint.actor.reactions, client, privacy

    async def handle(self, inbound: Inbound) -> None:
        """React to one event; a refusal means that the reaction is no longer wanted."""
        for reaction in self._reactions:
            if (domain_of(reaction.event), wire_name(reaction.event)) != (inbound.domain, inbound.event.name):
                continue
            happened = Happened(inbound.event.key, inbound.event.version, decided_at_ms(inbound.event))
            body, places = lift_stored(reaction.event, inbound.event)
            command = reaction.react(await self._privacy.open(reaction.event, body, places), happened)
            if command is None:
                continue
            given = Envelope(
                command_id=derived_id(inbound.event_id, reaction.react.__name__),
                cause_id=inbound.event_id,
                correlation_id=inbound.headers.get(CORRELATION_ID, ""),
            )
            envelope = self._client.envelope(given, on_behalf_of=inbound.headers.get(PERSON, ""))
            try:
                await self._client.carry(command, envelope)
            except Refused as refusal:
                log.info("reaction refused", event_id=inbound.event_id, code=refusal.code)
