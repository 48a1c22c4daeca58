"""Values that nobody without the key can have written."""

import hmac
from collections.abc import Sequence

from cachex_client.errors import ConfigurationError, SerializerError

# 0xC1 begins no pickle, no text in UTF-8, no compressed frame, and MessagePack never uses it.
MARK = b"\xc1\x01"
DIGEST = "sha256"
DIGEST_SIZE = 32
PURPOSE = b"cachex_client.signing"


class Signer:
    """Puts a mark and an HMAC-SHA256 before bytes, and checks and takes off both.

    The first key signs, all of them verify: put a new one first, and drop the old one when what it
    signed has expired. A signature does not say under which key of the cache a value was stored.
    """

    def __init__(self, key: str | bytes, fallbacks: Sequence[str | bytes] = ()) -> None:
        self._keys = [_derived(secret) for secret in (key, *fallbacks)]

    def sign(self, payload: bytes) -> bytes:
        return MARK + hmac.digest(self._keys[0], payload, DIGEST) + payload

    def verify(self, signed: bytes) -> bytes:
        """Return what was signed; `SerializerError` if none of the keys has signed it."""
        start = len(MARK) + DIGEST_SIZE
        given, payload = signed[len(MARK) : start], signed[start:]
        for key in self._keys:
            if hmac.compare_digest(hmac.digest(key, payload, DIGEST), given):
                return payload
        raise SerializerError(f"the signature of a value of {len(signed)} bytes does not match")


def _derived(secret: str | bytes) -> bytes:
    """Make a key for this purpose alone, as the secret may serve others too."""
    if not secret:
        raise ConfigurationError("a signing key must not be empty")
    secret = secret.encode() if isinstance(secret, str) else secret
    return hmac.digest(secret, PURPOSE, DIGEST)
