"""What every page of the desk shows in its head."""

from typing import Any

from django.http import HttpRequest

from review_ui.casework.models import Case, CaseState


def counts(request: HttpRequest) -> dict[str, Any]:
    if not request.user.is_authenticated:
        return {}
    return {
        "count_queue": Case.objects.filter(state=CaseState.QUEUED).count(),
        "count_second": Case.objects.filter(state__in=[CaseState.SECOND_REVIEW, CaseState.THIRD_REVIEW]).count(),
    }
