"""Deciding: one act of one person, from which the next state of the case follows.

queued ──confirm──► second review ──same label and target──► approved (a request comes into being)
  │                   └─ other opinion ─► third review ──joins one of the two──► approved
  ├─ reject / hand over: closed (one person is enough to drop something)
  └─ return, at any stage: back to collection; a new capture begins a new round
"""

from datetime import timedelta

from django.conf import settings
from django.db import IntegrityError, transaction

from qalqan import clock
from review_ui.accounts.models import Role, User
from review_ui.audit.chain import lock_head, record
from review_ui.casework import card
from review_ui.casework.card import DecisionForm, problems, warnings
from review_ui.casework.claims import held_by_other, refusal_of_held
from review_ui.casework.models import OPEN_STATES, Case, CaseState, Decision, Outcome, Request, RequestState, Urgency
from review_ui.casework.refusals import Problem, Refusal, refuse
from review_ui.casework.stages import require_stage, second_opinions, stage_for, standing_decisions

__all__ = [
    "DecisionForm",
    "Problem",
    "Refusal",
    "decide",
    "problems",
    "second_opinions",
    "stage_for",
    "standing_decisions",
    "warnings",
    "withdraw",
]

WITHDRAW_WITHIN = timedelta(seconds=10)

_ACTS = {
    Outcome.CONFIRM: "decision.confirmed",
    Outcome.REJECT: "decision.rejected",
    Outcome.RETURN: "decision.returned",
    Outcome.HAND_OVER: "decision.handed_over",
}

# The outcome itself says the code, so nobody has to tick it as well.
_IMPLIED_CODE = {Outcome.RETURN: "EX12", Outcome.HAND_OVER: "EX15"}


@transaction.atomic
def decide(case: Case, user: User, form: DecisionForm) -> Decision:
    """Records the decision and moves the case on; everything happens or nothing does.

    Raises Refusal with every problem. The caller's `case` is brought up to date.
    """
    lock_head()
    locked = Case.objects.select_for_update().get(pk=case.pk)
    stage = require_stage(locked, user)
    if held_by_other(locked, user):
        raise refusal_of_held(locked)
    found = problems(locked, user, form, stage)
    if found:
        raise Refusal(*found)
    earlier = list(standing_decisions(locked))
    decision = _write(locked, user, form, stage)
    locked.state = _next_state(decision, form, earlier)
    if locked.state == CaseState.NEEDS_CAPTURE:
        locked.round += 1
    locked.holder, locked.held_until = None, None
    locked.save(update_fields=["state", "round", "holder", "held_until"])
    record(
        _ACTS[form.outcome],
        actor=user,
        object=decision,
        details={"case": case.pk, "stage": stage, "state": locked.state, "codes": decision.codes},
    )
    if locked.state == CaseState.APPROVED:
        _open_request(locked, decision, form, earlier, user)
    case.refresh_from_db()
    return decision


def _write(case: Case, user: User, form: DecisionForm, stage: int) -> Decision:
    implied = _IMPLIED_CODE.get(form.outcome)
    codes = sorted({*form.codes, *([implied] if implied else [])})
    answers = form.model_dump(exclude={"codes", "quotes"})
    if form.target_id is None or not case.targets.filter(pk=form.target_id).exists():
        answers["target_id"] = None  # of an outcome that needs none
    try:
        with transaction.atomic():
            return Decision.objects.create(
                case=case,
                user=user,
                round=case.round,
                stage=stage,
                codes=codes,
                quotes=[quote.model_dump() for quote in form.quotes],
                seen=card.snapshot(case),
                **answers,
            )
    except IntegrityError as error:  # the same person or stage once more: the database says no as well
        raise refuse("own_decision") from error


def _next_state(decision: Decision, form: DecisionForm, earlier: list[Decision]) -> CaseState:
    if form.outcome == Outcome.RETURN:
        return CaseState.NEEDS_CAPTURE
    if decision.stage == 1:
        return {
            Outcome.CONFIRM: CaseState.SECOND_REVIEW,
            Outcome.REJECT: CaseState.REJECTED,
            Outcome.HAND_OVER: CaseState.HANDED_OVER,
        }[form.outcome]
    if any(card.agrees(form, one) for one in earlier):
        return CaseState.APPROVED
    if decision.stage == 2:
        return CaseState.THIRD_REVIEW
    return CaseState.HANDED_OVER if form.outcome == Outcome.HAND_OVER else CaseState.REJECTED


def _open_request(case: Case, decision: Decision, form: DecisionForm, earlier: list[Decision], user: User) -> Request:
    first = next(one for one in earlier if card.agrees(form, one))
    request = Request.objects.create(
        number=f"{case.pk}-{case.requests.count() + 1}",
        case=case,
        target=first.target,  # type: ignore[misc]  # a confirmation has a target: card.problems
        first=first,
        second=decision,
        route=first.route,
        urgency=Urgency.URGENT if Urgency.URGENT in {first.urgency, decision.urgency} else Urgency.NORMAL,
    )
    details = {"case": case.pk, "number": request.number, "target": request.target.address}
    record("request.approved", actor=user, object=request, details=details)
    return request


@transaction.atomic
def withdraw(decision: Decision, user: User) -> None:
    """Undoes a decision within ten seconds, as long as nobody has acted on it.

    The person holds the case again and may decide anew; of a second opinion the case waits for somebody else
    (`stages.stage_for`).

    Raises Refusal (not_yours, withdrawn, late, acted_on).
    """
    lock_head()
    case = Case.objects.select_for_update().get(pk=decision.case_id)
    decision = Decision.objects.get(pk=decision.pk)
    if decision.user_id != user.pk or not user.has_role(Role.MODERATOR):
        raise refuse("not_yours")
    if decision.withdrawn_at is not None:
        raise refuse("withdrawn")
    if clock.now() - decision.at > WITHDRAW_WITHIN:
        raise refuse("late")
    if _is_acted_on(case, decision, user):
        raise refuse("acted_on")
    decision.withdrawn_at = clock.now()
    decision.save(update_fields=["withdrawn_at"])
    case.requests.filter(second=decision).update(state=RequestState.WITHDRAWN)
    case.round = decision.round
    case.state = decision.seen["state"]
    if stage_for(case, user) is not None:
        case.holder, case.held_until = user, clock.now() + timedelta(minutes=settings.QALQAN.review.claim_minutes)
    case.save(update_fields=["state", "round", "holder", "held_until"])
    record("decision.withdrawn", actor=user, object=decision, details={"case": case.pk, "state": case.state})


def _is_acted_on(case: Case, decision: Decision, user: User) -> bool:
    newer = case.decisions.filter(withdrawn_at=None, at__gt=decision.at).exists()
    packaged = case.requests.filter(second=decision).exclude(state=RequestState.APPROVED).exists()
    # While the case was closed, the same channel may have come back as a new case.
    came_back = Case.objects.filter(cluster_key=case.cluster_key, state__in=OPEN_STATES).exclude(pk=case.pk).exists()
    recollected = decision.outcome == Outcome.RETURN and case.state != CaseState.NEEDS_CAPTURE
    return newer or packaged or came_back or recollected or held_by_other(case, user)
