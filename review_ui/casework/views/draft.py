"""A decision while it is being made: what the form holds, kept in the session until it is written."""

import re
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from django.contrib.sessions.backends.base import SessionBase
from django.http import QueryDict

from qalqan.rationale import CODES, CONTACT
from review_ui.casework.card import NEXUS, DecisionForm
from review_ui.casework.card import Quote as FormQuote
from review_ui.casework.models import Case, LabelChoice, Material, Outcome, Route, Speaker, Urgency

QUOTE = re.compile(r"(\d{1,12}):(\d{1,9}):(\d{1,9}):([A-Z]{2}\d{2}|CONTACT)", re.ASCII)
DRAFTS = "drafts"
KEPT_DRAFTS = 5
LONGEST_REASON = 4000
MOST_QUOTES = 200


@dataclass(frozen=True)
class Quote:
    """Words of a material that stand for a code. start, end: characters of the document's text, end exclusive."""

    material: int
    start: int
    end: int
    code: str
    text: str = ""

    @property
    def value(self) -> str:
        return f"{self.material}:{self.start}:{self.end}:{self.code}"


@dataclass
class Draft:
    """The fields of the form, cleaned of what no form of ours could have sent. material: the record on the screen."""

    label: str | None = None
    speaker: str = ""
    codes: list[str] = field(default_factory=list)
    quotes: list[Quote] = field(default_factory=list)
    target: int | None = None
    wider_reason: str = ""
    nexus: list[str] = field(default_factory=list)
    route: str = ""
    urgency: str = ""
    reason: str = ""
    override_reason: str = ""
    protected_reason: str = ""
    material: int | None = None

    @classmethod
    def from_post(cls, post: QueryDict) -> Self:
        label = post.get("label")
        return cls(
            label=label if label in {"", *LabelChoice.values} else None,
            speaker=_one_of(Speaker.values, post.get("speaker")),
            codes=[code for code in (*CODES, CONTACT) if code in post.getlist("codes")],
            quotes=[
                Quote(int(match[1]), int(match[2]), int(match[3]), match[4])
                for match in map(QUOTE.fullmatch, dict.fromkeys(post.getlist("quote")[:MOST_QUOTES]))
                if match
            ],
            target=_number(post.get("target")),
            wider_reason=_text(post, "wider_reason", 1000),
            nexus=[value for value in NEXUS if value in post.getlist("nexus")],
            route=_one_of(Route.values, post.get("route")),
            urgency=_one_of(Urgency.values, post.get("urgency")),
            reason=_text(post, "reason", LONGEST_REASON),
            override_reason=_text(post, "override_reason", LONGEST_REASON),
            protected_reason=_text(post, "protected_reason", 1000),
            material=_number(post.get("material")),
        )

    def answers(self, outcome: Outcome) -> DecisionForm:
        """What the rules judge: only codes of the chosen label and exculpatory ones, and quotes of these."""
        groups = {self.label, "exculpatory"}
        codes = [code for code in self.codes if code in CODES and CODES[code].group in groups]
        has_contact = CONTACT in self.codes and self.label == LabelChoice.DRUG_SHOP
        quotable = {*codes, "CONTACT"} if has_contact else set(codes)
        return DecisionForm(
            outcome=outcome.value,
            label=self.label or "",
            speaker=self.speaker,
            codes=codes,
            has_contact=has_contact,
            quotes=[
                FormQuote(material=one.material, start=one.start, end=one.end, text=one.text, code=one.code)
                for one in self.quotes
                if one.code in quotable
            ],
            target_id=self.target,
            wider_reason=self.wider_reason,
            protected_reason=self.protected_reason,
            nexus=self.nexus,
            route=self.route,
            urgency=self.urgency or Urgency.NORMAL.value,
            reason=self.reason,
            override_reason=self.override_reason,
        )

    def quoted_codes(self) -> set[str]:
        return {quote.code for quote in self.quotes}

    def with_words(self, case: Case) -> Self:
        """The draft with the words of every quote; a quote that names no words of this case is dropped."""
        texts = (
            {
                material.pk: material.document.get("text", "")
                for material in Material.objects.filter(case=case, pk__in={quote.material for quote in self.quotes})
            }
            if self.quotes
            else {}
        )
        self.quotes = [
            Quote(quote.material, quote.start, quote.end, quote.code, words)
            for quote in self.quotes
            if (words := texts.get(quote.material, "")[quote.start : quote.end])
        ]
        return self


def _text(post: QueryDict, name: str, longest: int) -> str:
    """Without NUL characters, which no database keeps."""
    return post.get(name, "").replace("\0", "").strip()[:longest]


def _one_of(values: list[str], value: str | None) -> str:
    return value if value in values else ""


def _number(value: str | None) -> int | None:
    return int(value) if value and value.isdecimal() and value.isascii() and len(value) <= 12 else None


def keep_draft(session: SessionBase, case: Case, draft: Draft) -> None:
    """Remembers the last few drafts of a person, so that an ended reservation loses no work."""
    drafts: dict[str, Any] = {key: value for key, value in session.get(DRAFTS, {}).items() if key != str(case.pk)}
    kept = dict(list(drafts.items())[-(KEPT_DRAFTS - 1) :])
    session[DRAFTS] = {**kept, str(case.pk): asdict(draft)}


def kept_draft(session: SessionBase, case: Case) -> Draft | None:
    stored = session.get(DRAFTS, {}).get(str(case.pk))
    if stored is None:
        return None
    return Draft(**{**stored, "quotes": [Quote(**quote) for quote in stored["quotes"]]})


def forget_draft(session: SessionBase, case: Case) -> None:
    drafts = session.get(DRAFTS, {})
    if drafts.pop(str(case.pk), None) is not None:
        session[DRAFTS] = drafts
