"""After a second or third decision: the opinions side by side."""

from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from review_ui.accounts.models import Role
from review_ui.casework.models import CaseState
from review_ui.casework.stages import standing_decisions
from review_ui.casework.views.access import DeskRequest, needs_role
from review_ui.casework.views.case import case_or_404
from review_ui.casework.views.opinions import compare
from review_ui.casework.views.undo import undo_offer


@require_GET
@needs_role(Role.MODERATOR, Role.AUDITOR, Role.OFFICER, section="second")
def opinions_page(request: DeskRequest, number: int) -> HttpResponse:
    """Open to those who have decided on the case, to officers and to auditors: nobody else has a right to know yet."""
    case = case_or_404(number)
    decisions = list(standing_decisions(case).select_related("user", "target"))
    if not decisions and case.state != CaseState.NEEDS_CAPTURE:
        raise PermissionDenied
    user = request.user
    has_decided = case.decisions.filter(user=user, withdrawn_at=None).exists()
    if not has_decided and not user.has_role(Role.AUDITOR, Role.OFFICER):
        raise PermissionDenied
    context = {
        "case": case,
        "opinions": compare(decisions, reader=user),
        "request_row": case.requests.exclude(state="withdrawn").select_related("target").last(),
        "is_third": case.state == CaseState.THIRD_REVIEW,
        "undo": undo_offer(request),
    }
    return render(request, "casework/opinions.html", context)
