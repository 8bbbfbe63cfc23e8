"""Signatures over what leaves the house: an Ed25519 key in the home, signed manifests, and their verification.

An envelope is {"manifest": {...}, "signature", "public_key", "key_id"}; the signature covers the canonical JSON of the
manifest, which lists every file with its SHA-256 and size. A package is a folder with `manifest.json`; any other export
is one file with `<file>.manifest.json` beside it.
"""

import base64
import binascii
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from qalqan.chain import canonical_json, check_chain_file
from qalqan.errors import EvidenceError

MANIFEST = "manifest.json"
SIDECAR = ".manifest.json"

_MAX_MANIFEST_BYTES = 50_000_000
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class SigningKey:
    private: Ed25519PrivateKey

    @classmethod
    def load_or_create(cls, home: Path) -> "SigningKey":
        """The key of this installation: home/keys/ed25519.pem, mode 0600, and ed25519.pub.pem for the addressee.

        Of several processes that begin at once the first one's key is kept. Raises EvidenceError if it is unreadable.
        """
        path = home / "keys" / "ed25519.pem"
        if not path.exists():
            _create_key(path)
        try:
            private = load_pem_private_key(path.read_bytes(), password=None)
        except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise EvidenceError(f"cannot read the signing key {path}: {error}; restore it from the backup") from error
        if not isinstance(private, Ed25519PrivateKey):
            raise EvidenceError(f"{path} is no Ed25519 key; restore it from the backup")
        return cls(private)

    @property
    def public_key(self) -> str:
        """Base64 of the 32 raw bytes."""
        return base64.b64encode(self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()

    @property
    def key_id(self) -> str:
        return key_id_of(self.public_key)


def _create_key(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    private = Ed25519PrivateKey.generate()
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".ed25519-")  # mode 0600
    fresh = Path(name)
    with os.fdopen(descriptor, "wb") as file:
        file.write(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    try:
        os.link(fresh, path)
        public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        path.with_name("ed25519.pub.pem").write_bytes(public)
    except FileExistsError:
        pass  # another process was first
    finally:
        fresh.unlink()


def key_id_of(public_key: str) -> str:
    """16 hex digits by which people can compare keys. Raises EvidenceError if it is not base64 of 32 bytes."""
    return hashlib.sha256(_raw_key(public_key)).hexdigest()[:16]


def _raw_key(public_key: str) -> bytes:
    try:
        raw = base64.b64decode(public_key, validate=True)
    except (binascii.Error, ValueError, TypeError) as error:
        raise EvidenceError("the public key is not base64") from error
    if len(raw) != 32:
        raise EvidenceError(f"the public key has {len(raw)} bytes, an Ed25519 key has 32")
    return raw


def read_public_key(path: Path) -> str:
    """A key that was handed over, as PEM (public or private) or as base64; returns base64.

    Raises EvidenceError if the file holds no Ed25519 key.
    """
    try:
        content = path.read_bytes()
        if b"PRIVATE KEY" in content:
            private = load_pem_private_key(content, password=None)
            key = private.public_key() if isinstance(private, Ed25519PrivateKey) else None
        elif b"PUBLIC KEY" in content:
            public = load_pem_public_key(content)
            key = public if isinstance(public, Ed25519PublicKey) else None
        else:
            text = content.decode("ascii").strip()
            _raw_key(text)
            return text
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise EvidenceError(f"cannot read a public key from {path}: {error}") from error
    if key is None:
        raise EvidenceError(f"{path} holds no Ed25519 key")
    return base64.b64encode(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()


def sign_manifest(manifest: Mapping[str, Any], key: SigningKey) -> dict[str, Any]:
    signature = key.private.sign(canonical_json(manifest))
    return {
        "manifest": dict(manifest),
        "signature": base64.b64encode(signature).decode(),
        "public_key": key.public_key,
        "key_id": key.key_id,
    }


@dataclass(frozen=True, slots=True)
class Signer:
    """name: what the trusted key is called by the caller; empty if the key is not among the trusted ones."""

    key_id: str
    public_key: str
    name: str = ""

    @property
    def is_trusted(self) -> bool:
        return bool(self.name)


def verify_envelope(envelope: Any, trusted_keys: Mapping[str, str] | None = None) -> tuple[dict[str, Any], Signer]:
    """The manifest and who signed it. trusted_keys: name -> base64 key.

    A good signature of an unknown key passes here: the caller decides on `signer.is_trusted`.
    Raises EvidenceError for an envelope that is no envelope, or whose signature does not fit.
    """
    if not isinstance(envelope, dict) or not isinstance(envelope.get("manifest"), dict):
        raise EvidenceError("the manifest is not a signed envelope")
    public_key, signature = envelope.get("public_key"), envelope.get("signature")
    if not isinstance(public_key, str) or not isinstance(signature, str):
        raise EvidenceError("the manifest carries no signature")
    raw = _raw_key(public_key)
    try:
        Ed25519PublicKey.from_public_bytes(raw).verify(
            base64.b64decode(signature, validate=True), canonical_json(envelope["manifest"])
        )
    except (InvalidSignature, binascii.Error, ValueError) as error:
        raise EvidenceError("the signature does not fit the manifest: it was changed after signing") from error
    names = [name for name, key in (trusted_keys or {}).items() if key == public_key]
    return envelope["manifest"], Signer(key_id_of(public_key), public_key, names[0] if names else "")


@dataclass(frozen=True, slots=True)
class VerifiedFile:
    """path: as the manifest names it, or as it was found. problem None: exactly as it was signed."""

    path: str
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Verification:
    """signer None: nothing trustworthy was signed (the one file listed says why)."""

    files: list[VerifiedFile]
    signer: Signer | None
    manifest: dict[str, Any]

    @property
    def problems(self) -> list[VerifiedFile]:
        return [file for file in self.files if file.problem is not None]

    @property
    def is_intact(self) -> bool:
        return not self.problems


def verify_path(path: Path, *, trusted_keys: Mapping[str, str] | None = None) -> Verification:
    """Checks a package folder, an export file that has its manifest beside it, or such a manifest.

    Changed, missing and (in a folder) extra files are named, all of them. An exported audit log is followed link by
    link as well. Raises EvidenceError if there is no manifest at all.
    """
    if path.is_dir():
        manifest_path, folder = path / MANIFEST, path
    elif path.name.endswith(SIDECAR) or path.name == MANIFEST:
        manifest_path, folder = path, path.parent
    else:
        manifest_path, folder = path.with_name(path.name + SIDECAR), path.parent
    if not manifest_path.is_file():
        raise EvidenceError(f"{manifest_path} is missing: without it nobody can tell who signed {path}")
    try:
        manifest, signer = verify_envelope(_read_json(manifest_path), trusted_keys)
        listed = list(_listed_files(manifest))
    except EvidenceError as error:
        return Verification([VerifiedFile(manifest_path.name, str(error))], None, {})
    files = [VerifiedFile(name, _problem_of(folder, name, sha256, size)) for name, sha256, size in listed]
    if manifest_path.name == MANIFEST:
        names = {name for name, _, _ in listed} | {MANIFEST}
        files += [VerifiedFile(name, "is not in the manifest") for name in _found_in(folder) if name not in names]
    if manifest.get("kind") == "audit":
        files = [_follow_chain(folder, file) for file in files]
    return Verification(files, signer, manifest)


def _read_json(path: Path) -> Any:
    if path.stat().st_size > _MAX_MANIFEST_BYTES:
        raise EvidenceError(f"the manifest is larger than {_MAX_MANIFEST_BYTES} bytes")
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise EvidenceError("the manifest is not JSON: it was changed after signing") from error


def _listed_files(manifest: Mapping[str, Any]) -> Iterator[tuple[str, str, int]]:
    """(path, sha256, size). Raises EvidenceError for a path that leaves the folder or an entry of another form."""
    files = manifest.get("files")
    if not isinstance(files, list):
        raise EvidenceError("the manifest lists no files")
    for entry in files:
        match entry:
            case {"path": str(name), "sha256": str(sha256), "size_bytes": int(size)} if _SHA256.fullmatch(sha256):
                if not is_plain_path(name):
                    raise EvidenceError(f"the manifest names a file outside its folder: {name!r}")
                yield name, sha256, size
            case _:
                raise EvidenceError(f"the manifest has an entry of an unknown form: {str(entry)[:100]}")


def is_plain_path(name: str) -> bool:
    """Relative, with forward slashes, never upwards: safe to join with a folder on any system."""
    parts = name.split("/")
    return (
        0 < len(name) <= 300
        and not any(part in {"", ".", ".."} for part in parts)
        and not any(character in name for character in '\\:\0\n\r"*?<>|')
    )


def _problem_of(folder: Path, name: str, sha256: str, size: int) -> str | None:
    path = folder / name
    if any(one.is_symlink() for one in [path, *path.parents] if one != folder and folder in one.parents):
        return "is a link, not the file itself"
    if not path.is_file():
        return "is missing"
    if path.stat().st_size != size:
        return f"was changed: {path.stat().st_size} bytes instead of {size}"
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
            return "was changed: its checksum differs"
    return None


def _found_in(folder: Path) -> list[str]:
    return sorted(
        one.relative_to(folder).as_posix() for one in folder.rglob("*") if one.is_symlink() or not one.is_dir()
    )


def _follow_chain(folder: Path, file: VerifiedFile) -> VerifiedFile:
    if file.problem is not None and file.problem.startswith("is "):
        return file
    report = check_chain_file(folder / file.path)
    if report.is_intact:
        return file
    return VerifiedFile(file.path, f"the audit chain is broken at line {report.broken_at}: {report.problem}")
