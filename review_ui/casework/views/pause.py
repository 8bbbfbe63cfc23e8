"""A break: nothing to see, nothing to do."""

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from review_ui.casework.views.access import DeskRequest, signed_in


@require_GET
@signed_in
def pause_page(request: DeskRequest) -> HttpResponse:
    return render(request, "pause.html")
