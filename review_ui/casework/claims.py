"""Who holds a case, and until when. A claim keeps colleagues from doing the same work; it expires by itself."""

import math
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from qalqan import clock
from review_ui.accounts.models import Role, User
from review_ui.audit.chain import lock_head, record
from review_ui.casework.models import Case
from review_ui.casework.refusals import Refusal, refuse
from review_ui.casework.stages import require_stage


def held_by_other(case: Case, user: User) -> bool:
    return (
        case.holder_id is not None
        and case.holder_id != user.pk
        and case.held_until is not None
        and case.held_until > clock.now()
    )


def refusal_of_held(case: Case) -> Refusal:
    left = (case.held_until - clock.now()).total_seconds() if case.held_until else 0
    return refuse("held", holder=case.holder.short_name if case.holder else "", minutes=max(math.ceil(left / 60), 1))


@transaction.atomic
def claim(case: Case, user: User) -> Case:
    """The case, held by the user for the configured minutes from now; a claim of one's own is prolonged.

    Raises Refusal (role, closed, own_decision, held). Of two people at the same moment one gets it.
    """
    if not user.has_role(Role.MODERATOR):
        raise refuse("role")
    lock_head()
    case = Case.objects.select_for_update().get(pk=case.pk)
    require_stage(case, user)
    moment = clock.now()
    until = moment + timedelta(minutes=settings.QALQAN.review.claim_minutes)
    is_prolonged = case.holder_id == user.pk and case.held_until is not None and case.held_until > moment
    free = Q(holder=None) | Q(holder=user) | Q(held_until=None) | Q(held_until__lte=moment)
    if not Case.objects.filter(free, pk=case.pk).update(holder=user, held_until=until):
        raise refusal_of_held(case)
    case.holder, case.held_until = user, until
    if not is_prolonged:
        record("case.claimed", actor=user, object=case)
    return case


@transaction.atomic
def release(case: Case, user: User) -> None:
    """Nothing happens if the user does not hold the case."""
    lock_head()
    if Case.objects.filter(pk=case.pk, holder=user).update(holder=None, held_until=None):
        record("case.released", actor=user, object=case)
    case.holder, case.held_until = None, None
