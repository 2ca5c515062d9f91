"""Whatever is sent, the answer is a problem document or what the mesh said: never a 500, never a raised error."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.app import awaited
from gateway.reading import IN_PATH
from gateway.routes import ROUTES
from tests.unit.gateway.conftest import Gateway

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
field_names = st.sampled_from(
    sorted({name for route in ROUTES for name in route.message.__struct_fields__} | {"quantity", "amount_minor"})
)
bodies = st.one_of(
    st.binary(max_size=200),
    st.dictionaries(field_names, json_values, max_size=6).map(lambda value: msgspec.json.encode(value)),
    json_values.map(msgspec.json.encode),
    st.text(max_size=100).map(lambda text: text.encode("utf-8", "surrogatepass")),
)
words = st.just("a-1") | st.text(min_size=1, max_size=70).filter(lambda text: "/" not in text)
queries = st.one_of(
    st.binary(max_size=80),
    st.lists(st.tuples(field_names, st.text(max_size=20)), max_size=4).map(
        lambda pairs: "&".join(f"{name}={text}" for name, text in pairs).encode("utf-8", "surrogatepass")
    ),
)
headers = st.lists(st.tuples(st.sampled_from([b"idempotency-key", b"prefer", b"traceparent", b"x-request-id",
                                              b"content-encoding", b"host", b"content-length"]),
                             st.binary(max_size=40)), max_size=3)  # fmt: skip


@pytest.fixture(scope="module")
def shared() -> Gateway:
    gateway = Gateway()
    gateway.mesh.watched.extend(awaited(ROUTES))
    return gateway


@settings(max_examples=300, deadline=None)
@given(data=st.data(), body=bodies, query=queries, given_headers=headers)
def test_nothing_that_is_sent_is_a_500(
    shared: Gateway, data: Any, body: bytes, query: bytes, given_headers: Any
) -> None:
    shared.mesh.asked.clear()
    route = data.draw(st.sampled_from(ROUTES))
    path = IN_PATH.sub(lambda _: data.draw(words), route.path)
    token = data.draw(st.sampled_from(["ada-token", "alma-token"]))
    answer = asyncio.run(shared.call(route.method, path, body, query=query, headers=given_headers, token=token))
    assert answer.status < 500, answer
    if answer.status >= 400:
        assert answer.problem["status"] == answer.status
        assert answer.problem["code"]
        assert shared.mesh.asked == []
