"""The decision card: one case, one screen, eight questions in one order."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_GET

from qalqan import clock
from review_ui.accounts.models import Role, User
from review_ui.audit.chain import entries_for
from review_ui.casework.claims import held_by_other
from review_ui.casework.models import OPEN_STATES, Case, CaseState, Material, Target
from review_ui.casework.related import related_cases
from review_ui.casework.stages import stage_for, standing_decisions
from review_ui.casework.views.access import DeskRequest, needs_role
from review_ui.casework.views.card import channel_facts, see, why_flagged
from review_ui.casework.views.draft import Draft, kept_draft
from review_ui.casework.views.form import DecisionSheet
from review_ui.casework.views.journal import journal_row, related_rows
from review_ui.casework.views.opinions import compare
from review_ui.casework.views.problems import keeps_confirm_off
from review_ui.casework.views.undo import undo_offer

JOURNAL_ROWS = 5
READERS = (Role.MODERATOR, Role.AUDITOR)


@dataclass(frozen=True)
class Standing:
    """What the person may do with the case now.

    key: mine, free, theirs, over (one's own reservation has ended), own (one has decided before), closed, reader.
    stage: which opinion the person would give. is_blind: earlier opinions stay closed.
    """

    key: str
    stage: int | None
    is_blind: bool


def standing_of(case: Case, user: User) -> Standing:
    stage = stage_for(case, user)
    is_later = case.state in {CaseState.SECOND_REVIEW, CaseState.THIRD_REVIEW}
    # The third person decides between two opinions and has to know both.
    is_blind = is_later and stage == 2
    if stage is None:
        if case.state not in OPEN_STATES:
            return Standing("closed", None, is_blind=False)
        return Standing("own" if user.has_role(Role.MODERATOR) else "reader", None, is_blind=False)
    if held_by_other(case, user):
        return Standing("theirs", stage, is_blind)
    if case.holder_id == user.pk and case.held_until is not None:
        return Standing("mine" if case.held_until > clock.now() else "over", stage, is_blind)
    return Standing("free", stage, is_blind)


def case_or_404(number: int) -> Case:
    return get_object_or_404(Case.objects.select_related("holder", "returned_from"), pk=number)


def lit_section(case: Case) -> str:
    return "second" if case.state in {CaseState.SECOND_REVIEW, CaseState.THIRD_REVIEW} else "queue"


def material_order(case: Case) -> list[int]:
    return list(case.materials.values_list("pk", flat=True))


def chosen_material(case: Case, order: Sequence[int], wanted: int | str | None) -> Material:
    """The material that is asked for, else the strongest. 404 where the case has none."""
    number = int(str(wanted)) if str(wanted).isdecimal() else None
    return get_object_or_404(Material, case=case, pk=number if number in order else order[0] if order else None)


def sheet_of(
    case: Case, user: User, draft: Draft, stage: int, *, suggested: Sequence[str] = (), on_screen: str = ""
) -> DecisionSheet:
    targets = sorted(Target.objects.filter(case=case), key=lambda target: (target.width, target.pk))
    return DecisionSheet(
        case,
        draft,
        targets,
        stage=stage,
        problems=keeps_confirm_off(case, user, draft, stage),
        suggested=suggested,
        on_screen=on_screen,
    )


@require_GET
@needs_role(*READERS, section="queue")
def case_page(request: DeskRequest, number: int) -> HttpResponse:
    return render_card(request, case_or_404(number))


def render_card(
    request: DeskRequest,
    case: Case,
    *,
    draft: Draft | None = None,
    refused: Sequence[str] = (),
    status: int = 200,
) -> HttpResponse:
    """refused: why an act was not done; everything that was ticked stays on the screen."""
    request.section = lit_section(case)
    user = request.user
    standing = standing_of(case, user)
    order = material_order(case)
    material = chosen_material(case, order, request.GET.get("m") or (draft.material if draft else None))
    draft = (draft or kept_draft(request.session, case) or Draft()).with_words(case)
    label = draft.label or case.label
    why = why_flagged(material, label)
    entries = list(entries_for(case).order_by("-sequence")[:JOURNAL_ROWS])
    count = entries_for(case).count()
    context: dict[str, Any] = {
        "case": case,
        "standing": standing,
        "material": material,
        "seen": see(material, order, label, quotes_on(draft, material)),
        "why": why,
        "channel": channel_facts(case, material, len(order)),
        "related": related_rows(related_cases(case)),
        "journal": {
            "rows": [
                journal_row(entry, reader=user.username, is_blind=standing.is_blind) for entry in reversed(entries)
            ],
            "all": ngettext("all, %(n)s row", "all, %(n)s rows", count) % {"n": count},
        },
        "sizes": sizes(case, order),
        "refused": refused,
        "undo": undo_offer(request),
    }
    if standing.stage is not None:
        context["form"] = sheet_of(
            case,
            user,
            draft,
            standing.stage,
            suggested=[code.code for code in why.suggested],
            on_screen=material.document.get("canonical_url", ""),
        )
    if standing.key in {"own", "reader", "closed"} or standing.stage == 3:
        context["opinions"] = compare(list(standing_decisions(case).select_related("user", "target")), reader=user)
    return render(request, "casework/case.html", context, status=status)


def quotes_on(draft: Draft, material: Material) -> list[tuple[int, int]]:
    return [(quote.start, quote.end) for quote in draft.quotes if quote.material == material.pk]


def sizes(case: Case, order: Sequence[int]) -> str:
    targets = case.targets.count()
    return ", ".join(
        [
            ngettext("%(n)s record", "%(n)s records", len(order)) % {"n": len(order)},
            ngettext("%(n)s address", "%(n)s addresses", targets) % {"n": targets},
        ]
    )


@require_GET
@needs_role(*READERS, section="queue")
def material_part(request: DeskRequest, number: int, material_id: int) -> HttpResponse:
    """The left column for another material, with the label and quotes that the form holds now."""
    case = case_or_404(number)
    draft = Draft.from_post(request.GET)
    order = material_order(case)
    material = chosen_material(case, order, material_id)
    seen = see(material, order, draft.label or case.label, quotes_on(draft, material))
    context = {"case": case, "material": material, "seen": seen, "with_field": True}
    return render(request, "casework/_seen.html", context)


def taken_page(request: DeskRequest, case: Case) -> HttpResponse:
    """A colleague was faster."""
    request.section = lit_section(case)
    return render(
        request,
        "casework/taken.html",
        {"case": case, "heading": gettext("A colleague took the case")},
        status=409,
    )
