"""Personal data under each person's own key: sealed before it is kept, opened to be used, gone when the key is."""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from functools import cache
from typing import Any, Protocol, TypeVar

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from actors.mesh._errors import Broken
from actors.mesh._key_cache import KeyCache
from actors.mesh._lifting import NOTHING_MOVED, SEALED_PREFIX, Places
from actors.mesh._personal import changed, check_personal, mask, personal_fields

ERASED = "[erased]"
"""What stands in the place of a text whose key was destroyed."""

PREFIX = SEALED_PREFIX
"""What a sealed text begins with. Texts in a marked field without it were kept before the field was marked."""

KEY_BYTES = 32
NONCE_BYTES = 12  # 96 bits, as GCM wants; random, since one person's key never sees anything near 2^32 texts
SALT_BYTES = 16  # makes a key of its own for each body under the domain's key, which may well see 2^32 of them

_UNDER_DOMAIN, _UNDER_PERSON, _WITHOUT = b"\x01", b"\x02", b"\x03"

Message = TypeVar("Message", bound=msgspec.Struct)


class DataKeys(Protocol):
    """Where the wrapped keys of persons live. Raises `Unavailable` when it is away."""

    async def get(self, person_ids: Collection[str]) -> Mapping[str, bytes | None]:
        """Return the wrapped key of each person that has one, None for those whose key was destroyed."""
        ...

    async def make(self, person_id: str, wrapped: bytes) -> bytes | None:
        """Keep a person's first key; return the one that stands, which may be another's, or None once destroyed."""
        ...

    async def destroy(self, person_id: str) -> None:
        """Destroy a person's key for ever; nobody can make another."""
        ...


class Privacy:
    """Seals and opens what says something about a person."""

    def __init__(
        self,
        keys: DataKeys,
        *,
        master_key: bytes,
        hmac_key: bytes,
        now_ms: Callable[[], int],
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        if len(master_key) < KEY_BYTES or len(hmac_key) < KEY_BYTES:
            raise ValueError(f"the master key and the HMAC key need at least {KEY_BYTES} bytes each")
        self._keys = keys
        self._random = random_bytes
        self._wrapping = AESGCM(_derive(master_key, "wrap"))
        self._domain_key = _derive(master_key, "domain")
        self._fingerprint_key = _derive(hmac_key, "fingerprint")
        self._index_key = _derive(hmac_key, "blind index")
        self._cache = KeyCache(now_ms)

    async def seal(self, message: msgspec.Struct) -> bytes:
        """Return a message's JSON with every personal text encrypted under the key of the person it is about."""
        struct = type(message)
        if personal_fields(struct):
            check_personal(struct)
            keys = await self._keys_of(_persons((message,)), make=True)
            message = self._sealed(message, keys)
        return msgspec.json.encode(message)

    async def open(self, struct: type[Message], body: bytes, places: Places = NOTHING_MOVED) -> Message:
        """Return the message in a sealed body; `[erased]` stands for what belonged to a destroyed key.

        `places` says where texts were sealed that an upcast has moved since.
        Raises `Broken` where something was tampered with, and msgspec's own error for JSON of another shape.
        """
        return (await self.open_many(struct, (body,), places))[0]

    async def open_many(
        self, struct: type[Message], bodies: Sequence[bytes], places: Places = NOTHING_MOVED
    ) -> list[Message]:
        """Open many bodies of one type, with one look for all their keys."""
        decode = _decoder(struct).decode
        messages: list[Message] = [decode(body) for body in bodies]
        keys = await self._keys_of(_persons(messages), make=False)
        return [self._opened(message, keys, places) for message in messages]

    async def open_mixed(
        self, bodies: Sequence[tuple[type[msgspec.Struct], bytes]], places: Places = NOTHING_MOVED
    ) -> list[msgspec.Struct]:
        """Open bodies of several types, such as a key's history, with one look for all their keys."""
        messages: list[msgspec.Struct] = [_decoder(struct).decode(body) for struct, body in bodies]
        keys = await self._keys_of(_persons(messages), make=False)
        return [self._opened(message, keys, places) for message in messages]

    async def seal_bytes(self, purpose: str, body: bytes, person: str | None = None) -> bytes:
        """Encrypt a whole body under a person's key, or the domain's; what it is for must be named again to open it."""
        nonce = self._random(NONCE_BYTES)
        context = _context("body", purpose, person or "")
        if person is None:
            salt = self._random(SALT_BYTES)
            return _UNDER_DOMAIN + salt + nonce + self._salted(salt).encrypt(nonce, body, context)
        key = (await self._keys_of({person}, make=True))[person]
        return _WITHOUT if key is None else _UNDER_PERSON + nonce + key.encrypt(nonce, body, context)

    async def open_bytes(self, purpose: str, sealed: bytes, person: str | None = None) -> bytes | None:
        """Return what `seal_bytes` encrypted, or None once the person's key was destroyed.

        Raises `Broken` where it was tampered with, or is not what it is taken for.
        """
        kind, rest = sealed[:1], sealed[1:]
        try:
            if person is None:
                salt, rest = rest[:SALT_BYTES], rest[SALT_BYTES:]
                key: AESGCM | None = self._salted(salt)
            else:
                key = None if kind == _WITHOUT else _known(await self._keys_of({person}, make=False), person)
            if key is None:
                return None
            if kind != (_UNDER_DOMAIN if person is None else _UNDER_PERSON):
                raise InvalidTag
            return key.decrypt(rest[:NONCE_BYTES], rest[NONCE_BYTES:], _context("body", purpose, person or ""))
        except (InvalidTag, ValueError) as error:
            whose = person or "the domain"
            raise Broken(f"{purpose} of {whose} does not open: tampered with, or another key") from error

    async def erase(self, person_id: str) -> None:
        """Destroy a person's key: here at once, in other processes when their cached keys run out."""
        await self._keys.destroy(person_id)
        self._cache.remember_erased(person_id)

    def fingerprint(self, message_subject: str, principal: str, body: msgspec.Struct) -> bytes:
        """Return what tells a repeated command from another one under the same id, and nothing about its content."""
        canonical = msgspec.json.encode((message_subject, principal, body), order="sorted")
        return hmac.digest(self._fingerprint_key, canonical, "sha256")

    def blind_index(self, scope: str, value: str) -> str:
        """Return what a value is looked up by, equal for equal values of a scope. The caller normalises."""
        digest = hmac.digest(self._index_key, msgspec.json.encode((scope, value)), "sha256")
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

    @staticmethod
    def mask(struct: type[msgspec.Struct], data: Any) -> Any:
        """Return a message's decoded JSON with what is personal hidden, for logs and tools."""
        return mask(struct, data)

    def _salted(self, salt: bytes) -> AESGCM:
        return AESGCM(hmac.digest(self._domain_key, salt, "sha256"))

    def _sealed(self, message: Message, keys: Mapping[str, AESGCM | None]) -> Message:
        struct = type(message)
        for path in personal_fields(struct):
            person = _person(message, path.person_field)

            def encrypt(text: str, where: str, person: str = person) -> str:
                if not person:
                    raise ValueError(f"{struct.__name__}.{where} holds personal data, but its person's id is empty")
                key = keys[person]
                if key is None or text == ERASED:
                    return ERASED
                nonce = self._random(NONCE_BYTES)
                sealed = nonce + key.encrypt(nonce, text.encode(), _context(struct.__name__, where, person))
                return PREFIX + base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()

            message = changed(message, path, encrypt)
        return message

    def _opened(self, message: Message, keys: Mapping[str, AESGCM | None], places: Places) -> Message:
        struct = type(message)
        for path in personal_fields(struct):
            person = _person(message, path.person_field)

            def decrypt(text: str, where: str, person: str = person) -> str:
                if not text.startswith(PREFIX):
                    return text
                key = _known(keys, person)
                if key is None:
                    return ERASED
                return _decrypted(key, text, [(struct.__name__, place, person) for place in places.get(text, (where,))])

            message = changed(message, path, decrypt)
        return message

    async def _keys_of(self, persons: Collection[str], *, make: bool) -> Mapping[str, AESGCM | None]:
        """Return the key of each person: None where it was destroyed, nothing where there never was one."""
        found = {person: known.key for person in persons if (known := self._cache.get(person)) is not None}
        missing = [person for person in persons if person not in found]
        if missing:
            stored = await self._keys.get(missing)
            for person in missing:
                if person in stored:
                    wrapped = stored[person]
                elif make:
                    wrapped = await self._keys.make(person, self._wrap(person, self._random(KEY_BYTES)))
                else:
                    continue
                found[person] = self._cache.remember(person, None if wrapped is None else self._unwrap(person, wrapped))
        return found

    def _wrap(self, person: str, key: bytes) -> bytes:
        nonce = self._random(NONCE_BYTES)
        return nonce + self._wrapping.encrypt(nonce, key, _context("data key", person))

    def _unwrap(self, person: str, wrapped: bytes) -> AESGCM:
        try:
            key = self._wrapping.decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], _context("data key", person))
        except (InvalidTag, ValueError) as error:
            raise Broken(f"the data key of {person} does not open: tampered with, or another master key") from error
        return AESGCM(key)


