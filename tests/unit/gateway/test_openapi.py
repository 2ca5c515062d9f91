"""The document says who may ask what, what nobody may keep, and where to go on."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.openapi import document
from gateway.routes import ROUTES, Route
from schemas.message import sensitive_fields
from schemas.principal import OPEN

API = document(ROUTES, "0")


def operation(route: Route) -> Any:
    return API["paths"][route.path][route.method.lower()]


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_an_operation_names_its_permission_and_whether_anybody_may(route: Route) -> None:
    described = operation(route)
    assert described["x-permission"] == route.permission
    assert (described.get("security") == []) == (route.permission in OPEN)
    assert ("403" in described["responses"]) == (route.permission not in OPEN)


def test_what_nobody_may_keep_is_written_only() -> None:
    secret = {"format": "password", "writeOnly": True}
    named = [(route, name) for route in ROUTES for name in sensitive_fields(route.message)]
    for route, name in named:
        field = API["components"]["schemas"][f"{route.message.__name__}Body"]["properties"][name]
        assert field | secret == field, f"{route.name}.{name}"
    assert len(named) >= 8
    shown = API["components"]["schemas"]["SessionTokens"]["properties"]
    assert not any("writeOnly" in field for field in shown.values()), "what is answered is read"


def linked(method: str, path: str, status: str = "201") -> Any:
    return API["paths"][path][method]["responses"][status]["links"]


def test_what_was_made_is_asked_for_by_its_id() -> None:
    placed = linked("post", "/v1/orders")
    assert placed["GetOrder"] == {"operationId": "GetOrder", "parameters": {"order_id": "$response.body#/order_id"}}
    later = linked("post", "/v1/orders", "202")
    assert later["GetOrder"]["parameters"] == {"order_id": "$response.body#/entity_id"}
    assert linked("post", "/v1/users")["VerifyEmail"]["parameters"] == {"user_id": "$response.body#/entity_id"}


def test_a_log_in_says_how_it_is_refreshed() -> None:
    assert linked("post", "/v1/sessions")["RefreshSession"] == {
        "operationId": "RefreshSession",
        "parameters": {"session_id": "$response.body#/session_id"},
        "requestBody": {"refresh_token": "$response.body#/refresh_token"},
    }
