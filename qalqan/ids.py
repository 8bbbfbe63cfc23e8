"""Identifiers: a hash of stable inputs for what machines make, UUIDv7 for what people do."""

import hashlib
from uuid import UUID

import uuid6


def machine_id(*parts: str) -> str:
    """32 hex digits from the parts in their order; the same parts always give the same id.

    Parts are length-prefixed before hashing, so ("ab", "c") and ("a", "bc") differ.
    """
    digest = hashlib.sha256()
    for part in parts:
        encoded = part.encode()
        digest.update(len(encoded).to_bytes(8, "big"))
        digest.update(encoded)
    return digest.hexdigest()[:32]


def act_id() -> UUID:
    """A new UUIDv7 (RFC 9562): ordered by the time of the act."""
    return UUID(int=uuid6.uuid7().int)


def sha256_hex(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