def _decrypted(key: AESGCM, text: str, contexts: Sequence[tuple[str, str, str]]) -> str:
    encoded, (struct, where, person) = text[len(PREFIX) :], contexts[0]
    try:
        # Strict, and the one spelling only: otherwise several texts would stand for the same bytes.
        sealed = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
        if base64.urlsafe_b64encode(sealed).rstrip(b"=").decode() != encoded:
            raise InvalidTag
        for context in contexts[:-1]:
            with suppress(InvalidTag):
                return key.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], _context(*context)).decode()
        return key.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], _context(*contexts[-1])).decode()
    except (InvalidTag, ValueError, binascii.Error) as error:
        raise Broken(f"{struct}.{where} of {person} does not open: tampered with, moved, or another key") from error


def _known(keys: Mapping[str, AESGCM | None], person: str) -> AESGCM | None:
    # A destroyed key leaves a row behind. None at all means that the keys themselves were lost, and may be restored:
    # to say "erased" would write that into every view.
    if person not in keys:
        raise Broken(f"there is no data key of {person or 'nobody'}, though something was sealed with it")
    return keys[person]


def _persons(messages: Sequence[msgspec.Struct]) -> set[str]:
    found = {_person(message, path.person_field) for message in messages for path in personal_fields(type(message))}
    return found - {""}


def _person(message: msgspec.Struct, field: str) -> str:
    return getattr(message, field, None) or ""


def _context(*parts: str) -> bytes:
    # JSON keeps the parts apart whatever stands in them; this binds a ciphertext to its place and its person.
    return msgspec.json.encode(parts)


def _derive(key: bytes, purpose: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=f"actor-mesh {purpose}".encode()).derive(key)


@cache
def _decoder(struct: type[Message]) -> msgspec.json.Decoder[Message]:
    return msgspec.json.Decoder(struct)
