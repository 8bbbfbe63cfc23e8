"""Keys, signed manifests, and the verification of what was received."""

import json
import multiprocessing
import stat
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from qalqan.errors import EvidenceError
from qalqan.ids import sha256_hex
from qalqan.signing import (
    SigningKey,
    VerifiedFile,
    is_plain_path,
    key_id_of,
    read_public_key,
    sign_manifest,
    verify_envelope,
    verify_path,
)


@pytest.fixture
def key(tmp_path: Path) -> SigningKey:
    return SigningKey.load_or_create(tmp_path / "home")


def write_package(folder: Path, key: SigningKey, files: dict[str, bytes], **more: Any) -> Path:
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    manifest = {
        "kind": "package",
        "files": [{"path": n, "sha256": sha256_hex(c), "size_bytes": len(c)} for n, c in files.items()],
        **more,
    }
    (folder / "manifest.json").write_text(json.dumps(sign_manifest(manifest, key), ensure_ascii=False))
    return folder


FILES = {"requests.csv": b"url\r\nt.me/primer\r\n", "cover.txt": "Пакет № 1".encode()}


def test_the_key_is_made_once_and_private(tmp_path: Path) -> None:
    first = SigningKey.load_or_create(tmp_path)
    assert SigningKey.load_or_create(tmp_path).public_key == first.public_key
    path = tmp_path / "keys" / "ed25519.pem"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in sorted(path.parent.iterdir())] == ["ed25519.pem", "ed25519.pub.pem"]
    for handed_over in ("ed25519.pem", "ed25519.pub.pem"):
        assert read_public_key(tmp_path / "keys" / handed_over) == first.public_key
    assert key_id_of(first.public_key) == first.key_id


def _key_id(home: str) -> str:
    return SigningKey.load_or_create(Path(home)).key_id


def test_processes_that_begin_at_once_share_one_key(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        assert len(set(pool.map(_key_id, [str(tmp_path)] * 8))) == 1


def test_a_damaged_key_says_what_to_do(tmp_path: Path) -> None:
    SigningKey.load_or_create(tmp_path)
    (tmp_path / "keys" / "ed25519.pem").write_text("nothing")
    with pytest.raises(EvidenceError, match="restore it from the backup"):
        SigningKey.load_or_create(tmp_path)
    (tmp_path / "other.pem").write_text("не ключ")
    with pytest.raises(EvidenceError, match="cannot read a public key"):
        read_public_key(tmp_path / "other.pem")


def test_an_intact_package_says_who_signed(tmp_path: Path, key: SigningKey) -> None:
    folder = write_package(tmp_path / "p", key, FILES)
    result = verify_path(folder, trusted_keys={"ours": key.public_key})
    assert result.files == [VerifiedFile("requests.csv"), VerifiedFile("cover.txt")]
    assert (result.signer.name, result.signer.key_id, result.is_intact) == ("ours", key.key_id, True)
    stranger = verify_path(folder)
    assert (stranger.is_intact, stranger.signer.is_trusted) == (True, False)


def test_changed_missing_and_extra_files_are_all_named(tmp_path: Path, key: SigningKey) -> None:
    folder = write_package(tmp_path / "p", key, {**FILES, "c.txt": b"three"})
    (folder / "requests.csv").write_bytes(b"url\r\nt.me/primes\r\n")
    (folder / "cover.txt").unlink()
    (folder / "c.txt").write_bytes(b"threes")
    (folder / "extra.txt").write_bytes(b"")
    assert {file.path: file.problem for file in verify_path(folder).problems} == {
        "requests.csv": "was changed: its checksum differs",
        "cover.txt": "is missing",
        "c.txt": "was changed: 6 bytes instead of 5",
        "extra.txt": "is not in the manifest",
    }


def test_a_link_is_no_file(tmp_path: Path, key: SigningKey) -> None:
    folder = write_package(tmp_path / "p", key, FILES)
    (tmp_path / "elsewhere").write_bytes(FILES["cover.txt"])
    (folder / "cover.txt").unlink()
    (folder / "cover.txt").symlink_to(tmp_path / "elsewhere")
    assert [file.problem for file in verify_path(folder).problems] == ["is a link, not the file itself"]


@pytest.mark.parametrize(
    "change",
    [
        lambda e: e["manifest"].update(number=2),
        lambda e: e.update(signature="AAAA"),
        lambda e: e.update(public_key="AAAA"),
        lambda e: e.pop("signature"),
        lambda e: e["manifest"]["files"].append({"path": "x"}),
        lambda e: e.update(manifest=[]),
    ],
)
def test_a_changed_manifest_is_found(tmp_path: Path, key: SigningKey, change: Any) -> None:
    folder = write_package(tmp_path / "p", key, FILES)
    envelope = json.loads((folder / "manifest.json").read_text())
    change(envelope)
    (folder / "manifest.json").write_text(json.dumps(envelope))
    result = verify_path(folder)
    assert (result.signer, [file.path for file in result.problems]) == (None, ["manifest.json"])


@pytest.mark.parametrize("content", [b"", b"{", b"[" * 100_000, b"\xff\xfe", b'{"manifest": {"x": NaN}}', b"[]"])
def test_a_manifest_that_is_no_json_is_found(tmp_path: Path, key: SigningKey, content: bytes) -> None:
    folder = write_package(tmp_path / "p", key, FILES)
    (folder / "manifest.json").write_bytes(content)
    assert not verify_path(folder).is_intact


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/../../b", "C:\\x", "a\\b", "", "./a", "a//b", "a\0b"])
def test_a_manifest_cannot_reach_outside_its_folder(tmp_path: Path, key: SigningKey, name: str) -> None:
    folder = tmp_path / "p"
    folder.mkdir()
    manifest = {"files": [{"path": name, "sha256": sha256_hex(b""), "size_bytes": 0}]}
    (folder / "manifest.json").write_text(json.dumps(sign_manifest(manifest, key)))
    (problem,) = verify_path(folder).problems
    assert problem.problem == f"the manifest names a file outside its folder: {name!r}"


@given(st.text(alphabet="a./\\: \0x", max_size=12))
def test_a_plain_path_stays_in_its_folder(name: str) -> None:
    if is_plain_path(name):
        base = Path("/base/folder")
        assert base in (base / name).resolve().parents


def test_without_a_manifest_nobody_can_tell(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("url")
    for path in (tmp_path, tmp_path / "list.csv"):
        with pytest.raises(EvidenceError, match="is missing"):
            verify_path(path)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda v: st.dictionaries(st.text(), v)))
def test_signatures_survive_json(value: Any) -> None:
    manifest = {"value": value}
    envelope = json.loads(json.dumps(sign_manifest(manifest, SigningKey(Ed25519PrivateKey.generate()))))
    assert verify_envelope(envelope)[0] == manifest
