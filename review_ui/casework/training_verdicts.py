"""What two people say of a case, where it teaches a classifier anything; else the reason why it does not."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Prefetch, QuerySet

from review_ui.audit.models import AuditEntry
from review_ui.casework.models import Case, CaseState, Decision, Outcome, Request, RequestState, TargetKind

# Why a whole case teaches nothing.
CASE_REASONS: dict[str, str] = {
    "open": "the case waits for a decision or a second opinion",
    "returned": "the case went back to collection",
    "disagreement": "the people disagree",
    "one_person": "only one person decided: nobody else rejected a case of this source",
    "handed_over": "handed over: not decided here",
    "says_nothing": "the decision says nothing about the text (EX11 to EX15)",
    "no_code": "rejected without a code that says what the text is",
    "withdrawn": "the request was withdrawn, or an officer took it out of its package",
    "quarantine": "decided too recently: there is still time to object",
}

# Codes that say what a rejected text is instead. EX11 (only a comment offends), EX12 (too little evidence), EX13 (no
# nexus), EX14 (gone) and EX15 (another violation) leave open whether the text advertises what the label means.
_ABOUT_THE_TEXT = frozenset(f"EX{number:02}" for number in range(1, 11))
_SILENT = frozenset(f"EX{number:02}" for number in range(11, 16))

_NARROW = (TargetKind.MESSAGE, TargetKind.PAGE)
_UNDECIDED = {
    CaseState.QUEUED: "open",
    CaseState.SECOND_REVIEW: "open",
    CaseState.NEEDS_CAPTURE: "returned",
    CaseState.THIRD_REVIEW: "disagreement",
    CaseState.HANDED_OVER: "handed_over",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """label: "" where the case was rejected. codes: of both people where confirmed, of any where rejected.

    decisions: theirs on this case, one or two. address: of the one post or page that was confirmed, else "".
    """

    label: str
    codes: tuple[str, ...]
    decisions: tuple[Decision, ...]
    decided_at: datetime
    address: str = ""


def verdicts(decided_before: datetime) -> Iterator[tuple[Case, Verdict | str]]:
    """Every case with its verdict, or with a key of CASE_REASONS; the newest case first."""
    rejections, taken_out = _rejections(), _taken_out()
    requests = Request.objects.exclude(state=RequestState.WITHDRAWN).select_related("first", "second", "target")
    cases = Case.objects.order_by("-pk").prefetch_related(
        "materials", Prefetch("requests", requests), Prefetch("decisions", _standing())
    )
    for case in cases.iterator(chunk_size=200):
        match CaseState(case.state):
            case CaseState.APPROVED | CaseState.PACKAGED:
                verdict = _confirmed(case, taken_out)
            case CaseState.REJECTED:
                verdict = _rejected(case, rejections)
            case undecided:
                verdict = _UNDECIDED[undecided]
        if isinstance(verdict, Verdict) and verdict.decided_at >= decided_before:
            verdict = "quarantine"
        yield case, verdict


def _standing() -> QuerySet[Decision]:
    return Decision.objects.filter(withdrawn_at=None).order_by("stage")


def _taken_out() -> set[str]:
    """Numbers of the requests that an officer once took out of a package."""
    entries = AuditEntry.objects.filter(act="package.request_removed")
    return {details["request"] for details in entries.values_list("details", flat=True)}


def _rejections() -> dict[str, list[Decision]]:
    """Per source the rejections that nobody spoke against; none of a source that was ever confirmed."""
    found: defaultdict[str, list[Decision]] = defaultdict(list)
    for case in Case.objects.filter(state=CaseState.REJECTED).prefetch_related(Prefetch("decisions", _standing())):
        decisions = [one for one in case.decisions.all() if one.round == case.round]
        if all(one.outcome == Outcome.REJECT and _objection(one) is None for one in decisions):
            found[case.cluster_key] += decisions
    confirmed = Request.objects.exclude(state=RequestState.WITHDRAWN).values_list("case__cluster_key", flat=True)
    for key in confirmed.distinct():
        found.pop(key, None)
    return found


def _objection(decision: Decision) -> str | None:
    """Why a rejection teaches nothing of the text."""
    if not _SILENT.isdisjoint(decision.codes):
        return "says_nothing"
    return "no_code" if _ABOUT_THE_TEXT.isdisjoint(decision.codes) else None


def _confirmed(case: Case, taken_out: set[str]) -> Verdict | str:
    request = next(iter(case.requests.all()), None)
    if request is None or (request.package_id is None and request.number in taken_out):
        return "withdrawn"
    first, second = request.first, request.second
    if first.user_id == second.user_id:
        return "one_person"
    if not _SILENT.isdisjoint({*first.codes, *second.codes}):
        return "says_nothing"
    return Verdict(
        label=first.label,
        codes=tuple(sorted(set(first.codes) & set(second.codes))),
        decisions=(first, second),
        decided_at=max(first.at, second.at),
        address=request.target.address if request.target.kind in _NARROW else "",
    )


def _rejected(case: Case, rejections: Mapping[str, list[Decision]]) -> Verdict | str:
    """One person may close a case, but not teach: another one has to have rejected this source as well."""
    standing = [one for one in case.decisions.all() if one.round == case.round]
    against = [one for one in standing if one.outcome == Outcome.REJECT]
    for decision in against:
        if objection := _objection(decision):
            return objection
    moments = {one.user_id: one.at for one in against}
    if len(moments) == 1:
        if len(standing) > len(against):
            return "disagreement"
        others = [one.at for one in rejections.get(case.cluster_key, ()) if one.user_id not in moments]
        if not others:
            return "one_person"
        decided_at = max(min(others), *moments.values())
    else:
        decided_at = max(moments.values())
    codes = {code for one in against for code in one.codes} & _ABOUT_THE_TEXT
    return Verdict("", tuple(sorted(codes)), tuple(against), decided_at)
