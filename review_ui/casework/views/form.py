"""The decision form as it is shown: choices, codes in the order of use, the formula, and what Confirm would do."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.utils.translation import get_language, gettext, ngettext, pgettext

from qalqan.rationale import CODES, CONTACT, Code, FormulaResult, check_formula, codes_for, core_codes
from review_ui.casework.models import Case, LabelChoice, Route, Speaker, Target, TargetKind, Urgency
from review_ui.casework.templatetags.desk import LABEL_ICONS, plain, short_label
from review_ui.casework.views.draft import Draft

PREFIXES = {"financial_pyramid": "FP", "drug_shop": "DS", "drug_graffiti": "DG"}
QUICK_HINTS = {"financial_pyramid": "fp15 02 01", "drug_shop": "ds03 05", "drug_graffiti": "dg01 03"}
CORE_KINDS = frozenset({"core", "call", "strong"})
# The lawful look-alikes that each label meets most often stand in sight; the others are one key away.
NEAR_EXCULPATORY = {
    "financial_pyramid": ("EX01", "EX02", "EX06", "EX08"),
    "drug_shop": ("EX01", "EX02", "EX05", "EX10"),
    "drug_graffiti": ("EX01", "EX03", "EX04", "EX09"),
}


@dataclass(frozen=True)
class Choice:
    value: str
    title: str
    is_on: bool
    icon: str = ""


@dataclass(frozen=True)
class CodeBox:
    """One tick box. wants_quote: ticked, named by the formula, and without a quote."""

    code: str
    short: str
    title: str
    is_on: bool
    has_quote: bool
    wants_quote: bool


@dataclass(frozen=True)
class CodeGroup:
    label: str
    is_shown: bool
    core: list[CodeBox]
    support: list[CodeBox]
    near: list[CodeBox]

    @property
    def support_more(self) -> str:
        return more(len(self.support))

    @property
    def is_support_open(self) -> bool:
        return any(box.is_on for box in self.support)


@dataclass(frozen=True)
class TargetGroup:
    targets: list[Target]
    is_folded: bool = False

    @property
    def more(self) -> str:
        count = len(self.targets)
        return ngettext("%(n)s more post", "%(n)s more posts", count) % {"n": count}


@dataclass(frozen=True)
class FormulaPart:
    text: str
    is_met: bool


@dataclass(frozen=True)
class FormulaLine:
    """state: none (no label yet), ok, no, ex."""

    state: str
    verdict: str
    parts: list[FormulaPart]
    strong: list[FormulaPart]


@dataclass(frozen=True)
class Plan:
    """One sentence of what Confirm would do, and what comes then; or why it is off."""

    what: str
    then: str
    may_confirm: bool


def more(count: int) -> str:
    return ngettext("%(n)s more", "%(n)s more", count) % {"n": count}


def short_code(code: Code) -> str:
    return code.short_kk if get_language() == "kk" else code.short_ru


def full_code(code: Code) -> str:
    return code.kk if get_language() == "kk" else code.ru


def nexus_titles() -> dict[str, str]:
    return {
        "city": pgettext("nexus", "City"),
        "tenge": pgettext("nexus", "Tenge"),
        "language": pgettext("nexus", "Language"),
        "audience": pgettext("nexus", "Audience"),
    }


class DecisionSheet:
    """Everything the template of the form asks for. `problems`: messages of what keeps Confirm off, first one first.

    on_screen: the canonical address of the record that is shown; of many posts its target stands in sight.
    """

    def __init__(
        self,
        case: Case,
        draft: Draft,
        targets: Sequence[Target],
        *,
        stage: int,
        problems: Sequence[str],
        suggested: Iterable[str] = (),
        on_screen: str = "",
    ) -> None:
        self.case, self.draft, self.targets, self.stage = case, draft, targets, stage
        self.problems = problems
        self.shown_label = draft.label or case.label
        self.prefix = PREFIXES[self.shown_label]
        self.quick_hint = QUICK_HINTS[self.shown_label]
        self.may_override = stage >= 2
        self.has_protected = any(target.protected for target in targets)
        self._on_screen = on_screen
        self._suggested = frozenset(suggested)
        self._quoted = draft.quoted_codes()
        self._result: FormulaResult | None = (
            check_formula(draft.label, _codes_of(draft), has_contact=CONTACT in draft.codes, speaker=draft.speaker)
            if draft.label
            else None
        )

    # choices

    @property
    def labels(self) -> list[Choice]:
        listed = [
            Choice(value, short_label(value), self.draft.label == value, LABEL_ICONS[value])
            for value in LabelChoice.values
        ]
        return [*listed, Choice("", pgettext("label", "None"), self.draft.label == "")]

    @property
    def speakers(self) -> list[Choice]:
        return [Choice(value, str(title), self.draft.speaker == value) for value, title in Speaker.choices]

    @property
    def nexus(self) -> list[Choice]:
        return [Choice(value, title, value in self.draft.nexus) for value, title in nexus_titles().items()]

    @property
    def routes(self) -> list[Choice]:
        return [Choice(value, str(title), self.draft.route == value) for value, title in Route.choices]

    @property
    def urgencies(self) -> list[Choice]:
        return [Choice(value, str(title), self.draft.urgency == value) for value, title in Urgency.choices]

    # targets, the narrowest first

    @property
    def target_groups(self) -> list[TargetGroup]:
        posts = [target for target in self.targets if target.kind == TargetKind.MESSAGE]
        wider = [target for target in self.targets if target.kind != TargetKind.MESSAGE]
        shown = {self.draft.target, *(post.pk for post in posts if post.address == self._on_screen)}
        near = [post for post in posts if post.pk in shown] or posts[:1]
        rest = [post for post in posts if post not in near]
        return [TargetGroup(near), TargetGroup(rest, is_folded=True), TargetGroup(wider)]

    # codes

    def _box(self, code: Code) -> CodeBox:
        is_on = code.code in self.draft.codes
        has_quote = code.code in self._quoted
        wants = is_on and not has_quote and code.group in PREFIXES and code.code in core_codes(code.group)
        return CodeBox(code.code, short_code(code), full_code(code), is_on, has_quote, wants)

    @property
    def _contact(self) -> CodeBox:
        words = gettext("a contact or a way to order")
        return CodeBox(CONTACT, words, words, CONTACT in self.draft.codes, "CONTACT" in self._quoted, wants_quote=False)

    @property
    def groups(self) -> list[CodeGroup]:
        groups = []
        for label in LabelChoice.values:
            codes, named = codes_for(label), core_codes(label)
            support = [code for code in codes if code.kind not in CORE_KINDS and code.code not in named]
            near = [code for code in support if code.code in self._suggested]
            core = [self._box(code) for code in codes if code.kind in CORE_KINDS or code.code in named]
            if label == LabelChoice.DRUG_SHOP:
                core.insert(4, self._contact)
            groups.append(
                CodeGroup(
                    label=label,
                    is_shown=label == self.shown_label,
                    core=core,
                    support=[self._box(code) for code in support if code not in near],
                    near=[self._box(code) for code in near],
                )
            )
        return groups

    @property
    def exculpatory_near(self) -> list[CodeBox]:
        return [self._box(CODES[code]) for code in NEAR_EXCULPATORY[self.case.label]]

    @property
    def exculpatory(self) -> list[CodeBox]:
        near = NEAR_EXCULPATORY[self.case.label]
        return [self._box(code) for code in codes_of_exculpatory() if code.code not in near]

    @property
    def exculpatory_more(self) -> str:
        return more(len(self.exculpatory))

    @property
    def is_exculpatory_open(self) -> bool:
        return any(box.is_on for box in self.exculpatory)

    @property
    def shown_codes(self) -> list[CodeBox]:
        """Codes whose "has a quote" may have changed: those a formula names."""
        return [box for group in self.groups for box in [*group.core, *group.near, *group.support]]

    # what the ticks come to

    @property
    def formula(self) -> FormulaLine:
        result = self._result
        if result is None:
            return FormulaLine("none", "", [], [])
        if result.exculpatory:
            state, verdict = "ex", gettext("exculpatory code: Confirm is not possible")
        elif result.other_outcome:
            state, verdict = "ex", gettext("the code asks for another outcome")
        elif result.is_met:
            state, verdict = "ok", gettext("is met")
        else:
            state, verdict = "no", gettext("is not met")
        return FormulaLine(
            state,
            verdict,
            [FormulaPart(_alternatives(part.alternatives), part.is_met) for part in result.parts],
            [FormulaPart(_alternatives(part.alternatives), part.is_met) for part in result.strong],
        )

    @property
    def done(self) -> dict[str, bool]:
        draft = self.draft
        return {
            "label": draft.label is not None,
            "speaker": bool(draft.speaker),
            "codes": bool(self._result and self._result.is_met),
            "target": draft.target is not None,
            "nexus": bool(draft.nexus),
            "route": bool(draft.route),
            "urgency": bool(draft.urgency),
            "reason": bool(draft.reason),
        }

    @property
    def plan(self) -> Plan:
        target = next((target for target in self.targets if target.pk == self.draft.target), None)
        steps = [
            short_label(self.draft.label) if self.draft.label else "",
            f"{target.get_kind_display()} {plain(target.address)}" if target else "",
            self.draft.route,
        ]
        what = " → ".join(step for step in steps if step)
        if self.problems:
            return Plan(f"{what}." if what else gettext("Nothing is chosen yet."), self.problems[0], False)
        unquoted = [box.code for box in self.shown_codes if box.wants_quote]
        then = self._what_follows()
        if unquoted:
            bare = ngettext("%(codes)s has no quote.", "%(codes)s have no quote.", len(unquoted))
            then = bare % {"codes": ", ".join(unquoted)} + " " + then
        return Plan(f"{what}.", then, True)

    def _what_follows(self) -> str:
        if self.stage == 1:
            return gettext("The decision goes to a second person.")
        if self.stage == 2:
            return gettext("If both opinions agree, the request is approved. What you write cannot be changed later.")
        return gettext("Yours is the deciding opinion. What you write cannot be changed later.")


def codes_of_exculpatory() -> list[Code]:
    return [code for code in CODES.values() if code.group == "exculpatory"]


def _codes_of(draft: Draft) -> list[str]:
    groups = {draft.label, "exculpatory"}
    return [code for code in draft.codes if code in CODES and CODES[code].group in groups]


def _alternatives(codes: Sequence[str]) -> str:
    """`FP02 или FP11`; from three on `DS01, 02, 03 или 05`."""
    words = [gettext("a way to order") if code == CONTACT else code for code in codes]
    if len(words) == 1:
        return words[0]
    head = words[:1] + [word[2:] if word[:2] == words[0][:2] and len(words) > 2 else word for word in words[1:]]
    return ", ".join(head[:-1]) + " " + gettext("or") + " " + head[-1]
