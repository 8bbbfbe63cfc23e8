"""What stands on the card besides the form: the record, why it was flagged, the channel, and the journal."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext, ngettext, pgettext

from qalqan.rationale import CODES
from qalqan.records import LABELS
from review_ui.casework.models import Case, LabelChoice, Material
from review_ui.casework.templatetags.desk import day_and_time, masked, moment, number, plain, score, short_label
from review_ui.casework.views.form import full_code
from review_ui.casework.views.marked import Piece, cut, spans_of

SHOWN_ENTITIES = 8
FOLLOWED_KINDS = (
    "telegram",
    "telegram_invite",
    "domain",
    "phone",
    "card",
    "iban",
    "wallet_btc",
    "wallet_eth",
    "wallet_trx",
)


@dataclass(frozen=True)
class Seen:
    """One material on the screen, with its place among the others (wrapping around)."""

    id: str
    place: str
    total: int
    previous: str
    next: str
    pieces: list[Piece]
    language: str
    authorship: str
    views: str
    media: str


def see(material: Material, order: Sequence[int], label: str, quotes: Sequence[tuple[int, int]] = ()) -> Seen:
    """label: whose words are marked. order: ids of all materials of the case as they are leafed through."""
    document = material.document
    at = order.index(material.pk)
    language = document.get("lang", "other")
    views = document.get("views")
    return Seen(
        id=str(material.pk),
        place=str(at + 1),
        total=len(order),
        previous=str(order[at - 1]),
        next=str(order[(at + 1) % len(order)]),
        pieces=cut(document.get("text", ""), spans_of(document, label), quotes),
        language=language if language in {"ru", "kk", "en"} else "",
        authorship=_authorship(document),
        views=ngettext("%(n)s view", "%(n)s views", views) % {"n": number(views)} if views is not None else "",
        media=_media(document),
    )


def _authorship(document: dict[str, Any]) -> str:
    forwarded = document.get("forwarded_from")
    if forwarded:
        said = gettext("Forwarded from: %(name)s.") % {"name": plain(forwarded["name"])}
    elif document.get("author"):
        said = gettext("Author: %(name)s.") % {"name": plain(document["author"])}
    else:
        said = gettext("Author: the channel or page itself, not forwarded.")
    if document.get("reply_to"):
        said += " " + gettext("It is a reply.")
    if document.get("edited"):
        said += " " + gettext("Edited after publication.")
    return said


def _media(document: dict[str, Any]) -> str:
    names = {
        "photo": gettext("photos"),
        "video": gettext("videos"),
        "round_video": gettext("videos"),
        "animation": gettext("animations"),
        "voice": gettext("voice messages"),
        "audio": gettext("sound files"),
        "document": gettext("files"),
        "poll": gettext("polls"),
        "location": gettext("places"),
    }
    counted = Counter(names.get(item["kind"], gettext("other attachments")) for item in document.get("media", ()))
    if not counted:
        return ""
    return gettext("In the post, not shown here: %(list)s.") % {
        "list": ", ".join(f"{name} {count}" for name, count in counted.items())
    }


@dataclass(frozen=True)
class Meter:
    """width, threshold_at, sure_at: of 100, written for SVG; no sure_at where the classifier tells none."""

    label: str
    score: float
    width: str
    threshold_at: str
    sure_at: str


@dataclass(frozen=True)
class SuggestedCode:
    code: str
    title: str
    short: str = ""


@dataclass(frozen=True)
class WhyFlagged:
    meters: list[Meter]
    suggested: list[SuggestedCode]
    model_line: str


def why_flagged(material: Material, label: str) -> WhyFlagged:
    findings = {finding["label"]: finding for finding in material.document.get("findings", ())}
    meters = [
        Meter(
            name,
            found["score"],
            f"{found['score'] * 100:.1f}",
            _mark(found["threshold"]),
            _mark(sure) if (sure := found.get("sure_threshold")) is not None else "",
        )
        for name in LABELS
        if (found := findings.get(name))
    ]
    suggested = [
        SuggestedCode(code, full_code(CODES[code]))
        for code in findings.get(label, {}).get("codes", ())
        if code in CODES
    ]
    return WhyFlagged(meters, suggested, _model_line(findings[label]) if label in findings else "")


def _mark(threshold: float) -> str:
    return f"{min(threshold, 0.99) * 100:.1f}"


def _model_line(finding: dict[str, Any]) -> str:
    values = {"model": finding["model"], "threshold": score(finding["threshold"])}
    if finding.get("sure_threshold") is None:
        return gettext("Model %(model)s, threshold %(threshold)s.") % values
    return gettext("Model %(model)s, queue from %(threshold)s, sure from %(sure)s.") % {
        **values,
        "sure": score(finding["sure_threshold"]),
    }


@dataclass(frozen=True)
class FactPart:
    text: str
    is_mono: bool = False


@dataclass(frozen=True)
class Fact:
    name: str
    parts: list[FactPart]


@dataclass(frozen=True)
class ChannelFacts:
    heading: str
    handle: str
    facts: list[Fact]


SITES = {
    "telegram": "Telegram",
    "vk": "VK",
    "youtube": "YouTube",
    "instagram": "Instagram",
    "tiktok": "TikTok",
    "facebook": "Facebook",
}


def site_title(site: str) -> str:
    ours = {
        "classifieds": pgettext("site", "Classifieds"),
        "forum": pgettext("site", "Forum"),
        "web": pgettext("site", "Site"),
    }
    return SITES.get(site) or ours.get(site, site)


def channel_facts(case: Case, material: Material, materials: int) -> ChannelFacts:
    """What is known of the channel or site, and what can be followed from this record. Personal numbers are masked."""
    known = case.channel_facts
    facts: list[Fact] = [Fact(gettext("Platform"), [FactPart(site_title(case.site))])]
    if case.audience is not None:
        checked = moment(known.get("checked_at"))
        said = number(case.audience)
        if checked:
            said = gettext("%(n)s on %(date)s") % {"n": said, "date": day_and_time(checked)}
        facts.append(Fact(gettext("Audience"), [FactPart(said)]))
    if known.get("title"):
        facts.append(Fact(gettext("Calls itself"), [FactPart(plain(known["title"]))]))
    if known.get("description"):
        facts.append(Fact(gettext("Says of itself"), [FactPart(plain(known["description"])[:300])]))
    posts = known.get("posts_seen")
    if posts:
        flagged = gettext("%(posts)s, flagged %(flagged)s") % {"posts": number(posts), "flagged": number(materials)}
        facts.append(Fact(gettext("Posts"), [FactPart(flagged)]))
    followed = [entity for entity in material.document.get("entities", ()) if entity["kind"] in FOLLOWED_KINDS]
    shown = list(dict.fromkeys(masked(entity["value"], entity["kind"]) for entity in followed))
    if shown:
        parts = [FactPart(text, is_mono=True) for text in shown[:SHOWN_ENTITIES]]
        if len(shown) > SHOWN_ENTITIES:
            rest = len(shown) - SHOWN_ENTITIES
            parts.append(FactPart(ngettext("%(n)s more", "%(n)s more", rest) % {"n": rest}))
        facts.append(Fact(gettext("Links"), parts))
    if case.languages:
        facts.append(Fact(gettext("Languages"), [FactPart(", ".join(case.languages))]))
    heading = gettext("Channel") if case.channel else gettext("Site")
    return ChannelFacts(heading, f"@{case.channel}" if case.channel else case.title, facts)


def label_title(label: str) -> str:
    return str(LabelChoice(label).label) if label in LabelChoice.values else short_label(label)
