"""nats-py and msgspec with nothing around them, for machines without the yardsticks; the rows have the same names.

`serve NAME` and `client NAME`: `natspy-json` is bare; `natspy-json-hdr-task` has headers and a task for each message,
which is what a service needs that waits for a database.
"""

from __future__ import annotations

import asyncio
import os
import sys
from functools import partial

import msgspec
import nats
from nats.aio.msg import Msg

from bench.load import run, steer
from bench.tallies import ORDER, Checked, CheckOrder, checked

HEADERS = {
    "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "mesh-deadline": "1767225600123",
    "mesh-call": "0192f1c4-7b7e-7cc0-9c1e-5f2f3a8d1b11",
    "content-type": "application/json",
}
encode = msgspec.json.Encoder().encode


async def serve(name: str) -> None:
    """Answer order documents until killed."""
    decode, tasks = msgspec.json.Decoder(CheckOrder).decode, set[asyncio.Task[None]]()
    connection = await nats.connect(os.environ["BENCH_NATS"])

    async def answer(message: Msg) -> None:
        await message.respond(encode(checked(decode(message.data))))

    async def answer_beside(message: Msg) -> None:
        assert message.headers is not None
        assert message.headers["traceparent"]
        task = asyncio.create_task(answer(message))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    await connection.subscribe(f"bench.{name}", "bench", cb=answer_beside if name.endswith("task") else answer)
    await asyncio.Event().wait()


async def client(name: str) -> None:
    """Send the order document."""
    decode = msgspec.json.Decoder(Checked).decode
    connection = await nats.connect(os.environ["BENCH_NATS"])
    headers = HEADERS if "hdr" in name else None

    async def call() -> Checked:
        reply = await connection.request(f"bench.{name}", encode(ORDER), timeout=5, headers=headers)
        return decode(reply.data)

    await steer(call)


if __name__ == "__main__":
    run(partial({"serve": serve, "client": client}[sys.argv[1]], sys.argv[2]))
