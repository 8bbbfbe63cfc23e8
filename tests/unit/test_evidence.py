"""Evidence: sealed as received, read back with its checksum, damage named."""

import gzip
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from warcio.archiveiterator import ArchiveIterator

from qalqan.errors import EvidenceError
from qalqan.evidence import Exchange, WarcWriter, read_capture, verify_captures, verify_warc
from qalqan.ids import sha256_hex
from qalqan.records import Capture

MOMENT = datetime(2026, 11, 25, 9, 5, 7, 123456, tzinfo=UTC)


def exchange(payload: bytes, url: str = "https://example.kz/a?b=1", status: int = 200) -> Exchange:
    return Exchange(
        url=url,
        fetched_at=MOMENT,
        method="GET",
        request_headers=[(b"User-Agent", b"QalqanBot")],
        status=status,
        response_headers=[(b"Content-Type", b"text/html"), (b"Content-Encoding", b"gzip"), (b"X-Name", b"\xc3\xe4")],
        payload=payload,
        ip_address="203.0.113.7",
    )


def seal(folder: Path, *exchanges: Exchange, max_bytes: int = 1_000_000) -> list[Capture]:
    writer = WarcWriter(str(folder), "run", max_bytes)
    captures = [writer.write(e) for e in exchanges]
    writer.close()
    return captures


def test_capture_names_its_place(tmp_path: Path) -> None:
    payload = gzip.compress(b"<html>")
    (capture,) = seal(tmp_path, exchange(payload))
    assert capture.model_copy(update={"id": "", "warc_record_id": "", "warc_offset": 0, "warc_length": 0}) == Capture(
        id="",
        url="https://example.kz/a?b=1",
        fetched_at=MOMENT,
        status=200,
        content_type="text/html",
        sha256=sha256_hex(payload),
        size_bytes=len(payload),
        warc_file="2026/11/25/run-00000.warc.gz",
        warc_offset=0,
        warc_length=0,
        warc_record_id="",
        ip_address="203.0.113.7",
    )
    content = read_capture(str(tmp_path), capture)
    assert content.payload == payload
    assert content.status == 200
    assert content.headers == (("Content-Type", "text/html"), ("Content-Encoding", "gzip"), ("X-Name", "Ãä"))


def test_other_readers_read_it(tmp_path: Path) -> None:
    (capture,) = seal(tmp_path, exchange(b"a page"))
    with (tmp_path / capture.warc_file).open("rb") as file:
        records = [
            (r.rec_type, r.rec_headers.get_header("WARC-Target-URI"), r.raw_stream.read(), r.digest_checker.passed)
            for r in ArchiveIterator(file, check_digests="raise")
            if r.rec_type != "warcinfo"
        ]
    url = "https://example.kz/a?b=1"
    assert records == [("response", url, b"a page", True), ("request", url, b"", True)]
    with (tmp_path / capture.warc_file).open("rb") as file:
        (response,) = [r for r in ArchiveIterator(file) if r.rec_type == "response"]
        assert response.rec_headers.get_header("WARC-IP-Address") == "203.0.113.7"
        assert response.rec_headers.get_header("WARC-Payload-Digest") == f"sha256:{sha256_hex(b'a page')}"
        assert response.rec_headers.get_header("WARC-Date") == "2026-11-25T09:05:07.123456Z"


@settings(max_examples=30, deadline=None)
@given(payloads=st.lists(st.binary(max_size=300), min_size=1, max_size=4))
def test_whatever_was_sealed_comes_back(tmp_path_factory: pytest.TempPathFactory, payloads: list[bytes]) -> None:
    folder = tmp_path_factory.mktemp("evidence")
    captures = seal(folder, *(exchange(p) for p in payloads))
    assert [read_capture(str(folder), c).payload for c in captures] == payloads
    assert [v.problem for v in verify_captures(str(folder), captures)] == [None] * len(payloads)
    assert verify_warc(folder / captures[0].warc_file) == []


def test_new_file_after_max_bytes(tmp_path: Path) -> None:
    captures = seal(tmp_path, *(exchange(bytes(200)) for _ in range(3)), max_bytes=1_500)
    assert [c.warc_file for c in captures] == [f"2026/11/25/run-0000{n}.warc.gz" for n in (0, 0, 1)]
    assert all(v.problem is None for v in verify_captures(str(tmp_path), captures))


def test_new_file_on_a_new_day(tmp_path: Path) -> None:
    late = replace(exchange(b"late"), fetched_at=datetime(2026, 11, 25, 23, 59, 59, tzinfo=UTC))
    early = replace(exchange(b"early"), fetched_at=datetime(2026, 11, 26, tzinfo=UTC))
    captures = seal(tmp_path, late, early)
    assert [c.warc_file for c in captures] == ["2026/11/25/run-00000.warc.gz", "2026/11/26/run-00001.warc.gz"]


