"""Acts on a case: take, let go, check what is ticked, decide, take back."""

from uuid import UUID

from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.http import require_POST
from django_htmx.http import HttpResponseClientRedirect

from review_ui.accounts.models import Role
from review_ui.casework.claims import claim, release
from review_ui.casework.decisions import decide, withdraw
from review_ui.casework.models import Case, CaseState, Decision, Outcome
from review_ui.casework.queue import QueueFilters, queue
from review_ui.casework.refusals import Refusal
from review_ui.casework.stages import second_opinions
from review_ui.casework.views.access import DeskRequest, needs_role
from review_ui.casework.views.card import see
from review_ui.casework.views.case import (
    case_or_404,
    chosen_material,
    lit_section,
    material_order,
    quotes_on,
    render_card,
    sheet_of,
    standing_of,
    taken_page,
)
from review_ui.casework.views.draft import Draft, Quote, forget_draft, keep_draft
from review_ui.casework.views.problems import messages_of
from review_ui.casework.views.undo import offer_undo, withdraw_offer

TRIED_CASES = 20  # how many cases may be snatched away before we show the list again


@require_POST
@needs_role(Role.MODERATOR, section="queue")
def claim_case(request: DeskRequest, number: int) -> HttpResponse:
    """Takes the case for a while and opens its card."""
    return take(request, case_or_404(number))


@require_POST
@needs_role(Role.MODERATOR, section="queue")
def next_case(request: DeskRequest) -> HttpResponse:
    """Takes the most harmful case that is free, and opens it; the list where there is none."""
    section = "second" if request.POST.get("section") == "second" else "queue"
    return open_next(request, section, passed=None)


@require_POST
@needs_role(Role.MODERATOR, section="queue")
def skip_case(request: DeskRequest, number: int) -> HttpResponse:
    """Lets the case go; what was ticked stays as a draft. then: `queue` for the list, else the next case."""
    case = case_or_404(number)
    section = lit_section(case)
    keep_draft(request.session, case, Draft.from_post(request.POST))
    release(case, request.user)
    if request.POST.get("then") == "pause":
        return redirect("pause")
    if request.POST.get("then") == "list":
        return redirect(section)
    return open_next(request, section, passed=case)


def open_next(request: DeskRequest, section: str, passed: Case | None) -> HttpResponse:
    """passed: the case that was just left, which should not come back at once."""
    waiting = second_opinions(request.user) if section == "second" else queue(QueueFilters(), request.user)
    if passed is not None:
        waiting = waiting.exclude(pk=passed.pk)
    for case in waiting[:TRIED_CASES]:
        try:
            claim(case, request.user)
        except Refusal:
            continue
        return HttpResponseRedirect(_card(case))
    return redirect(section)


@require_POST
@needs_role(Role.MODERATOR, section="queue")
def check_case(request: DeskRequest, number: int) -> HttpResponse:
    """Judges what is ticked now and swaps the formula, the plan, the button and the quotes; prolongs the claim."""
    case = case_or_404(number)
    draft = Draft.from_post(request.POST).with_words(case)
    keep_draft(request.session, case, draft)
    standing = standing_of(case, request.user)
    if standing.key != "mine" or standing.stage is None:
        return HttpResponse(status=204, headers={"HX-Refresh": "true"})
    case = claim(case, request.user)
    context = {"case": case, "form": sheet_of(case, request.user, draft, standing.stage), "oob": True}
    if request.POST.get("changed") in {"label", "quote"}:
        order = material_order(case)
        material = chosen_material(case, order, draft.material)
        context["seen"] = see(material, order, draft.label or case.label, quotes_on(draft, material))
        context["with_post"] = True
    return render(request, "casework/_verdict.html", context)


@require_POST
@needs_role(Role.MODERATOR, section="queue")
def decide_case(request: DeskRequest, number: int) -> HttpResponse:
    """Writes the decision; what the rules refuse comes back with everything still ticked."""
    case = case_or_404(number)
    draft = Draft.from_post(request.POST).with_words(case)
    wanted = request.POST.get("outcome")
    if wanted not in Outcome.values:
        return render_card(
            request, case, draft=draft, refused=[gettext("Choose what to do with the case.")], status=422
        )
    outcome = Outcome(wanted)
    keep_draft(request.session, case, draft)
    try:
        decision = decide(case, request.user, draft.answers(outcome))
    except Refusal as refusal:
        return render_card(request, case_or_404(number), draft=draft, refused=messages_of(refusal.problems), status=422)
    forget_draft(request.session, case)
    offer_undo(request, decision, told(decision, case))
    if decision.stage > 1:
        return redirect("case-opinions", number=case.pk)
    return open_next(request, "queue", passed=case)


def told(decision: Decision, case: Case) -> str:
    """What became of the case, in a few words for the toast."""
    number = {"number": case.pk}
    if decision.outcome == Outcome.CONFIRM:
        if case.state == CaseState.APPROVED:
            return gettext("Case No. %(number)s: confirmed, the request is approved.") % number
        if case.state == CaseState.THIRD_REVIEW:
            return gettext("Case No. %(number)s: recorded, a third person decides.") % number
        return gettext("Case No. %(number)s: confirmed, passed to a second person.") % number
    words = {
        Outcome.REJECT: gettext("Case No. %(number)s is rejected."),
        Outcome.RETURN: gettext("Case No. %(number)s is back in collection."),
        Outcome.HAND_OVER: gettext("Case No. %(number)s is handed over."),
    }
    return words[Outcome(decision.outcome)] % number


@require_POST
@needs_role(Role.MODERATOR, section="queue")
def undo_decision(request: DeskRequest, decision_id: UUID) -> HttpResponse:
    """Takes the decision back and opens its case again."""
    decision = get_object_or_404(Decision.objects.select_related("case"), pk=decision_id)
    withdraw_offer(request)
    try:
        withdraw(decision, request.user)
    except Refusal as refusal:
        return render(
            request,
            "casework/refused.html",
            {"heading": gettext("Not taken back"), "refused": messages_of(refusal.problems), "case": decision.case},
            status=409,
        )
    keep_draft(request.session, decision.case, draft_of(decision))
    return take(request, decision.case)


def take(request: DeskRequest, case: Case) -> HttpResponse:
    """The card says by itself why the case cannot be decided; only a faster colleague has a page of its own."""
    try:
        claim(case, request.user)
    except Refusal as refusal:
        if refusal.key == "held" and not request.htmx:
            return taken_page(request, case_or_404(case.pk))
    return HttpResponseClientRedirect(_card(case)) if request.htmx else HttpResponseRedirect(_card(case))


def draft_of(decision: Decision) -> Draft:
    """What was ticked, so that nothing has to be ticked again."""
    return Draft(
        label=decision.label or None,
        speaker=decision.speaker,
        codes=list(decision.codes) + (["contact"] if decision.has_contact else []),
        quotes=[Quote(**quote) for quote in decision.quotes],
        target=decision.target_id,
        wider_reason=decision.wider_reason,
        protected_reason=decision.protected_reason,
        nexus=list(decision.nexus),
        route=decision.route,
        urgency=decision.urgency,
        reason=decision.reason,
        override_reason=decision.override_reason,
    )


def _card(case: Case) -> str:
    return reverse("case", kwargs={"number": case.pk})
