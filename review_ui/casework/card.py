"""The decision card: what a moderator answers, and what stands against a confirmation (domain study, section 5)."""

from collections.abc import Sequence
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator

from qalqan import rationale
from qalqan.rationale import FormulaResult
from review_ui.accounts.models import User
from review_ui.casework.addresses import host_of, is_ip_address, may_restrict_host, protection_of
from review_ui.casework.models import Case, Decision, Material, Outcome, Target, TargetKind
from review_ui.casework.refusals import Problem
from review_ui.casework.stages import standing_decisions

MIN_REASON = 10

Nexus = Literal["city", "tenge", "language", "audience"]
NEXUS: tuple[Nexus, ...] = get_args(Nexus)


class Quote(BaseModel):
    """Words of a post that prove a code. start, end: characters (code points) of the document's text, end exclusive."""

    model_config = ConfigDict(extra="forbid")

    material: int
    start: int = Field(ge=0)
    end: int = Field(gt=0)
    text: str
    code: str


class DecisionForm(BaseModel):
    """The answers of one card. Everything may still be empty, so that a half-filled card can be judged.

    Raises pydantic's ValidationError for answers that the card does not offer.
    """

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    outcome: Outcome
    label: Literal["", "financial_pyramid", "drug_shop", "drug_graffiti"] = ""
    speaker: Literal["", "offender", "reporter", "state", "victim", "unclear"] = ""
    codes: list[str] = Field([], max_length=100)
    has_contact: bool = False
    quotes: list[Quote] = Field([], max_length=200)
    target_id: int | None = None
    wider_reason: str = Field("", max_length=1000)
    protected_reason: str = Field("", max_length=1000)
    nexus: list[Nexus] = []
    route: Literal["", "R1", "R4", "R5", "R6"] = ""
    urgency: Literal["normal", "urgent"] = "normal"
    reason: str = Field("", max_length=5000)
    override_reason: str = Field("", max_length=5000)

    @field_validator("codes")
    @classmethod
    def _distinct(cls, codes: list[str]) -> list[str]:
        return sorted({code.upper() for code in codes})

    def formula(self) -> FormulaResult:
        return rationale.check_formula(self.label, self.codes, has_contact=self.has_contact, speaker=self.speaker)


def problems(case: Case, user: User, form: DecisionForm, stage: int) -> list[Problem]:
    """What stands against the outcome of the form, in the order of the card; empty: it may be decided.

    Who may decide at all is not asked here (`stages.require_stage`).
    """
    if form.outcome == Outcome.CONFIRM:
        return _against_confirming(case, form, stage)
    found: list[Problem] = []
    has_capture = any(material.is_sealed for material in case.materials.all())
    is_gone = form.outcome == Outcome.REJECT and "EX14" in form.codes
    if form.outcome != Outcome.RETURN and not has_capture and not is_gone:
        found.append(Problem("unsealed"))
    says_why = any(code.startswith("EX") for code in form.codes)
    if form.outcome == Outcome.REJECT and not says_why and len(form.reason) < MIN_REASON:
        found.append(Problem("reason_or_code"))
    return found


def warnings(form: DecisionForm) -> list[Problem]:
    """What does not stand against confirming, but should be looked at: core codes without a quote."""
    quoted = {quote.code for quote in form.quotes}
    core = rationale.core_codes(form.label)
    return [Problem("core_without_quote", {"code": c}) for c in form.codes if c in core and c not in quoted]


def _against_confirming(case: Case, form: DecisionForm, stage: int) -> list[Problem]:
    materials = {material.pk: material for material in case.materials.all()}
    found: list[Problem] = []
    if not form.label:
        found.append(Problem("label"))
    if form.speaker != rationale.OFFENDER:
        found.append(Problem("speaker"))
    found += _of_codes(form, stage)
    found += _of_quotes(form, materials)
    found += _of_target(case, form, stage)
    if not form.nexus:
        found.append(Problem("nexus"))
    if not any(material.is_sealed for material in materials.values()):
        found.append(Problem("unsealed"))
    if not form.route:
        found.append(Problem("route"))
    if len(form.reason) < MIN_REASON:
        found.append(Problem("reason"))
    return found


