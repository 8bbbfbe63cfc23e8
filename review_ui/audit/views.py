"""The journal of a case, row by row."""

from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from review_ui.accounts.models import Role
from review_ui.audit.chain import entries_for
from review_ui.casework.views.access import DeskRequest, needs_role
from review_ui.casework.views.case import case_or_404, lit_section, standing_of
from review_ui.casework.views.journal import journal_row

PAGE_SIZE = 200


@require_GET
@needs_role(Role.MODERATOR, Role.AUDITOR, Role.OFFICER, section="queue")
def case_audit(request: DeskRequest, number: int) -> HttpResponse:
    """Who still has to stay blind sees that an opinion exists, and nothing of it."""
    case = case_or_404(number)
    request.section = lit_section(case)
    is_blind = standing_of(case, request.user).is_blind
    page = Paginator(entries_for(case), PAGE_SIZE).get_page(request.GET.get("page"))
    rows = [journal_row(entry, reader=request.user.username, is_blind=is_blind) for entry in page.object_list]
    return render(request, "audit/case.html", {"case": case, "rows": rows, "page": page, "is_blind": is_blind})
