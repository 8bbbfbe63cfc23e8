"""Documents as the rows of a result."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.urls import reverse
from django.utils.translation import pgettext

from qalqan.records import Document, Finding
from review_ui.casework.addresses import host_of
from review_ui.casework.intake import cluster_key
from review_ui.casework.models import Case, CaseState, Material
from review_ui.casework.templatetags.desk import LABEL_ICONS, masked, plain, score, short_label
from review_ui.casework.views.card import FOLLOWED_KINDS, site_title
from review_ui.casework.views.marked import Piece
from review_ui.search.excerpts import excerpt, places_of
from review_ui.search.filters import SearchFilters

SHOWN_ENTITIES = 6


@dataclass(frozen=True)
class LabelScore:
    icon: str
    word: str
    score: str
    is_flagged: bool


@dataclass(frozen=True)
class CaseLink:
    """is_of_post: the post itself is in the case; otherwise the case is of its channel or site."""

    number: str
    state: str
    is_of_post: bool


@dataclass(frozen=True)
class EntityLink:
    text: str
    url: str


@dataclass(frozen=True)
class Result:
    """channel_url: the search in this channel. similarity: to the post that others are compared with."""

    title: list[Piece]
    text: list[Piece]
    language: str
    site: str
    place: str
    channel_url: str
    published_at: datetime | None
    fetched_at: datetime
    labels: list[LabelScore]
    entities: list[EntityLink]
    case: CaseLink | None
    address: str
    like_url: str
    similarity: str = ""


def results_of(
    documents: Sequence[Document], filters: SearchFilters, similarities: Sequence[float] | None = None
) -> list[Result]:
    """similarities: one for each document, where they are told. Two queries, however many documents there are."""
    cases = _cases_of(documents)
    told = [score(one) for one in similarities] if similarities else [""] * len(documents)
    return [
        _result(document, cases.get(document.id), filters, similarity)
        for document, similarity in zip(documents, told, strict=True)
    ]


def _result(document: Document, case: CaseLink | None, filters: SearchFilters, similarity: str) -> Result:
    place = document.channel or host_of(document.canonical_url)
    return Result(
        title=excerpt(document.title or "", places_of(document.title or "", filters.text)),
        text=excerpt(document.text, _hits(document, filters)),
        language=document.lang if document.lang != "other" else "",
        site=site_title(document.site),
        place=plain(f"@{place}" if document.channel and document.site == "telegram" else place),
        channel_url=SearchFilters(channel=document.channel).address() if document.channel else "",
        published_at=document.published_at,
        fetched_at=document.fetched_at,
        labels=_labels(document.findings),
        entities=_entities(document),
        case=case,
        address=plain(document.url),
        like_url=reverse("search-like", args=[document.id]),
        similarity=similarity,
    )


def _hits(document: Document, filters: SearchFilters) -> list[tuple[int, int]]:
    hits = places_of(document.text, filters.text)
    if hits or filters.entity is None:
        return hits
    kind, value = filters.entity
    places = {
        (one.start, one.end) for one in document.entities if one.kind == kind and one.value.lower() == value.lower()
    }
    return sorted(places)


def _labels(findings: Sequence[Finding]) -> list[LabelScore]:
    """What it is flagged with, the strongest first; of a text that is not flagged the nearest label."""
    strongest = sorted(findings, key=lambda finding: -finding.score)
    shown = [finding for finding in strongest if finding.flagged] or strongest[:1]
    return [LabelScore(LABEL_ICONS[one.label], short_label(one.label), score(one.score), one.flagged) for one in shown]


def _entities(document: Document) -> list[EntityLink]:
    followed = {(one.kind, one.value) for one in document.entities if one.kind in FOLLOWED_KINDS and one.value}
    ordered = sorted(followed, key=lambda one: (FOLLOWED_KINDS.index(one[0]), one[1]))
    return [
        EntityLink(masked(value, kind), SearchFilters(entity=(kind, value)).address())
        for kind, value in ordered[:SHOWN_ENTITIES]
    ]


def entity_title(entity: tuple[str, str]) -> str:
    """Masked as on the decision card, with the word for its kind where people have one."""
    kind, value = entity
    words = {
        "card": pgettext("entity", "card"),
        "phone": pgettext("entity", "telephone"),
        "domain": pgettext("entity", "domain"),
        "telegram_invite": pgettext("entity", "invitation"),
        "email": pgettext("entity", "e-mail"),
    }
    text = masked(value, kind)
    return f"{words[kind]} {text}" if kind in words else text


def _cases_of(documents: Sequence[Document]) -> dict[str, CaseLink]:
    """By document: the newest case that holds it, else the newest of its channel or site."""
    keys = {document.id: cluster_key(document) for document in documents}
    of_posts: dict[str, tuple[int, str]] = {}
    holding = Material.objects.filter(document_id__in=keys).order_by("case_id")
    for document_id, number, state in holding.values_list("document_id", "case_id", "case__state"):
        of_posts[document_id] = number, state
    of_places: dict[str, tuple[int, str]] = {}
    near = Case.objects.filter(cluster_key__in=set(keys.values())).order_by("pk")
    for key, number, state in near.values_list("cluster_key", "pk", "state"):
        of_places[key] = number, state
    links: dict[str, CaseLink] = {}
    for document_id, key in keys.items():
        found = of_posts.get(document_id) or of_places.get(key)
        if found:
            number, state = found
            links[document_id] = CaseLink(str(number), str(CaseState(state).label), document_id in of_posts)
    return links