def _of_codes(form: DecisionForm, stage: int) -> list[Problem]:
    found: list[Problem] = []
    unknown = rationale.unknown_codes(form.label, form.codes) if form.label else ()
    if unknown:
        found.append(Problem("unknown_codes", {"codes": ", ".join(unknown)}))
    formula = form.formula()
    if not formula.is_met:
        missing = ["/".join(part.alternatives) for part in formula.parts if not part.is_met]
        found.append(Problem("formula", {"missing": " + ".join(missing)}))
    for code in formula.other_outcome:
        outcome = Outcome(rationale.OTHER_OUTCOME[code]).label
        found.append(Problem("other_outcome", {"code": code, "outcome": outcome}))
    if formula.exculpatory:
        codes = ", ".join(formula.exculpatory)
        if stage == 1:
            found.append(Problem("exculpatory", {"codes": codes}))
        elif len(form.override_reason) < MIN_REASON:
            found.append(Problem("override", {"codes": codes}))
    return found


def _of_quotes(form: DecisionForm, materials: dict[int, Material]) -> list[Problem]:
    found: list[Problem] = []
    for number, quote in enumerate(form.quotes, 1):
        material = materials.get(quote.material)
        text = material.document.get("text", "") if material else ""
        # The form strips the ends of its texts, so the words are compared without them.
        matches = quote.start < quote.end <= len(text) and text[quote.start : quote.end].strip() == quote.text.strip()
        if material is None or not matches or quote.code.upper() not in {*form.codes, "", "CONTACT"}:
            found.append(Problem("quote", {"number": number}))
        elif not material.is_sealed:
            found.append(Problem("quote_unsealed", {"number": number}))
    return found


def _of_target(case: Case, form: DecisionForm, stage: int) -> list[Problem]:
    if form.target_id is None:
        return [Problem("target")]
    targets = {target.pk: target for target in case.targets.all()}
    target = targets.get(form.target_id)
    if target is None:
        return [Problem("target_foreign")]
    if is_forbidden(target):
        return [Problem("target_forbidden", {"address": target.address})]
    found: list[Problem] = []
    entry = target.protected or protection_of(*protectable(target))
    if entry and len(form.protected_reason) < MIN_REASON:
        found.append(Problem("target_protected", {"entry": entry}))
    narrowest = min(one.width for one in targets.values())
    if target.width > narrowest:
        if rationale.NARROW in form.codes:
            found.append(Problem("narrow"))
        elif len(form.wider_reason) < MIN_REASON:
            found.append(Problem("wider"))
    if stage == 3 and not any(agrees(form, earlier) for earlier in standing_decisions(case)):
        found.append(Problem("third_target"))
    return found


def agrees(form: DecisionForm, earlier: Decision) -> bool:
    """Two people agree when both confirm, for the same label, the same target."""
    return (
        form.outcome == earlier.outcome == Outcome.CONFIRM
        and form.label == earlier.label
        and form.target_id == earlier.target_id
    )


def protectable(target: Target) -> Sequence[str]:
    """What of a target the protected list is asked about: its handle, and its host unless that is a platform's."""
    if target.address.startswith("@"):
        return (target.address,)
    host = host_of(target.url) or target.address
    return (host,) if may_restrict_host(host) else ()


def is_forbidden(target: Target) -> bool:
    """IP addresses and whole platforms; a page on a bare IP address is executed as that address."""
    if target.kind in {TargetKind.SUBDOMAIN, TargetKind.DOMAIN}:
        return not may_restrict_host(target.address)
    if target.kind == TargetKind.PAGE:
        return is_ip_address(host_of(target.url))
    return False


def snapshot(case: Case) -> dict[str, Any]:
    """What stands before the person who decides."""
    materials = list(case.materials.all())
    models = {finding["model"] for one in materials for finding in one.document.get("findings", ())}
    return {
        "state": case.state,
        "materials": [
            {"document": one.document_id, "capture": one.capture.get("id"), "sha256": one.capture.get("sha256")}
            for one in materials
        ],
        "models": sorted(models),
        "scores": case.scores,
    }