def test_second_writer_of_the_same_name_takes_the_next_file(tmp_path: Path) -> None:
    (first,), (second,) = seal(tmp_path, exchange(b"1")), seal(tmp_path, exchange(b"2"))
    assert (first.warc_file, second.warc_file) == ("2026/11/25/run-00000.warc.gz", "2026/11/25/run-00001.warc.gz")


def test_killed_writer_leaves_readable_file(tmp_path: Path) -> None:
    writer = WarcWriter(str(tmp_path), "run", 1_000_000)
    capture = writer.write(exchange(b"before the kill"))
    assert verify_warc(tmp_path / capture.warc_file) == []  # never closed
    assert read_capture(str(tmp_path), capture).payload == b"before the kill"
    writer.close()


def test_truncated_file_is_named(tmp_path: Path) -> None:
    first, second = seal(tmp_path, exchange(b"one"), exchange(b"two"))
    path = tmp_path / second.warc_file
    path.write_bytes(path.read_bytes()[: second.warc_offset + 20])
    problems = [v.problem for v in verify_captures(str(tmp_path), [first, second])]
    assert problems == [
        None,
        f"{second.warc_file} at byte {second.warc_offset} ({second.warc_record_id}): "
        f"the file is cut: 20 of {second.warc_length} bytes are there",
    ]
    assert verify_warc(path) == [
        f"run-00000.warc.gz: the record at byte {second.warc_offset} is cut at the end of the file"
    ]


def test_changed_byte_is_named(tmp_path: Path) -> None:
    (capture,) = seal(tmp_path, exchange(b"the truth"))
    path = tmp_path / capture.warc_file
    content = path.read_bytes()
    end = capture.warc_offset + capture.warc_length
    forged = gzip.compress(gzip.decompress(content[capture.warc_offset : end]).replace(b"the truth", b"the trutz"))
    path.write_bytes(content[: capture.warc_offset] + forged + content[end:])
    changed = capture.model_copy(update={"warc_length": len(forged)})
    (verified,) = verify_captures(str(tmp_path), [changed])
    assert verified.problem is not None
    assert f"SHA-256 is {sha256_hex(b'the trutz')}, sealed was {capture.sha256}" in verified.problem
    assert verify_warc(path) == [
        f"run-00000.warc.gz at byte {capture.warc_offset}: "
        f"block of {capture.warc_record_id} is not what was sealed (SHA-256 differs)"
    ]


def test_flipped_bit_in_compressed_bytes_is_named(tmp_path: Path) -> None:
    (capture,) = seal(tmp_path, exchange(bytes(range(256))))
    path = tmp_path / capture.warc_file
    content = bytearray(path.read_bytes())
    content[capture.warc_offset + capture.warc_length - 5] ^= 1
    path.write_bytes(content)
    (verified,) = verify_captures(str(tmp_path), [capture])
    assert verified.problem is not None
    assert "damaged" in verified.problem
    assert len(verify_warc(path)) == 1


def test_other_url_and_missing_file_are_named(tmp_path: Path) -> None:
    (capture,) = seal(tmp_path, exchange(b"x"))
    other = capture.model_copy(update={"url": "https://example.kz/other"})
    with pytest.raises(EvidenceError, match=r"URL is https://example[.]kz/a"):
        read_capture(str(tmp_path), other)
    with pytest.raises(EvidenceError, match=r"gone.warc.gz at byte .*: the file cannot be read"):
        read_capture(str(tmp_path), capture.model_copy(update={"warc_file": "gone.warc.gz"}))


def test_remote_folder_gets_the_file_at_close(tmp_path: Path) -> None:
    writer = WarcWriter("memory://evidence-test", "run", 1_000_000, tmp_path)
    capture = writer.write(exchange(b"far away"))
    WarcWriter("memory://evidence-test", "other", 1_000_000, tmp_path).close()  # leaves open files alone
    assert [p.name for p in tmp_path.rglob("*.gz")] == ["run-00000.warc.gz"]
    writer.close()
    assert read_capture("memory://evidence-test", capture).payload == b"far away"
    assert list(tmp_path.rglob("*.gz")) == []


def test_next_writer_uploads_what_a_killed_one_left(tmp_path: Path) -> None:
    (capture,) = seal(tmp_path, exchange(b"left behind"))  # closed, never uploaded: as after a kill
    WarcWriter("memory://evidence-left", "next", 1_000_000, tmp_path).close()
    assert read_capture("memory://evidence-left", capture).payload == b"left behind"
    assert list(tmp_path.rglob("*.gz")) == []
