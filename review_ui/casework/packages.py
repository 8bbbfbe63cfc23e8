"""Packages: approved requests that leave together, checked, frozen and signed by an authorised officer.

Numbers have no gaps, and neither have the sequences that frozen packages get. Nothing changes after freezing.
"""

import io
from collections import Counter
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Max, QuerySet

from qalqan import clock
from qalqan.evidence import verify_captures
from qalqan.ids import sha256_hex
from qalqan.rationale import check_formula
from qalqan.records import Capture
from qalqan.signing import MANIFEST, SigningKey
from review_ui.accounts.models import Role, User
from review_ui.audit.chain import lock_head, record
from review_ui.casework.addresses import protection_of
from review_ui.casework.card import MIN_REASON, protectable
from review_ui.casework.models import Case, CaseState, Decision, Package, PackageFile, Request, RequestState
from review_ui.casework.refusals import refuse
from review_ui.exports.base import find_exporter
from review_ui.exports.letter import cover_letter
from review_ui.exports.manifests import envelope_bytes, make_envelope
from review_ui.exports.rows import proving_materials, request_row

MAX_REQUESTS = 5000

ROW_FORMATS = ("csv", "jsonl")


def approved_requests(route: str) -> QuerySet[Request]:
    """Approved for this route and in no package yet: the urgent ones first, then the oldest."""
    return _with_parts(
        Request.objects.filter(state=RequestState.APPROVED, package=None, route=route).order_by(
            "-urgency", "approved_at", "number"
        )
    )


def requests_of(package: Package) -> QuerySet[Request]:
    """In the order of the rows."""
    return _with_parts(package.requests.order_by("approved_at", "number"))


def _with_parts(requests: QuerySet[Request]) -> QuerySet[Request]:
    return requests.select_related(
        "case", "case__returned_from", "target", "first", "first__user", "second", "second__user"
    ).prefetch_related("case__materials")


def _require_officer(user: User) -> None:
    if not user.has_role(Role.OFFICER):
        raise refuse("role")


def _lock(package: Package) -> Package:
    """The package, as long as it may still be changed. Raises Refusal (frozen)."""
    lock_head()
    package = Package.objects.select_for_update().get(pk=package.pk)
    if package.is_frozen:
        raise refuse("frozen", number=package.number)
    return package


@transaction.atomic
def create_package(user: User, route: str) -> Package:
    """An empty package with the next number. Raises Refusal (role)."""
    _require_officer(user)
    lock_head()
    last = Package.objects.aggregate(last=Max("number"))["last"] or 0
    review = settings.QALQAN.review
    package = Package.objects.create(
        number=last + 1, route=route, sender=review.sender, addressee=review.addressee, created_by=user
    )
    record("package.created", actor=user, object=package, details={"route": route})
    return package


@transaction.atomic
def add_approved(package: Package, user: User) -> int:
    """Puts every approved request of the package's route in; returns how many. Raises Refusal (role, frozen)."""
    _require_officer(user)
    package = _lock(package)
    room = MAX_REQUESTS - package.requests.count()
    added = list(approved_requests(package.route).select_for_update(of=("self",))[: max(room, 0)])
    Request.objects.filter(pk__in=[one.pk for one in added]).update(package=package)
    if added:
        record("package.filled", actor=user, object=package, details={"requests": [one.number for one in added]})
    return len(added)


@transaction.atomic
def remove_request(package: Package, request: Request, user: User, reason: str) -> None:
    """Takes a request out; it stays approved. Raises Refusal (role, frozen, not_in_package, reason)."""
    _require_officer(user)
    package = _lock(package)
    if len(reason.strip()) < MIN_REASON:
        raise refuse("reason")
    if not package.requests.filter(pk=request.pk).update(package=None):
        raise refuse("not_in_package", request=request.number, number=package.number)
    details = {"request": request.number, "reason": reason.strip()}
    record("package.request_removed", actor=user, object=package, details=details)


@dataclass(frozen=True, slots=True)
class Check:
    """key: not_empty, size, two_people, protected, formula, capture, duplicates, officer.

    detail: the numbers of the requests that fail, or what was counted.
    """

    key: str
    ok: bool
    detail: str = ""


def checks(package: Package, user: User | None = None) -> list[Check]:
    """What must hold before signing; with a user also whether this person may sign. Reads the sealed evidence."""
    requests = list(requests_of(package))
    found = _checks(requests, _damaged(requests))
    if user is not None:
        found.append(_check("officer", decided_by(requests, user)))
    return found


def _checks(requests: list[Request], damaged: list[str]) -> list[Check]:
    return [
        Check("not_empty", bool(requests), str(len(requests))),
        Check("size", len(requests) <= MAX_REQUESTS, f"{len(requests)} / {MAX_REQUESTS}"),
        _check("two_people", [one.number for one in requests if not _two_people(one)]),
        _check("protected", [one.number for one in requests if not _is_free(one)]),
        _check("formula", [one.number for one in requests if not (_holds(one.first) and _holds(one.second))]),
        _check("capture", damaged),
        _check("duplicates", _duplicates(requests)),
    ]


def _check(key: str, failing: list[str]) -> Check:
    return Check(key, not failing, ", ".join(failing))


def _two_people(request: Request) -> bool:
    first, second = request.first, request.second
    return (
        first.user_id != second.user_id
        and first.outcome == second.outcome == "confirm"
        and first.target_id == second.target_id == request.target_id
        and first.withdrawn_at is None
        and second.withdrawn_at is None
    )


