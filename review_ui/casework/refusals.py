"""Why an act is refused, in a form that a page can show in the reader's language."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from qalqan.errors import CaseworkError

_MESSAGES: dict[str, Promise] = {
    # who and when
    "role": _("Your role does not allow this."),
    "closed": _("This case is closed; nothing is left to decide."),
    "own_decision": _("You have already decided on this case: a second opinion comes from another person."),
    "held": _("%(holder)s holds this case for another %(minutes)s min."),
    "not_held": _("You do not hold this case."),
    "late": _("Ten seconds have passed: a decision can no longer be withdrawn."),
    "acted_on": _("Someone has already acted on this decision; it can no longer be withdrawn."),
    "withdrawn": _("This decision is already withdrawn."),
    "not_yours": _("Only the person who decided can withdraw a decision."),
    # the card
    "label": _("Choose a label."),
    "formula": _("The formula is not met: %(missing)s."),
    "exculpatory": _("%(codes)s speaks against it: it cannot be confirmed."),
    "override": _("%(codes)s is ticked: say in a sentence why it does not hold."),
    "other_outcome": _("%(code)s asks for another outcome: %(outcome)s."),
    "speaker": _("Without the offender's own voice it cannot be confirmed."),
    "unknown_codes": _("These codes do not belong to the label: %(codes)s."),
    "quote": _("Quote %(number)s does not match the text of the post; mark it again."),
    "quote_unsealed": _("Quote %(number)s comes from a post without a sealed capture."),
    "core_without_quote": _("%(code)s is ticked without a quote."),
    "target": _("Choose what to restrict."),
    "target_foreign": _("This target does not belong to the case."),
    "target_forbidden": _("%(address)s is an IP address or a whole platform: it cannot be restricted."),
    "target_protected": _("The target is on the protected list (%(entry)s): say why it should be restricted."),
    "third_target": _("A third opinion joins one of the two: choose the label and target of one, or reject."),
    "narrow": _("EX11 is ticked: choose the narrowest target."),
    "wider": _("Say why nothing narrower is enough."),
    "nexus": _("Tick the connection with Kazakhstan; without one it is EX13."),
    "route": _("Choose a route."),
    "unsealed": _("There is no sealed capture: return the case to collection."),
    "reason": _("Give the reason in at least ten characters."),
    "reason_or_code": _("Give a reason, or tick the exculpatory code."),
    "form": _("The answer to “%(field)s” is not one of those that the card offers."),
    # packages
    "frozen": _("Package № %(number)s is frozen: nothing in it changes."),
    "not_frozen": _("Package № %(number)s is not frozen yet."),
    "checks": _("Package № %(number)s does not pass its checks: %(keys)s."),
    "officer_decided": _("You decided on %(requests)s in this package: another officer has to sign it."),
    "not_in_package": _("Request %(request)s is not in package № %(number)s."),
    "no_package": _("There is no package № %(number)s."),
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that keeps an act from happening. params are put into the message."""

    key: str
    params: Mapping[str, Any] = field(default_factory=dict)

    def message(self) -> str:
        """In the language that is active."""
        return str(_MESSAGES[self.key]) % self.params


class Refusal(CaseworkError):
    """An act that the rules do not allow; `problems` says what stands against it, the first one first."""

    def __init__(self, *problems: Problem) -> None:
        self.problems: Sequence[Problem] = problems
        super().__init__(" ".join(problem.message() for problem in problems))

    @property
    def key(self) -> str:
        return self.problems[0].key


def refuse(key: str, **params: Any) -> Refusal:
    return Refusal(Problem(key, params))
