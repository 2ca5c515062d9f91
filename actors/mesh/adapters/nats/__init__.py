"""The bus over NATS: `open_nats` is all there is to it from outside."""

from actors.mesh.adapters.nats.bus import NatsBus, open_nats

__all__ = ["NatsBus", "open_nats"]
