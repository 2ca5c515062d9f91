"""Which loopback ports the parts listen on: the well-known ones, those asked for, or free ones."""

import random
import socket
from collections import deque
from collections.abc import Iterable, Mapping

from infra.local.failures import StartFailed
from infra.local.settings import FIXED_PORTS, PORT_NAMES

LOOPBACK = "127.0.0.1"

# Below the range from which Linux (32768) and macOS (49152) take the port of an outgoing connection: a port found
# free there could be given away between our look and the server's start.
_FREE_RANGE = range(20000, 32000)
_FREE_ATTEMPTS = 200
# Not given again at once: whoever got one may not listen there yet.
_lately_given: deque[int] = deque(maxlen=1_000)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on; all are held until the last is found, so that they differ."""
    held: list[socket.socket] = []
    try:
        for _ in range(_FREE_ATTEMPTS + count):
            if len(held) == count:
                break
            port = random.choice(_FREE_RANGE)  # noqa: S311 - two platforms must not try the same order
            listener = None if port in _lately_given else _listener(port)
            if listener is not None:
                held.append(listener)
                _lately_given.append(port)
        if len(held) < count:
            raise StartFailed("platform", "no free port was found", "stop some of the servers that run on this machine")
        return [int(listener.getsockname()[1]) for listener in held]
    finally:
        for listener in held:
            listener.close()


def choose_ports(asked: Mapping[str, int], *, fixed: bool, needed: Iterable[str]) -> dict[str, int]:
    """A port for every name: what the environment asks for, else the well-known one, else a free one."""
    wanted = {name: asked.get(name, FIXED_PORTS.get(name, 0) if fixed else 0) for name in PORT_NAMES}
    for name in needed:
        if wanted[name]:
            _must_be_free(name, wanted[name])
    open_names = [name for name, port in wanted.items() if not port]
    return wanted | dict(zip(open_names, free_ports(len(open_names)), strict=True))


def is_free(port: int) -> bool:
    """Tell whether something could listen there now."""
    listener = _listener(port)
    if listener is not None:
        listener.close()
    return listener is not None


def _must_be_free(name: str, port: int) -> None:
    if not is_free(port):
        raise StartFailed(name, f"port {port} is taken", taken_remedy(name))


def taken_remedy(name: str) -> str:
    """Say what to do where the port of a part is taken."""
    return f"stop what listens there, or set MESH_{name.upper()}_PORT to another port (0 finds a free one)"


def _listener(port: int) -> socket.socket | None:
    listener = socket.socket()
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((LOOPBACK, port))
        listener.listen(1)
    except OSError:
        listener.close()
        return None
    return listener
