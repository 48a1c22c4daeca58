"""Values that nobody without the key can have written, nor taken from under another key."""

import hmac
from collections.abc import Sequence

from cachex_client.errors import ConfigurationError, SerializerError
from cachex_pool.checks import encodes
from cachex_pool.secrecy import keeps_secrets

# 0xC1 begins no pickle, no text in UTF-8, no compressed frame, and MessagePack never uses it.
MARK = b"\xc1\x01"
DIGEST = "sha256"
DIGEST_SIZE = 32
PURPOSE = b"cachex_client.signing"
BOUND = PURPOSE + b".bound"
ENOUGH = 16  # characters of a key
DIFFERENT = 5  # of them
OVERHEAD = len(MARK) + DIGEST_SIZE


class Signer:
    """Puts a mark and an HMAC-SHA256 before bytes, and checks and takes off both.

    The first key signs, all of them verify: put a new one first, and drop the old one when what it
    signed has expired. With `binds_key` the signature says where a value is stored, too: `place` is
    the full key of the cache, `part` what is inside of it, such as the field of a hash. There it is
    accepted, and nowhere else.
    """

    @keeps_secrets()
    def __init__(
        self, key: str | bytes, fallbacks: Sequence[str | bytes] = (), *, binds_key: bool = True
    ) -> None:
        if not isinstance(fallbacks, list | tuple):  # each letter of a text would be a key
            kind = type(fallbacks).__name__
            raise ConfigurationError(f"the fallbacks of a signing key are a list, not a {kind}")
        purpose = BOUND if binds_key else PURPOSE  # what is signed one way means nothing the other
        self._secrets = [_Secret(secret, purpose) for secret in (key, *fallbacks)]
        self.binds_key = binds_key
        self.has_fallbacks = len(self._secrets) > 1
        self.is_weak = any(one.is_weak for one in self._secrets)

    def sign(self, payload: bytes, place: bytes = b"", part: bytes = b"") -> bytes:
        """Return the payload with its signature."""
        return MARK + self._secrets[0].mac(self._message(payload, place, part)) + payload

    def sign_by_all(self, payload: bytes, place: bytes = b"", part: bytes = b"") -> list[bytes]:
        """Return the payload with the signature of each key, that of the first one first."""
        message = self._message(payload, place, part)
        return [MARK + one.mac(message) + payload for one in self._secrets]

    def verify(self, signed: bytes, place: bytes = b"", part: bytes = b"") -> bytes:
        """Return what was signed; `SerializerError` if none of the keys has signed it for there."""
        payload, size = signed[OVERHEAD:], len(signed)
        message, given = self._message(payload, place, part), signed[len(MARK) : OVERHEAD]
        matches = [hmac.compare_digest(one.mac(message), given) for one in self._secrets]
        if any(matches):
            return payload
        del signed, payload, message, given  # so that no traceback shows them
        here = " for this key" if self.binds_key else ""
        raise SerializerError(f"the signature of a value of {size} bytes does not match{here}")

    def _message(self, payload: bytes, place: bytes, part: bytes) -> bytes:
        if not self.binds_key:
            return payload
        sizes = len(place).to_bytes(8, "big") + len(part).to_bytes(8, "big")
        return sizes + place + part + payload


class _Secret:
    """A key for this purpose alone, as the one given may serve others too; it shows nothing."""

    __slots__ = ("_raw", "is_weak")

    def __init__(self, given: str | bytes, purpose: bytes) -> None:
        usable = is_usable(given)
        self._raw = hmac.digest(_encoded(given), purpose, DIGEST) if usable else b""
        self.is_weak = not usable or _is_guessable(given)
        del given
        if not usable:
            raise ConfigurationError(
                "a signing key is text that encodes as UTF-8, or bytes, and not empty"
            )

    def __repr__(self) -> str:
        return "<signing key>"

    def mac(self, message: bytes) -> bytes:
        return hmac.digest(self._raw, message, DIGEST)


def _is_guessable(secret: str | bytes) -> bool:
    """Say whether a key is short, of few different characters, or one word again and again."""
    raw = _encoded(secret)
    return len(secret) < ENOUGH or len(set(secret)) < DIFFERENT or raw in (raw + raw)[1:-1]


def is_usable(key: object) -> bool:
    """Say whether something can be a signing key."""
    if isinstance(key, str):
        return key != "" and encodes(key)
    return isinstance(key, bytes) and key != b""


def _encoded(secret: str | bytes) -> bytes:
    return secret.encode() if isinstance(secret, str) else secret
