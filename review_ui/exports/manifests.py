"""Manifests of what leaves the house, signed, as bytes."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from qalqan.clock import to_iso
from qalqan.ids import sha256_hex
from qalqan.signing import SigningKey, sign_manifest

FORMAT = "qalqan-manifest/1"


def make_envelope(
    kind: str, files: Mapping[str, bytes], moment: datetime, key: SigningKey, **more: Any
) -> dict[str, Any]:
    """The signed manifest of some files. kind: package, export or audit. more: further fields of the manifest."""
    listed = [(path, sha256_hex(content), len(content)) for path, content in files.items()]
    return envelope_of(kind, listed, moment, key, **more)


def envelope_of(
    kind: str, files: list[tuple[str, str, int]], moment: datetime, key: SigningKey, **more: Any
) -> dict[str, Any]:
    """files: (path, SHA-256, size in bytes)."""
    manifest = {
        "format": FORMAT,
        "kind": kind,
        **more,
        "created_at": to_iso(moment),
        "files": [{"path": path, "sha256": sha256, "size_bytes": size} for path, sha256, size in sorted(files)],
    }
    return sign_manifest(manifest, key)


def envelope_bytes(envelope: Mapping[str, Any]) -> bytes:
    return json.dumps(envelope, ensure_ascii=False, indent=1).encode() + b"\n"
