"""The secrets of a data folder: the same at every start, completed where a later version needs more."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from infra.local.failures import StartFailed
from infra.local.secrets import DOMAINS, FILE, ISSUERS, PEOPLE, TEAMS, Secrets, key_id, load_or_make


def test_they_are_the_same_at_every_start(tmp_path: Path) -> None:
    assert load_or_make(tmp_path) == load_or_make(tmp_path)


def test_they_are_for_their_owner_alone(tmp_path: Path) -> None:
    load_or_make(tmp_path)
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600


def test_everybody_has_a_password_of_their_own(tmp_path: Path) -> None:
    passwords = load_or_make(tmp_path).passwords
    assert set(passwords) == {person.subject for person in (*PEOPLE, *TEAMS)}
    assert len(set(passwords.values())) == len(passwords)


def test_what_an_older_version_did_not_have_is_made_and_the_rest_stays(tmp_path: Path) -> None:
    whole = load_or_make(tmp_path)
    older = msgspec.to_builtins(whole)
    del older["access_seed"], older["passwords"]
    older["domain_passwords"].pop(DOMAINS[-1])
    older["signing_seeds"].pop(ISSUERS[-1])
    older["tokens"] = dict(list(older["tokens"].items())[:2])
    (tmp_path / FILE).write_bytes(msgspec.json.encode(older))
    completed = load_or_make(tmp_path)
    assert (completed.master_key, completed.hmac_key) == (whole.master_key, whole.hmac_key)
    assert set(completed.domain_passwords) == set(DOMAINS)
    assert set(completed.signing_seeds) == set(ISSUERS)
    assert older["domain_passwords"].items() <= completed.domain_passwords.items()
    assert [token for token, _ in zip(completed.tokens, range(2), strict=False)] == list(older["tokens"])
    assert {person.subject for person in completed.tokens.values()} == {person.subject for person in PEOPLE}
    assert completed.access_seed
    assert load_or_make(tmp_path) == completed


def test_the_keys_that_all_is_encrypted_by_are_never_made_anew(tmp_path: Path) -> None:
    older = msgspec.to_builtins(load_or_make(tmp_path))
    del older["master_key"]
    (tmp_path / FILE).write_bytes(msgspec.json.encode(older))
    with pytest.raises(StartFailed, match="master_key"):
        load_or_make(tmp_path)


def test_another_key_has_another_name(tmp_path: Path) -> None:
    secrets: Secrets = load_or_make(tmp_path)
    names = {key_id(seed) for seed in (secrets.access_seed, *secrets.signing_seeds.values())}
    assert len(names) == 1 + len(secrets.signing_seeds)
