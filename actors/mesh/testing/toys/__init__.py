"""Two domains so small that a test of the mesh can be read without knowing any other, and a bell to ring outside."""

from __future__ import annotations

from actors.mesh._errors import Fault
from actors.mesh.testing.memory_mesh import MemoryMesh
from actors.mesh.testing.toys import counters, limits


class LoudBell:
    """Rings once a key; `faults` are met first, before (`executed` false) or after it has rung."""

    def __init__(self, *faults: Fault) -> None:
        self.rung: dict[str, str] = {}
        self.calls = 0
        self._faults = list(faults)

    async def ring(self, key: str, counter_id: str) -> str:
        self.calls += 1
        fault = self._faults.pop(0) if self._faults else None
        if fault is None or fault.executed:
            self.rung.setdefault(key, f"tone-{len(self.rung) + 1}")
        if fault is not None:
            raise fault
        return self.rung[key]

    async def heard(self, key: str) -> str | None:
        return self.rung.get(key)


def toy_mesh(*, bell: LoudBell | None = None, pools_per_domain: int = 1) -> MemoryMesh:
    """Return a mesh of both toys."""
    return MemoryMesh(
        (counters.actor, limits.actor), outside={counters.BELL: bell or LoudBell()}, pools_per_domain=pools_per_domain
    )
