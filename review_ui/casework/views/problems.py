"""What stands against an act, in words for people."""

from collections.abc import Iterable

from django.utils.translation import gettext

from qalqan.rationale import CONTACT
from review_ui.accounts.models import User
from review_ui.casework.card import problems
from review_ui.casework.models import Case, Outcome
from review_ui.casework.refusals import Problem
from review_ui.casework.views.draft import Draft


def messages_of(found: Iterable[Problem]) -> list[str]:
    return [_message(problem) for problem in found]


def _message(problem: Problem) -> str:
    if problem.key == "formula":
        groups = problem.params["missing"].split(" + ")
        words = [f" {gettext('or')} ".join(_word(code) for code in group.split("/")) for group in groups]
        return gettext("The formula is not met. Missing: %(missing)s.") % {"missing": "; ".join(words)}
    return problem.message()


def _word(code: str) -> str:
    return gettext("a way to order") if code == CONTACT else code


def keeps_confirm_off(case: Case, user: User, draft: Draft, stage: int) -> list[str]:
    """Every reason why this draft cannot be confirmed now, in the order of the questions."""
    return messages_of(problems(case, user, draft.answers(Outcome.CONFIRM), stage))
