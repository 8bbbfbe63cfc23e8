"""Cases as rows of a list; one query brings the strongest material of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import OuterRef, QuerySet, Subquery
from django.utils.translation import gettext, pgettext

from qalqan import clock
from review_ui.accounts.models import User
from review_ui.casework.models import Case, CaseState, Material
from review_ui.casework.templatetags.desk import LABEL_ICONS, duration, plain, short_label, whole
from review_ui.casework.views.card import site_title
from review_ui.casework.views.harm_words import Addend, addends, one_line
from review_ui.casework.views.marked import Piece, snippet, spans_of

WAITS_LONG = timedelta(days=1)


@dataclass(frozen=True)
class Row:
    number: str
    title: str
    harm: str
    sum: list[Addend]
    sum_line: str
    came_back: str
    hint: str
    snippet: list[Piece]
    language: str
    label: str
    icon: str
    site: str
    languages: str
    audience: int | None
    published_at: datetime | None
    opened_at: datetime
    waits_long: bool
    is_mine: bool
    is_held: bool
    may_claim: bool
    holder: str
    held_for: str
    free: str


def with_strongest(cases: QuerySet[Case]) -> QuerySet[Case]:
    """Annotates `strongest`: the id of the material with the highest score."""
    strongest = Material.objects.filter(case=OuterRef("pk")).order_by("-score", "id").values("pk")[:1]
    return cases.annotate(strongest=Subquery(strongest))


def rows_of(cases: Sequence[Case], user: User, *, may_claim: bool) -> list[Row]:
    """`cases` come from `with_strongest`, with their holders."""
    wanted = [case.strongest for case in cases]  # type: ignore[attr-defined]  # annotated
    materials = Material.objects.only("document", "case_id").in_bulk([pk for pk in wanted if pk is not None])
    now = clock.now()
    return [
        _row(case, materials.get(pk), user, now, may_claim=may_claim) for case, pk in zip(cases, wanted, strict=True)
    ]


def _row(case: Case, material: Material | None, user: User, now: datetime, *, may_claim: bool) -> Row:
    document = material.document if material else {}
    is_held = case.holder_id is not None and case.held_until is not None and case.held_until > now
    left = duration(case.held_until - now) if is_held and case.held_until else ""
    shown = addends(case.harm_parts)
    language = document.get("lang", "")
    return Row(
        number=str(case.pk),
        title=plain(case.title),
        harm=whole(case.harm),
        sum=shown,
        sum_line=one_line(shown, whole(case.harm)),
        came_back=str(case.returned_from_id) if case.returned_from_id else "",
        hint=pgettext("queue", "waits for collection") if case.state == CaseState.NEEDS_CAPTURE else "",
        snippet=snippet(document.get("text", ""), spans_of(document, case.label)),
        language=language if language in {"ru", "kk", "en"} else "",
        label=short_label(case.label),
        icon=LABEL_ICONS[case.label],
        site=site_title(case.site),
        languages=", ".join(case.languages),
        audience=case.audience,
        published_at=case.last_published_at,
        opened_at=case.opened_at,
        waits_long=now - case.opened_at > WAITS_LONG,
        is_mine=is_held and case.holder_id == user.pk,
        is_held=is_held and case.holder_id != user.pk,
        may_claim=may_claim,
        holder=case.holder.short_name if is_held and case.holder else "",
        held_for=gettext("for %(time)s more") % {"time": left} if left else "",
        free=pgettext("queue", "free"),
    )
