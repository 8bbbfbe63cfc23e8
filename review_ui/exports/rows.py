"""One request as the row that leaves the house (domain study, section 6), personal data masked."""

from datetime import datetime, timedelta
from typing import Any

from qalqan.clock import to_iso
from review_ui.audit.masking import mask_personal
from review_ui.casework.addresses import host_of
from review_ui.casework.models import Decision, Material, Request, TargetKind
from review_ui.exports.base import Row

REVIEW_AFTER = timedelta(days=30)


def request_row(request: Request) -> Row:
    """Every field is there in every row; what is unknown is null or empty. Times are ISO 8601 in UTC."""
    case, target, first, second = request.case, request.target, request.first, request.second
    materials = proving_materials(request)
    facts = case.channel_facts
    models = {f["model"] for one in materials for f in one.document["findings"] if f["label"] == first.label}
    captured = [one.capture["fetched_at"] for one in materials if one.capture]
    return {
        "request_uid": str(request.uid),
        "number": request.number,
        "case": case.pk,
        "title": mask_personal(case.title),
        "label": first.label,
        "codes": sorted({*first.codes, *second.codes}),
        "reason": mask_personal(first.reason),
        "second_reason": mask_personal(second.reason),
        "override_reason": mask_personal(second.override_reason),
        "quotes": _quotes(first, second),
        "target_kind": target.kind,
        "target_address": target.address,
        "target_url_original": target.url,
        "target_url_normalised": target.url if target.address.startswith("@") else target.address,
        "platform": target.platform,
        "domain": host_of(target.url) or None,
        "protected_hit": target.protected,
        "protected_reason": mask_personal(first.protected_reason or second.protected_reason),
        "scope_reason": mask_personal(first.wider_reason or second.wider_reason),
        "collateral": target.facts,
        "language": case.languages,
        "publications": case.materials.count(),
        "audience_count": case.audience,
        "audience_counted_at": facts.get("checked_at"),
        "kz_nexus": sorted({*first.nexus, *second.nexus}),
        "first_seen_at": to_iso(case.opened_at),
        "published_at": _latest(materials),
        "captured_at": max(captured, default=None),
        "timezone": "Asia/Almaty",
        "evidence": [_evidence(one) for one in materials if one.capture],
        "detected_by": "crawler",
        "model_id": sorted(models),
        "score": round(max((_score(one, first.label) for one in materials), default=0.0), 4),
        "l1_user": first.user.username,
        "l1_at": to_iso(first.at),
        "l2_user": second.user.username,
        "l2_at": to_iso(second.at),
        "approved_at": to_iso(request.approved_at),
        "urgency": request.urgency,
        "route": request.route,
        "review_due_at": to_iso(request.approved_at + REVIEW_AFTER),
        "previous_requests": _previous(request),
    }


def proving_materials(request: Request) -> list[Material]:
    """What was flagged there and seen by the people who decided: of a post only itself, else all of the case."""
    seen = {one["document"] for decision in (request.first, request.second) for one in decision.seen["materials"]}
    materials = [one for one in request.case.materials.all() if one.document_id in seen]
    if request.target.kind in {TargetKind.MESSAGE, TargetKind.PAGE}:
        return [one for one in materials if one.document["canonical_url"] == request.target.address]
    return materials


def _latest(materials: list[Material]) -> str | None:
    moments: list[datetime] = [one.published_at for one in materials if one.published_at]
    return to_iso(max(moments)) if moments else None


def _score(material: Material, label: str) -> float:
    return max((float(f["score"]) for f in material.document["findings"] if f["label"] == label), default=0.0)


def _quotes(first: Decision, second: Decision) -> list[dict[str, str]]:
    """Of both people, each passage once."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for quote in (*first.quotes, *second.quotes):
        text = mask_personal(quote["text"])
        found.setdefault((quote["code"], text), {"code": quote["code"], "text": text})
    return list(found.values())


def _evidence(material: Material) -> dict[str, Any]:
    capture = material.capture
    return {
        "capture_id": capture["id"],
        "url": capture["url"],
        "sha256": capture["sha256"],
        "size_bytes": capture["size_bytes"],
        "captured_at": capture["fetched_at"],
        "warc_file": capture["warc_file"],
        "warc_record_id": capture["warc_record_id"],
    }


def _previous(request: Request) -> list[str]:
    """Numbers of earlier requests against the same channel or site, newest first."""
    numbers: list[str] = []
    case = request.case.returned_from
    while case is not None and len(numbers) < 50:
        numbers.extend(case.requests.exclude(state="withdrawn").values_list("number", flat=True))
        case = case.returned_from
    return numbers
