"""Settings: a process starts with all it needs, or says at once all that is wrong."""

import base64

import msgspec
import pytest

from actors.mesh._settings import VARIABLES, PoolSettings, Secret, SettingsError, read_settings, variable_of

KEY = base64.b64encode(bytes(range(32))).decode()
COMPLETE = {
    "MESH_NATS_URL": "nats://mesh:hunter2@127.0.0.1:4222",
    "MESH_POSTGRES_URL": "postgresql://mesh:hunter2@127.0.0.1/mesh",
    "MESH_REDIS_URL": "redis://127.0.0.1",
    "MESH_MASTER_KEY": KEY,
    "MESH_HMAC_KEY": KEY,
    "MESH_SIGNING_KEY": KEY,
    "MESH_SIGNING_ISSUER": "orders",
    "MESH_VERIFY_KEYS": msgspec.json.encode({"gateway": KEY}).decode(),
    "PATH": "/bin",
}


def problems_of(environment: dict[str, str]) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        read_settings(PoolSettings, environment)
    return caught.value.problems


def test_a_complete_environment_is_read() -> None:
    settings = read_settings(
        PoolSettings, COMPLETE | {"MESH_HEALTH_PORT": "8080", "MESH_TRACE_RATIO": "0.1", "MESH_TRACES": "off"}
    )
    assert settings.postgres_url.reveal().startswith("postgresql://")
    assert settings.master_key.reveal() == bytes(range(32))
    assert settings.verify_keys == {"gateway": bytes(range(32))}
    assert (settings.health_port, settings.trace_ratio, settings.traces) == (8080, 0.1, "off")
    assert settings.mongo_url is None


def test_an_optional_secret_is_wrapped_too() -> None:
    settings = read_settings(PoolSettings, COMPLETE | {"MESH_MONGO_URL": "mongodb://a:b@c"})
    assert settings.mongo_url == Secret("mongodb://a:b@c")


def test_the_collector_is_named_as_the_world_names_it() -> None:
    settings = read_settings(PoolSettings, COMPLETE | {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"})
    assert settings.otlp_endpoint == "http://127.0.0.1:4318"


def test_everything_wrong_is_told_at_once() -> None:
    found = problems_of(
        {
            "MESH_NATS_URL": "nats://127.0.0.1",
            "MESH_POSTGRESS_URL": "postgresql://127.0.0.1",
            "MESH_REDIS_URL": "",
            "MESH_MASTER_KEY": "c2hvcnQ=",
            "MESH_HMAC_KEY": "not base64!",
            "MESH_SIGNING_KEY": KEY,
            "MESH_SIGNING_ISSUER": "orders",
            "MESH_VERIFY_KEYS": "{",
            "MESH_TRACES": "loud",
            "MESH_TRACE_RATIO": "2",
            "MESH_HEALTH_PORT": "http",
        }
    )
    assert [problem.partition(" ")[0] for problem in found] == [
        "MESH_POSTGRESS_URL",
        "MESH_POSTGRES_URL",
        "MESH_REDIS_URL",
        "MESH_MASTER_KEY",
        "MESH_HMAC_KEY",
        "MESH_VERIFY_KEYS",
        "MESH_TRACES",
        "MESH_TRACE_RATIO",
        "MESH_HEALTH_PORT",
    ]
    assert "did you mean MESH_POSTGRES_URL?" in found[0]


def test_a_variable_of_another_process_is_no_typo() -> None:
    read_settings(PoolSettings, COMPLETE | {"MESH_GATEWAY_PORT": "8000"})


def test_an_error_does_not_quote_a_secret() -> None:
    found = problems_of(COMPLETE | {"MESH_MASTER_KEY": "hunter2", "MESH_VERIFY_KEYS": '{"gateway": "hunter2"}'})
    assert len(found) == 2
    assert "hunter2" not in "".join(found)


def test_secrets_do_not_print() -> None:
    settings = read_settings(PoolSettings, COMPLETE)
    for text in (repr(settings), str(settings), f"{settings.master_key}", "%s" % settings.nats_url):  # noqa: UP031
        assert "hunter2" not in text
        assert "•••" in text
    with pytest.raises(TypeError):
        msgspec.json.encode(settings)


def test_secrets_are_compared_by_value() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a")}) == 1


def test_every_field_is_in_the_table_of_variables() -> None:
    fields = msgspec.structs.fields(PoolSettings)
    assert {variable_of(field.name) for field in fields} <= VARIABLES.keys()
