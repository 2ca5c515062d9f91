"""What could not be dealt with is kept once, readable by nobody who may not, with the reason."""

from __future__ import annotations

from actors.mesh._dead_letters import DETAIL_CHARACTERS_MAX, DeadLetters
from actors.mesh.testing.toys import toy_mesh
from schemas.envelope import COMMAND_ID, PRINCIPAL

HEADERS = {COMMAND_ID: "00000000-0000-4000-8000-000000000001", PRINCIPAL: "a token", "Mesh-Key": "a"}


async def test_a_letter_says_what_happened_and_keeps_the_body_sealed() -> None:
    async with toy_mesh() as mesh:
        rows = mesh.pools[0]._world.store.dead_letters
        letters = DeadLetters(rows, mesh.privacy(), mesh.clock)
        for reader in ("one", "one", "two"):
            await letters.park(
                "x.event.y.1", HEADERS, b"secret", reader=reader, error=ValueError("z" * 9999), attempts=3
            )
        one, two = await rows.list("", 10)
        assert {one.reader, two.reader} == {"one", "two"}
        assert (one.subject, one.reason, one.attempts) == ("x.event.y.1", "ValueError", 3)
        assert len(one.detail) <= DETAIL_CHARACTERS_MAX
        assert "a token" not in one.headers
        assert b"secret" not in one.body
        assert await mesh.privacy().open_bytes("dead_letter", one.body) == b"secret"


async def test_a_letter_tells_where_a_bug_is_and_quotes_no_value() -> None:
    def meet(name: str) -> None:
        try:
            int(name)
        except ValueError as error:
            raise RuntimeError("a sentence of ours") from error

    async with toy_mesh() as mesh:
        rows = mesh.pools[0]._world.store.dead_letters
        try:
            meet("-".join(("Ada", "Byron")))
        except RuntimeError as bug:
            await DeadLetters(rows, mesh.privacy(), mesh.clock).park(
                "x.event.y.1", HEADERS, b"", reader="one", error=bug
            )
        (letter,) = await rows.list("", 10)
        assert "Ada-Byron" not in letter.detail
        assert "in meet" in letter.detail
        assert "ValueError: (its words are withheld" in letter.detail
        assert letter.detail.endswith("RuntimeError: a sentence of ours")
