"""Evidence: every response as received, sealed in WARC files (ISO 28500) and read back with its checksum."""

import fcntl
import io
import re
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit
from uuid import uuid4

import fsspec
from fsspec.implementations.local import LocalFileSystem
from warcio.archiveiterator import ArchiveIterator
from warcio.exceptions import ArchiveLoadFailed
from warcio.recordloader import ArcWarcRecord
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from qalqan.errors import EvidenceError
from qalqan.ids import sha256_hex
from qalqan.records import Capture, capture_id

Headers = Sequence[tuple[bytes, bytes]]

# A record that inflates beyond this is a decompression bomb, not one of ours (crawler.max_body_bytes is far below).
_MAX_RECORD_BYTES = 1_000_000_000
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its response: payload after transfer decoding and before content decoding."""

    url: str
    fetched_at: datetime
    method: str
    request_headers: Headers
    status: int
    response_headers: Headers
    payload: bytes
    protocol: str = "HTTP/1.1"
    ip_address: str | None = None


@dataclass(frozen=True, slots=True)
class CapturedBytes:
    payload: bytes
    headers: tuple[tuple[str, str], ...]
    status: int


@dataclass(frozen=True, slots=True)
class VerifiedCapture:
    """problem: None where the bytes are as they were sealed, else what differs, naming file and record."""

    capture: Capture
    problem: str | None


class WarcWriter:
    """Appends captures to `<folder>/<yyyy>/<mm>/<dd>/<prefix>-<nnnnn>.warc.gz`; not safe for two threads.

    Each record is one gzip member, handed to the operating system at once: a killed process leaves a readable file.
    A folder that is not on this machine (s3://…) is written to `outbox` first, and uploaded when a file is full or
    closed; what a killed process left there is uploaded by the next writer.
    """

    def __init__(self, folder: str, prefix: str, max_bytes: int, outbox: Path | None = None) -> None:
        self._filesystem, self._root = _open_folder(folder)
        self._is_local = isinstance(self._filesystem, LocalFileSystem)
        self._local_root = Path(self._root) if self._is_local else outbox or Path(tempfile.mkdtemp(prefix="evidence-"))
        self._prefix = prefix
        self._max_bytes = max_bytes
        self._count = 0
        self._name = ""
        self._file: IO[bytes] | None = None
        if not self._is_local:
            self._upload_leftovers()

    def write(self, exchange: Exchange) -> Capture:
        """Seals the exchange. Raises EvidenceError where the file cannot be written."""
        digest = sha256_hex(exchange.payload)
        response = _response_block(exchange)
        try:
            folder = f"{exchange.fetched_at.astimezone(UTC):%Y/%m/%d}"
            if self._file is None or self._file.tell() >= self._max_bytes or not self._name.startswith(folder):
                self._begin_file(folder)
            record_id, member = _member("response", exchange, response, digest)
            _, request_member = _member("request", exchange, _request_block(exchange), None, concurrent_to=record_id)
            offset = self._append(member + request_member)
        except OSError as error:
            raise EvidenceError(f"evidence file {self._name or self._root} cannot be written: {error}") from error
        content_type = next((v for k, v in exchange.response_headers if k.lower() == b"content-type"), None)
        return Capture(
            id=capture_id(exchange.url, exchange.fetched_at, digest),
            url=exchange.url,
            fetched_at=exchange.fetched_at,
            status=exchange.status,
            content_type=content_type.decode("latin-1") if content_type is not None else None,
            sha256=digest,
            size_bytes=len(exchange.payload),
            warc_file=self._name,
            warc_offset=offset,
            warc_length=len(member),
            warc_record_id=record_id,
            ip_address=exchange.ip_address,
        )

    def close(self) -> None:
        """Finishes the file; uploads it where the folder is remote. Raises EvidenceError; the local file then stays."""
        if self._file is None:
            return
        self._file.close()
        self._file = None
        if not self._is_local:
            self._upload(self._local_root / self._name)

    def _upload(self, local: Path) -> None:
        try:
            self._filesystem.put_file(str(local), f"{self._root}/{local.relative_to(self._local_root).as_posix()}")
        except OSError as error:
            raise EvidenceError(f"evidence {local} could not be uploaded to {self._root}: {error}") from error
        local.unlink()

    def _upload_leftovers(self) -> None:
        """Files that no living process holds open; each writer locks its own."""
        for local in sorted(self._local_root.rglob("*.warc.gz")):
            with suppress(BlockingIOError), local.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._upload(local)

    def _begin_file(self, folder: str) -> None:
        self.close()
        (self._local_root / folder).mkdir(parents=True, exist_ok=True)
        while self._file is None:
            self._name = f"{folder}/{self._prefix}-{self._count:05d}.warc.gz"
            self._count += 1
            with suppress(FileExistsError):
                # Unbuffered: what is appended is the operating system's at once.
                self._file = (self._local_root / self._name).open("xb", buffering=0)
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        info = io.BytesIO()
        writer = WARCWriter(info, gzip=True, warc_version="1.1")
        writer.write_record(writer.create_warcinfo_record(Path(self._name).name, {"software": "qalqan"}))
        self._append(info.getvalue())

    def _append(self, member: bytes) -> int:
        if self._file is None:
            raise OSError("the file is closed")
        offset = self._file.tell()
        view = memoryview(member)
        while view:
            view = view[self._file.write(view) :]
        return offset


def _member(
    kind: str, exchange: Exchange, block: bytes, payload_sha256: str | None, concurrent_to: str | None = None
) -> tuple[str, bytes]:
    """The record's id and its gzip member; the block is written as it stands, byte for byte."""
    record_id = f"<urn:uuid:{uuid4()}>"
    headers = [
        ("WARC-Type", kind),
        ("WARC-Record-ID", record_id),
        ("WARC-Target-URI", exchange.url),
        ("WARC-Date", exchange.fetched_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")),
        ("WARC-Block-Digest", f"sha256:{sha256_hex(block)}"),
        ("WARC-Payload-Digest", f"sha256:{payload_sha256 or sha256_hex(b'')}"),
    ]
    if exchange.ip_address is not None:
        headers.append(("WARC-IP-Address", exchange.ip_address))
    if concurrent_to is not None:
        headers.append(("WARC-Concurrent-To", concurrent_to))
    # Built by hand: warcio's own builder parses the HTTP headers and writes them anew, not byte for byte.
    record = ArcWarcRecord(
        "warc",
        kind,
        StatusAndHeaders("", headers, protocol="WARC/1.1"),
        io.BytesIO(block),
        None,
        f"application/http; msgtype={kind}",
        len(block),
    )
    out = io.BytesIO()
    WARCWriter(out, gzip=True, warc_version="1.1").write_record(record)
    return record_id, out.getvalue()


def _response_block(exchange: Exchange) -> bytes:
    try:
        reason = HTTPStatus(exchange.status).phrase
    except ValueError:
        reason = ""
    line = f"{exchange.protocol} {exchange.status} {reason}".rstrip().encode()
    # The body is kept after transfer decoding; a reader must not decode it again.
    headers = [(b"X-Crawler-" + k if k.lower() == b"transfer-encoding" else k, v) for k, v in exchange.response_headers]
    return _header_block(line, headers) + exchange.payload


def _request_block(exchange: Exchange) -> bytes:
    parts = urlsplit(exchange.url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = list(exchange.request_headers)
    if not any(k.lower() == b"host" for k, _ in headers):
        headers.insert(0, (b"Host", parts.netloc.encode("latin-1", "replace")))
    return _header_block(f"{exchange.method} {target} HTTP/1.1".encode("latin-1", "replace"), headers)


def _header_block(line: bytes, headers: Headers) -> bytes:
    return b"\r\n".join([line, *(k + b": " + re.sub(rb"[\r\n]+", b" ", v) for k, v in headers)]) + b"\r\n\r\n"


def _open_folder(folder: str) -> tuple[Any, str]:
    try:
        filesystem, root = fsspec.core.url_to_fs(folder)
    except (ValueError, ImportError, OSError) as error:
        raise EvidenceError(f"evidence folder {folder!r} cannot be opened: {error}") from error
    return filesystem, root


def read_capture(evidence_url: str, capture: Capture) -> CapturedBytes:
    """The sealed bytes. Raises EvidenceError where file or record is missing, cut or not what was sealed."""
    filesystem, root = _open_folder(evidence_url)
    where = f"{capture.warc_file} at byte {capture.warc_offset} ({capture.warc_record_id})"
    try:
        with filesystem.open(f"{root}/{capture.warc_file}", "rb") as file:
            file.seek(capture.warc_offset)
            member = file.read(capture.warc_length)
    except OSError as error:
        raise EvidenceError(f"{where}: the file cannot be read: {error}") from error
    if len(member) < capture.warc_length:
        raise EvidenceError(f"{where}: the file is cut: {len(member)} of {capture.warc_length} bytes are there")
    try:
        record = _Record.read(member)
    except EvidenceError as error:
        raise EvidenceError(f"{where}: {error}") from error
    for name, found, sealed in [
        ("record id", record.header("WARC-Record-ID"), capture.warc_record_id),
        ("URL", record.header("WARC-Target-URI"), capture.url),
        ("status", str(record.status), str(capture.status)),
        ("SHA-256", sha256_hex(record.payload), capture.sha256),
    ]:
        if found != sealed:
            raise EvidenceError(f"{where}: {name} is {found}, sealed was {sealed}")
    return CapturedBytes(record.payload, record.http_headers, record.status)


def verify_captures(evidence_url: str, captures: Iterable[Capture]) -> Iterator[VerifiedCapture]:
    """Re-reads every capture, in the order given."""
    for capture in captures:
        try:
            read_capture(evidence_url, capture)
        except EvidenceError as error:
            yield VerifiedCapture(capture, str(error))
        else:
            yield VerifiedCapture(capture, None)


def verify_warc(path: Path) -> list[str]:
    """What is wrong with a file, one line each: records whose digest differs, and where it is cut or damaged."""
    problems = []
    try:
        with path.open("rb") as file:
            for offset, member in _members(file):
                if problem := _record_problem(member):
                    problems.append(f"{path.name} at byte {offset}: {problem}")
    except OSError as error:
        problems.append(f"{path.name}: cannot be read: {error}")
    except EvidenceError as error:
        problems.append(f"{path.name}: {error}")
    return problems


def _record_problem(member: bytes) -> str | None:
    try:
        record = _Record.read(member)
    except EvidenceError as error:
        return str(error)
    for name, content in [("Block", record.block), ("Payload", record.payload)]:
        digest = record.header(f"WARC-{name}-Digest")
        if digest and digest.startswith("sha256:") and digest != f"sha256:{sha256_hex(content)}":
            return f"{name.lower()} of {record.header('WARC-Record-ID')} is not what was sealed (SHA-256 differs)"
    return None


def _members(file: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """Offset and inflated bytes of each gzip member. Raises EvidenceError at the place where the file is damaged."""
    offset, pending = 0, b""
    while True:
        inflater = zlib.decompressobj(wbits=31)
        inflated = io.BytesIO()
        consumed = 0
        while not inflater.eof:
            chunk = pending or file.read(_CHUNK)
            pending = b""
            if not chunk:
                if consumed == 0:
                    return
                raise EvidenceError(f"the record at byte {offset} is cut at the end of the file")
            try:
                inflated.write(inflater.decompress(chunk))
            except zlib.error as error:
                raise EvidenceError(
                    f"the record at byte {offset} is damaged ({error}); the rest was not read"
                ) from error
            if inflated.tell() > _MAX_RECORD_BYTES:
                raise EvidenceError(f"the record at byte {offset} inflates beyond {_MAX_RECORD_BYTES} bytes")
            consumed += len(chunk) - len(inflater.unused_data)
        pending = inflater.unused_data
        yield offset, inflated.getvalue()
        offset += consumed


@dataclass(frozen=True, slots=True)
class _Record:
    headers: dict[str, str]
    block: bytes
    payload: bytes
    status: int
    http_headers: tuple[tuple[str, str], ...]

    def header(self, name: str) -> str | None:
        return self.headers.get(name.lower())

    @classmethod
    def read(cls, member: bytes) -> "_Record":
        """From a gzip member or from its inflated bytes. Raises EvidenceError."""
        if member[:2] == b"\x1f\x8b":
            inflated = [content for _, content in _members(io.BytesIO(member))]
            member = inflated[0] if inflated else b""
        try:
            record = next(ArchiveIterator(io.BytesIO(member), no_record_parse=True), None)
            if record is None:
                raise EvidenceError("no WARC record here")
            block = record.raw_stream.read()
            declared = int(record.rec_headers.get_header("Content-Length", "0"))
        except (ArchiveLoadFailed, ValueError, EOFError) as error:
            raise EvidenceError(f"no readable WARC record ({error})") from error
        if len(block) != declared:
            raise EvidenceError(f"the record is cut: {len(block)} of {declared} bytes are there")
        headers = {name.lower(): value for name, value in record.rec_headers.headers}
        if "application/http" not in headers.get("content-type", ""):
            return cls(headers, block, block, 0, ())
        head, _, payload = block.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        status = re.match(r"HTTP/\S+ (\d{3})", lines[0])
        pairs = tuple((k, v.strip()) for k, _, v in (line.partition(":") for line in lines[1:]))
        return cls(headers, block, payload, int(status[1]) if status else 0, pairs)
