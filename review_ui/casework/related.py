"""Cases that look like the same people's work."""

from dataclasses import dataclass

from review_ui.audit.masking import mask_personal
from review_ui.casework.marks import NEAR_DUPLICATE
from review_ui.casework.models import Case, Mark

# A mark that so many cases share tells nothing about any of them.
_TOO_COMMON = 50

# Strongest first: money, then contacts, then places.
_ORDER = (
    "returned_from",
    "card",
    "iban",
    "wallet_btc",
    "wallet_eth",
    "wallet_trx",
    "phone",
    NEAR_DUPLICATE,
    "telegram_invite",
    "telegram",
    "email",
    "domain",
)


@dataclass(frozen=True, slots=True)
class Related:
    """reason_key: returned_from, near_duplicate, or the kind of what both share; detail: the thing, masked."""

    case: Case
    reason_key: str
    detail: str


def related_cases(case: Case, limit: int = 10) -> list[Related]:
    """One line per case, with the strongest reason; the strongest reasons first."""
    found: dict[int, Related] = {}
    if case.returned_from is not None:
        found[case.returned_from.pk] = Related(case.returned_from, "returned_from", "")
    own = set(case.marks.values_list("kind", "value"))
    kinds, values = {kind for kind, _ in own}, {value for _, value in own}
    others = Mark.objects.filter(kind__in=kinds, value__in=values).exclude(case=case).select_related("case")
    sharing: dict[tuple[str, str], list[Case]] = {}
    for mark in others[:5000]:
        if (mark.kind, mark.value) in own:
            sharing.setdefault((mark.kind, mark.value), []).append(mark.case)
    for (kind, value), cases in sorted(sharing.items(), key=lambda item: (_ORDER.index(item[0][0]), item[0][1])):
        if len(cases) > _TOO_COMMON:
            continue
        for other in sorted(cases, key=lambda one: -one.pk):
            found.setdefault(other.pk, Related(other, kind, _shown(kind, value)))
    return list(found.values())[:limit]


def _shown(kind: str, value: str) -> str:
    if kind == NEAR_DUPLICATE:
        return ""
    if kind == "telegram":
        return f"@{value}"
    if kind == "card":
        return f"{value[:6]}{'•' * (len(value) - 10)}{value[-4:]}"
    return mask_personal(value)
