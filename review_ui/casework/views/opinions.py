"""Two or three opinions side by side, question by question, once nobody has to stay blind any more."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext

from review_ui.accounts.models import User
from review_ui.casework.models import Decision
from review_ui.casework.templatetags.desk import plain, short_label


@dataclass(frozen=True)
class Answer:
    text: str
    differing: str = ""


@dataclass(frozen=True)
class Question:
    """is_same: True, False, or None where the answers overlap in part (then `share` says how far)."""

    title: str
    answers: list[str]
    is_same: bool | None
    share: str = ""


@dataclass(frozen=True)
class Reason:
    who: str
    text: str


@dataclass(frozen=True)
class Comparison:
    people: list[str]
    questions: list[Question]
    reasons: list[Reason]
    decided_at: list[object]

    @property
    def is_agreed(self) -> bool:
        return all(question.is_same for question in self.questions if question.title != gettext("Codes"))


def compare(decisions: Sequence[Decision], *, reader: User) -> Comparison | None:
    """None where nobody has decided yet. The reader's own opinion stands first."""
    if not decisions:
        return None
    ordered = sorted(decisions, key=lambda decision: (decision.user_id != reader.pk, decision.stage))
    names = [_who(decision, reader) for decision in ordered]
    codes = [set(decision.codes) for decision in ordered]
    all_codes, common = set.union(*codes), set.intersection(*codes)
    questions = [
        _question(gettext("Decision"), [str(decision.get_outcome_display()) for decision in ordered]),
        _question(gettext("Label"), [short_label(decision.label) if decision.label else "–" for decision in ordered]),
        _question(gettext("Who speaks"), [str(decision.get_speaker_display()) or "–" for decision in ordered]),
        Question(
            gettext("Codes"),
            [", ".join(sorted(decision.codes)) or "–" for decision in ordered],
            True if all_codes == common else None,
            gettext("%(same)s of %(all)s") % {"same": len(common), "all": len(all_codes)},
        ),
        _question(gettext("Target"), [_target(decision) for decision in ordered]),
    ]
    reasons = [Reason(name, plain(decision.reason)) for name, decision in zip(names, ordered, strict=True)]
    return Comparison(names, questions, reasons, [decision.at for decision in ordered])


def _question(title: str, answers: list[str]) -> Question:
    return Question(title, answers, len(set(answers)) == 1)


def _target(decision: Decision) -> str:
    if decision.target is None:
        return "–"
    return f"{decision.target.get_kind_display()} {plain(decision.target.address)}"


def _who(decision: Decision, reader: User) -> str:
    if decision.user_id == reader.pk:
        return gettext("You")
    names = {1: gettext("First moderator"), 2: gettext("Second moderator"), 3: gettext("Third moderator")}
    return names[decision.stage]
