"""The sealed bytes behind a record: their facts, and the bytes themselves as a file that no browser renders."""

from django.conf import settings
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_GET

from qalqan.errors import EvidenceError
from qalqan.records import Capture
from review_ui.accounts.models import Role
from review_ui.audit.chain import record
from review_ui.casework.models import Material
from review_ui.casework.views.access import DeskRequest, needs_role

SHOWN_BYTES = 20_000
READERS = (Role.MODERATOR, Role.AUDITOR, Role.OFFICER)


def _material(number: int, material_id: int) -> Material:
    return get_object_or_404(Material.objects.select_related("case"), pk=material_id, case_id=number)


def _capture(material: Material) -> Capture:
    if not material.is_sealed:
        raise Http404("no capture")
    return Capture.model_validate(material.capture)


@require_GET
@needs_role(*READERS, section="queue")
def evidence_page(request: DeskRequest, number: int, material_id: int) -> HttpResponse:
    """Facts of the capture, whether the bytes are still what was sealed, and how they begin."""
    from qalqan.evidence import read_capture  # opens WARC files; the other pages start without it

    material = _material(number, material_id)
    capture = _capture(material)
    context = {"case": material.case, "material": material, "capture": capture}
    try:
        sealed = read_capture(settings.QALQAN.evidence_url, capture)
    except EvidenceError as error:
        return render(request, "casework/evidence.html", {**context, "problem": str(error)})
    head = sealed.payload[:SHOWN_BYTES].decode("utf-8", "replace")
    context |= {"headers": sealed.headers, "head": head, "is_cut": len(sealed.payload) > SHOWN_BYTES}
    return render(request, "casework/evidence.html", context)


@require_GET
@needs_role(*READERS, section="queue")
def evidence_bytes(request: DeskRequest, number: int, material_id: int) -> HttpResponse:
    """The payload as received, always as a plain file to save; each download is in the journal."""
    from qalqan.evidence import read_capture

    material = _material(number, material_id)
    capture = _capture(material)
    try:
        sealed = read_capture(settings.QALQAN.evidence_url, capture)
    except EvidenceError as error:
        raise Http404(str(error)) from error
    record("evidence.downloaded", actor=request.user, object=material.case, details={"capture": capture.id})
    response = HttpResponse(sealed.payload, content_type="text/plain; charset=utf-8")
    response["Content-Disposition"] = content_disposition_header(True, f"capture-{capture.id}.txt")
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return response
