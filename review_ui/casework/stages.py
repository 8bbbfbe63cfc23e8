"""Whose turn it is: the first opinion, the second of another person, the third where two differ."""

from django.db.models import Exists, OuterRef, Q, QuerySet

from review_ui.accounts.models import Role, User
from review_ui.casework.models import Case, CaseState, Decision
from review_ui.casework.refusals import refuse

_STAGES = {
    CaseState.QUEUED: 1,
    CaseState.NEEDS_CAPTURE: 1,
    CaseState.SECOND_REVIEW: 2,
    CaseState.THIRD_REVIEW: 3,
}


def standing_decisions(case: Case) -> QuerySet[Decision]:
    """Decisions of the present round that were not withdrawn, the first opinion first."""
    return case.decisions.filter(round=case.round, withdrawn_at=None).order_by("stage")


def stage_for(case: Case, user: User) -> int | None:
    """1, 2 or 3; None if the person may not decide: no moderator, case closed, or decided before in this round.

    Whoever took a second opinion back has seen the first one meanwhile, so another person gives it.
    """
    stage = _STAGES.get(CaseState(case.state))
    if stage is None or not user.has_role(Role.MODERATOR):
        return None
    if stage > 1 and case.decisions.filter(_bars(stage), round=case.round, user=user).exists():
        return None
    return stage


def _bars(stage: int) -> Q:
    standing = Q(withdrawn_at=None)
    return standing | Q(stage=2) if stage == 2 else standing


def require_stage(case: Case, user: User) -> int:
    """Raises Refusal (role, closed, own_decision)."""
    stage = stage_for(case, user)
    if stage is not None:
        return stage
    if not user.has_role(Role.MODERATOR):
        raise refuse("role")
    raise refuse("own_decision" if CaseState(case.state) in _STAGES else "closed")


def second_opinions(user: User) -> QuerySet[Case]:
    """Cases that wait for a second or third opinion which this person may give, the most harmful first."""
    waiting = Case.objects.filter(state__in=[CaseState.SECOND_REVIEW, CaseState.THIRD_REVIEW])
    mine = Decision.objects.filter(case=OuterRef("pk"), round=OuterRef("round"), user=user)
    waiting = waiting.exclude(Exists(mine.filter(withdrawn_at=None)))
    waiting = waiting.exclude(Exists(mine.filter(stage=2)), state=CaseState.SECOND_REVIEW)
    return waiting.select_related("holder", "returned_from").order_by("-harm", "id")
