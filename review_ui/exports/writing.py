"""Writing exports to disk: whole or not at all, and signed.

Everything comes from frozen packages, so what is written once can be written again byte for byte.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from django.conf import settings

from qalqan import clock
from qalqan.chain import canonical_json
from qalqan.errors import EvidenceError, QalqanError, UsageError
from qalqan.signing import SIDECAR, SigningKey
from review_ui.audit.chain import lines, record, require_intact_chain
from review_ui.casework.models import Package, PackageFile
from review_ui.exports.base import Exporter, Row, exporters, find_exporter
from review_ui.exports.manifests import envelope_bytes, envelope_of

ACTOR = "system:export"


@dataclass(frozen=True, slots=True)
class ExportReport:
    """rows: requests, or entries of the audit chain. packages: their numbers. files: everything that was written."""

    format: str
    path: Path
    rows: int
    packages: tuple[int, ...]
    files: tuple[Path, ...]
    key_id: str

    def sentence(self) -> str:
        what = "audit entries" if self.format == "audit" else f"requests of {len(self.packages)} package(s)"
        return f"{self.rows} {what} written to {self.path}, signed with key {self.key_id}"


def export(format: str, output: Path, *, package: int | None = None, since: int | None = None) -> ExportReport:
    """Writes one export. format: package (a folder), audit, or the name of an exporter (csv, jsonl).

    package: one package by its number. since: every package whose sequence is greater. Neither: all frozen packages.
    With format `package` and no number, `output` gets one folder a package.
    Raises UsageError (unknown format or package, a folder that is in use) and CaseworkError (not frozen).
    """
    if format == "audit":
        return _export_audit(output)
    packages = _choose(package, since)
    if format == "package":
        return _export_folders(packages, output, is_single=package is not None)
    if format not in exporters():
        known = ", ".join(sorted({*exporters(), "package", "audit"}))
        raise UsageError(f"unknown format {format!r}; known: {known}")
    return _export_rows(find_exporter(format, settings.QALQAN.home), packages, output, is_single=package is not None)


def _choose(number: int | None, since: int | None) -> list[Package]:
    frozen = Package.objects.filter(frozen_at__isnull=False).order_by("sequence")
    if number is None:
        return list(frozen.filter(sequence__gt=since or 0))
    package = Package.objects.filter(number=number).first()
    if package is None:
        raise UsageError(f"there is no package {number}; the last one is {_last_number()}")
    if not package.is_frozen:
        raise UsageError(f"package {number} is not frozen yet: an officer has to sign it in the review site first")
    return [package]


def _last_number() -> int:
    last = Package.objects.order_by("-number").first()
    return last.number if last else 0


def _rows(packages: Iterable[Package]) -> Iterator[Row]:
    for package in packages:
        file = PackageFile.objects.get(package=package, path="requests.jsonl")
        for line in bytes(file.content).splitlines():
            yield json.loads(line)


def _export_rows(exporter: Exporter, packages: list[Package], output: Path, *, is_single: bool) -> ExportReport:
    stored = PackageFile.objects.filter(
        package__in=packages if is_single else [], path=f"requests.{exporter.extension}"
    ).first()

    def write(out: BinaryIO) -> int:
        if stored is None:
            return exporter.write(_rows(packages), out)
        out.write(bytes(stored.content))  # as it was signed, whatever the columns are today
        return sum(1 for _ in _rows(packages))

    heading = {
        "format_name": exporter.name,
        "packages": [one.number for one in packages],
        "sequence": max((one.sequence or 0 for one in packages), default=0),
    }
    return _write_signed(exporter.name, "export", output, write, packages, heading)


def _export_audit(output: Path) -> ExportReport:
    report = require_intact_chain()

    def write(out: BinaryIO) -> int:
        count = 0
        for entry in lines():
            out.write(canonical_json(entry) + b"\n")
            count += 1
        return count

    return _write_signed("audit", "audit", output, write, [], {"last_hash": report.last_hash})


def _write_signed(
    name: str,
    kind: str,
    output: Path,
    write: Callable[[BinaryIO], int],
    packages: list[Package],
    heading: Mapping[str, Any],
) -> ExportReport:
    if output.is_dir():
        raise UsageError(f"{output} is a folder; name a file for the format {name!r}")
    key = SigningKey.load_or_create(settings.QALQAN.home)
    with _whole_file(output) as out:
        rows = write(out)
        sha256, size = _digest(out)
    review = settings.QALQAN.review
    envelope = envelope_of(
        kind,
        [(output.name, sha256, size)],
        clock.now(),
        key,
        **heading,
        sender=review.sender,
        addressee=review.addressee,
        n_items=rows,
    )
    sidecar = output.with_name(output.name + SIDECAR)
    with _whole_file(sidecar) as out:
        out.write(envelope_bytes(envelope))
    numbers = tuple(one.number for one in packages)
    record("export.written", actor=ACTOR, details={"format": name, "packages": numbers, "rows": rows, "sha256": sha256})
    return ExportReport(name, output, rows, numbers, (output, sidecar), key.key_id)


def _digest(out: BinaryIO) -> tuple[str, int]:
    size = out.tell()
    out.seek(0)
    digest = hashlib.sha256()
    while chunk := out.read(1 << 20):
        digest.update(chunk)
    return digest.hexdigest(), size


@contextmanager
def _whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file that appears under its name only when it is complete; on an error nothing is left behind."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise EvidenceError(f"cannot write {path}: {error.strerror}") from error
    fresh = Path(name)
    try:
        with os.fdopen(descriptor, "w+b") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        fresh.chmod(0o640)
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise


def _export_folders(packages: list[Package], output: Path, *, is_single: bool) -> ExportReport:
    written: list[Path] = []
    for package in packages:
        written += _write_folder(package, output if is_single else output / str(package.number))
    rows = sum(one.envelope["manifest"]["n_items"] for one in packages)
    key_ids = {one.envelope["key_id"] for one in packages}
    numbers = tuple(one.number for one in packages)
    record("export.written", actor=ACTOR, details={"format": "package", "packages": numbers, "rows": rows})
    return ExportReport("package", output, rows, numbers, tuple(written), ", ".join(sorted(key_ids)))


def _write_folder(package: Package, folder: Path) -> list[Path]:
    files = {file.path: bytes(file.content) for file in package.files.all()}
    if not files:
        raise QalqanError(f"package {package.number} has lost its files; restore the database from the backup")
    paths = [folder / name for name in files]
    if folder.exists():
        if _holds_exactly(folder, files):
            return paths
        if not folder.is_dir() or any(folder.iterdir()):
            raise UsageError(f"{folder} is in use; name a new folder for package {package.number}")
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        for name, content in files.items():
            (fresh / name).write_bytes(content)
        fresh.chmod(0o750)
        fresh.rename(folder)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    return paths


def _holds_exactly(folder: Path, files: Mapping[str, bytes]) -> bool:
    if not folder.is_dir() or {one.name for one in folder.iterdir()} != set(files):
        return False
    return all((folder / name).is_file() and (folder / name).read_bytes() == files[name] for name in files)