def _is_free(request: Request) -> bool:
    """The protected list may have grown since the decision."""
    if not protection_of(*protectable(request.target)):
        return True
    return any(one.protected_reason for one in (request.first, request.second))


def _holds(decision: Decision) -> bool:
    formula = check_formula(decision.label, decision.codes, has_contact=decision.has_contact, speaker=decision.speaker)
    is_overridden = decision.stage > 1 and bool(decision.override_reason)
    return (
        formula.is_met
        and formula.is_offender_speaking
        and not formula.other_outcome
        and (not formula.exculpatory or is_overridden)
    )


def _damaged(requests: list[Request]) -> list[str]:
    """Numbers of requests without evidence, or whose sealed bytes are not what they were."""
    found: list[str] = []
    for request in requests:
        captures = [Capture(**one.capture) for one in proving_materials(request) if one.capture]
        verified = list(verify_captures(settings.QALQAN.evidence_url, captures))
        if not captures or any(one.problem is not None for one in verified):
            found.append(request.number)
    return found


def _duplicates(requests: list[Request]) -> list[str]:
    targets = Counter((one.target.kind, one.target.address) for one in requests)
    return [one.number for one in requests if targets[one.target.kind, one.target.address] > 1]


def decided_by(requests: list[Request], user: User) -> list[str]:
    """Numbers of the requests that this person decided on: whoever decided does not sign."""
    return [one.number for one in requests if user.pk in {one.first.user_id, one.second.user_id}]


def freeze(package: Package, user: User) -> Package:
    """Signs what is in the package, once and for good.

    Raises Refusal (role, frozen, officer_decided, checks).
    """
    _require_officer(user)
    if package.is_frozen:
        raise refuse("frozen", number=package.number)
    # Reading the evidence takes its time, and meanwhile others should be able to decide.
    requests = list(requests_of(package))
    return _freeze(package, user, damaged=_damaged(requests), verified={one.pk for one in requests})


@transaction.atomic
def _freeze(package: Package, user: User, *, damaged: list[str], verified: set[UUID]) -> Package:
    package = _lock(package)
    requests = list(requests_of(package))
    damaged += [one.number for one in requests if one.pk not in verified]
    decided = decided_by(requests, user)
    if decided:
        raise refuse("officer_decided", requests=", ".join(decided))
    failing = [check.key for check in _checks(requests, damaged) if not check.ok]
    if failing:
        raise refuse("checks", number=package.number, keys=", ".join(failing))
    package.frozen_at, package.frozen_by = clock.now(), user
    package.sequence = (Package.objects.aggregate(last=Max("sequence"))["last"] or 0) + 1
    files = _content(package, requests)
    key = SigningKey.load_or_create(settings.QALQAN.home)
    package.envelope = make_envelope("package", files, package.frozen_at, key, **_heading(package, len(requests)))
    files[MANIFEST] = envelope_bytes(package.envelope)
    package.save()
    PackageFile.objects.bulk_create(
        [PackageFile(package=package, path=path, content=content) for path, content in files.items()]
    )
    Request.objects.filter(package=package).update(state=RequestState.PACKAGED)
    Case.objects.filter(requests__package=package).update(state=CaseState.PACKAGED)
    details = {
        "requests": [one.number for one in requests],
        "sequence": package.sequence,
        "manifest_sha256": sha256_hex(files[MANIFEST]),
        "key_id": key.key_id,
    }
    record("package.frozen", actor=user, object=package, details=details)
    return package


def _heading(package: Package, n_items: int) -> dict[str, Any]:
    previous = PackageFile.objects.filter(package__sequence=(package.sequence or 0) - 1, path=MANIFEST).first()
    return {
        "number": package.number,
        "sequence": package.sequence,
        "sender": package.sender,
        "addressee": package.addressee,
        "route": package.route,
        "n_items": n_items,
        "previous_sha256": sha256_hex(bytes(previous.content)) if previous else None,
    }


def _content(package: Package, requests: list[Request]) -> dict[str, bytes]:
    rows = [{**request_row(one), "package": package.number, "sender": package.sender} for one in requests]
    files: dict[str, bytes] = {}
    for name in ROW_FORMATS:
        exporter = find_exporter(name, settings.QALQAN.home)
        out = io.BytesIO()
        exporter.write(rows, out)
        files[f"requests.{exporter.extension}"] = out.getvalue()
    moment = package.frozen_at or clock.now()
    files["cover.txt"] = cover_letter(package.number, moment, package.sender, package.addressee, package.route, rows)
    return files


def package_files(package: Package) -> dict[str, bytes]:
    """Of a frozen package the signed files, byte for byte; before freezing a preview without the manifest."""
    if package.is_frozen:
        return {file.path: bytes(file.content) for file in package.files.all()}
    return _content(package, list(requests_of(package)))


def download(package: Package, path: str, user: User) -> bytes:
    """One signed file, with the download in the audit chain. Raises Refusal (role, not_frozen), KeyError."""
    if not user.has_role(Role.OFFICER, Role.REGULATOR, Role.AUDITOR):
        raise refuse("role")
    if not package.is_frozen:
        raise refuse("not_frozen", number=package.number)
    content = package_files(package)[path]
    record("package.downloaded", actor=user, object=package, details={"path": path, "sha256": sha256_hex(content)})
    return content
