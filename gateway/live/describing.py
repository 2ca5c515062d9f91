"""What the OpenAPI document says about the live stream: its answer is no JSON, so no type can say it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gateway.live.topics import Topic
from schemas.principal import permission

EXAMPLE = """retry: 2000
id: orders:41@2c26b46b
event: ready
data: {"topics":["orders"]}

id: orders:42@2c26b46b
event: orders
data: {"topic":"orders","event":"order_paid","key":"order/o-1","version":5,"at_ms":1767225600000,"data":{}}

"""
LAST_EVENT_ID = {"type": "string", "maxLength": 512}


def live_operation(topics: Iterable[Topic], problems: Iterable[str]) -> dict[str, Any]:
    """Return the operation; `problems` are the statuses whose answers are described elsewhere."""
    listed = "; ".join(f"`{topic.name}` needs `{permission(topic.query)}`" for topic in topics)
    refused = {status: {"$ref": f"#/components/responses/Problem{status}"} for status in sorted(problems)}
    return {
        "operationId": "live",
        "tags": ["live"],
        "summary": "Hear what happens, as server-sent events, for as long as the connection lasts.",
        "parameters": [
            {
                "name": "topics",
                "in": "query",
                "description": f"Which, separated by commas; all that are allowed where none are named. {listed}.",
                "schema": {"type": "string"},
            },
            {
                "name": "Last-Event-ID",
                "in": "header",
                "description": "The last id that was received: everything after it is sent, nothing twice.",
                "schema": LAST_EVENT_ID,
            },
            {
                "name": "last_event_id",
                "in": "query",
                "description": "The same, for who cannot set the header; the header counts where both are given.",
                "schema": LAST_EVENT_ID,
            },
        ],
        "responses": {
            "200": {
                "description": "Events until the client hangs up, or `closing`, `dropped` or `expired` says why not.",
                "headers": {
                    name: {"$ref": f"#/components/headers/{name}"} for name in ("X-Request-Id", "Mesh-Trace-Id")
                },
                "content": {"text/event-stream": {"schema": {"type": "string"}, "example": EXAMPLE}},
            },
            **refused,
        },
    }
