"""Each part of a platform asks for its port by itself and listens on it a while later."""

from __future__ import annotations

from infra.local.ports import free_ports


def test_who_asks_after_another_does_not_get_its_port_though_nobody_listens_there_yet() -> None:
    given = [free_ports(1)[0] for _ in range(900)]
    assert len(set(given)) == len(given)
