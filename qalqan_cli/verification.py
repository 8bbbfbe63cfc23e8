"""What a path is (evidence, package, export, audit chain), and which check it gets."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from qalqan.chain import check_chain_file
from qalqan.config import Settings
from qalqan.errors import UsageError
from qalqan.evidence import verify_captures, verify_warc
from qalqan.signing import MANIFEST, SIDECAR, SigningKey, read_public_key, verify_path
from qalqan.store import open_store
from qalqan_cli.site import open_site


@dataclass(frozen=True, slots=True)
class Outcome:
    """problems: one line each, naming the file. summary: what was checked and who signed it."""

    problems: list[str]
    summary: str


def verify_any(path: Path, settings: Settings, key: Path | None) -> Outcome:
    """Raises UsageError for a path that holds nothing that can be verified."""
    if path.name.endswith(".warc.gz"):
        return Outcome(verify_warc(path), "WARC file, every record against its digest")
    if path.resolve() == (settings.home / "casework.sqlite").resolve():
        return _verify_live_chain(settings)
    if path.name == MANIFEST or path.name.endswith(SIDECAR) or _has_manifest(path):
        return _verify_signed(path, settings, key)
    if path.is_dir():
        packages = sorted(manifest.parent for manifest in path.glob(f"*/{MANIFEST}"))
        if packages:
            return _join(f"{len(packages)} packages", (_verify_signed(folder, settings, key) for folder in packages))
        if any(path.rglob("*.warc.gz")):
            return _verify_evidence(path, settings)
    elif path.suffix == ".jsonl":
        return _verify_chain_file(path)
    raise UsageError(
        f"{path} is no evidence (*.warc.gz), no package ({MANIFEST}) and no export (<file>{SIDECAR} beside it)"
    )


def _has_manifest(path: Path) -> bool:
    return (path / MANIFEST).is_file() if path.is_dir() else path.with_name(path.name + SIDECAR).is_file()


def _join(summary: str, outcomes: Iterator[Outcome]) -> Outcome:
    done = list(outcomes)
    signers = dict.fromkeys(outcome.summary for outcome in done)
    return Outcome([problem for outcome in done for problem in outcome.problems], f"{summary}: {'; '.join(signers)}")


def _verify_signed(path: Path, settings: Settings, key: Path | None) -> Outcome:
    trusted = {str(key): read_public_key(key)} if key else _own_key(settings)
    result = verify_path(path, trusted_keys=trusted)
    folder = path if path.is_dir() else path.parent
    problems = [f"{folder / file.path} {file.problem}" for file in result.problems]
    if result.signer is None:
        return Outcome(problems, "signed by nobody that can be told")
    signer = f"key {result.signer.key_id}"
    kind = result.manifest.get("kind", "export")
    number = result.manifest.get("number")
    what = f"{kind} № {number}" if number is not None else str(kind)
    if result.signer.is_trusted:
        return Outcome(problems, f"{what}, {len(result.files)} files, signed by {result.signer.name}, {signer}")
    if key is not None:
        problems.append(f"{folder} was signed by another key ({signer}) than {key}")
    return Outcome(
        problems,
        f"{what}, {len(result.files)} files, signed by a key that is not known here ({signer}): "
        "compare it with the sender's, or give the sender's key with --key",
    )


def _own_key(settings: Settings) -> dict[str, str]:
    if not (settings.home / "keys" / "ed25519.pem").exists():
        return {}
    return {"this installation": SigningKey.load_or_create(settings.home).public_key}


def _verify_evidence(folder: Path, settings: Settings) -> Outcome:
    """Every WARC file against its own digests; the installation's own folder also against what the store knows."""
    files = sorted(folder.rglob("*.warc.gz"))
    problems = [f"{file.parent / problem}" for file in files for problem in verify_warc(file)]
    count = 0
    is_ours = folder.resolve() == Path(settings.evidence_url).resolve()
    if is_ours:
        damaged = {problem.split(" at byte", 1)[0].split(": ", 1)[0] for problem in problems}
        with open_store(settings.store_url, settings.store_options) as store:
            for verified in verify_captures(settings.evidence_url, store.scan_captures()):
                count += 1
                if verified.problem and str(folder / verified.capture.warc_file) not in damaged:
                    problems.append(f"{folder}/{verified.problem}")
    captures = f", {count} captures of the store re-read" if is_ours else ""
    return Outcome(problems, f"evidence, {len(files)} WARC files{captures}")


def _verify_chain_file(path: Path) -> Outcome:
    report = check_chain_file(path)
    if report.is_intact and report.entries:
        return Outcome([], f"audit chain, {report.entries} entries, last {report.last_hash[:16]}, not signed")
    if report.is_intact:
        raise UsageError(f"{path} holds no entry of an audit chain")
    return Outcome([f"{path} line {report.broken_at}: {report.problem}"], "audit chain, broken")


def _verify_live_chain(settings: Settings) -> Outcome:
    open_site(settings)
    from review_ui.audit.chain import verify_chain

    report = verify_chain()
    if report.is_intact:
        return Outcome([], f"audit chain of the casework database, {report.entries} entries")
    return Outcome(
        [f"audit entry {report.broken_at}: {report.problem}"], "audit chain of the casework database, broken"
    )
