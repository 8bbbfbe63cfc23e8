"""Flagged documents of the store become cases: one per channel or site, with everything flagged there.

Intake finds, people decide: it opens cases and adds to open ones, and never touches a decision. It can be run as often
as one likes, and by several processes at once.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, TypeVar

import structlog
from django.db import DataError, transaction

from qalqan import clock
from qalqan.ids import machine_id
from qalqan.records import Capture, Channel, Document, Record
from qalqan.store.base import DocumentQuery, Store
from review_ui.audit.chain import lock_head, record
from review_ui.casework.addresses import host_of, is_shared_platform
from review_ui.casework.harm import CaseFacts, harm_of
from review_ui.casework.marks import add_marks
from review_ui.casework.models import OPEN_STATES, Case, CaseState, IntakeMark, Material
from review_ui.casework.proposals import add_targets, count_what_falls

log = structlog.get_logger()

ACTOR = "system:intake"

# Writers' clocks differ, and a document may become visible a little after its moment.
OVERLAP = timedelta(minutes=10)

HARM_EVERY = timedelta(minutes=10)

_BATCH = 200
_MAX_AUDIENCE = 10**12  # more is a mistake of the page

_R = TypeVar("_R", bound=Record)


@dataclass(frozen=True, slots=True)
class IntakeCount:
    """cases: opened. materials: added or brought up to date."""

    cases: int
    materials: int


def take_in(store: Store, *, since: datetime | None = None) -> IntakeCount:
    """Takes in what was flagged since the last time, or since the given moment."""
    began = clock.now()
    mark, _ = IntakeMark.objects.get_or_create(pk=1)
    if since is None and mark.taken_until is not None:
        since = mark.taken_until - OVERLAP
    cases = materials = 0
    documents = store.scan(DocumentQuery(flagged=True, indexed_since=since))
    while batch := list(islice(documents, _BATCH)):
        opened, added = _take_batch(store, batch)
        cases, materials = cases + opened, materials + added
    IntakeMark.objects.filter(pk=1).update(taken_until=began)
    if mark.harm_counted_at is None or began - mark.harm_counted_at > HARM_EVERY:
        count_harm_anew()
    if cases or materials:
        log.info("intake.taken", cases=cases, materials=materials)
    return IntakeCount(cases, materials)


def cluster_key(document: Document) -> str:
    """What documents are grouped by: `telegram:handle`, `web:host`, or the page itself on sites that many share."""
    host = host_of(document.canonical_url)
    if document.channel:
        place = document.channel.lower()
    elif document.site == "web" and host and not is_shared_platform(host):
        place = host
    else:
        place = document.canonical_url
    key = f"{document.site}:{place}"
    return key if len(key) <= 300 else f"{document.site}:{machine_id('place', place)}"


def _take_batch(store: Store, batch: list[Document]) -> tuple[int, int]:
    # What the store has to say is fetched before the casework database is locked.
    captures = {one.capture_id: store.get_capture(one.capture_id) for one in batch if one.capture_id}
    places = {(one.site, one.channel) for one in batch if one.channel}
    channels = {(site, handle): store.get_channel(site, handle) for site, handle in places if handle}
    opened = added = 0
    with transaction.atomic():
        lock_head()
        touched: dict[int, Case] = {}
        known = {m.document_id: m for m in _known_materials(batch)}
        for document in batch:
            channel = channels.get((document.site, document.channel)) if document.channel else None
            capture = captures.get(document.capture_id) if document.capture_id else None
            if document.id in known and _is_taken(known[document.id], document, capture, channel):
                continue
            try:
                with transaction.atomic():
                    case, is_new, is_added = _take(storable(document), capture, storable(channel) if channel else None)
            except (DataError, OverflowError) as error:
                # One document that no database takes must not keep the others out.
                log.warning("intake.refused", document=document.id, error=str(error))
                continue
            opened, added = opened + is_new, added + is_added
            if case is not None:
                touched[case.pk] = case
        for case in touched.values():
            count_what_falls(case)
            bring_up_to_date(case)
    return opened, added


def _known_materials(batch: list[Document]) -> Iterable[Material]:
    """Those of the batch's documents, the newest case last."""
    return Material.objects.filter(document_id__in=[one.id for one in batch]).select_related("case").order_by("pk")


def _is_taken(material: Material, document: Document, capture: Capture | None, channel: Channel | None) -> bool:
    """Nothing about the document, its capture and its channel is new: most of what the overlap brings again."""
    case = material.case
    if case.state in OPEN_STATES and channel and case.channel_facts != storable(channel).model_dump(mode="json"):
        return False
    return bool(material.document == storable(document).line() and material.capture == _capture_line(capture))


def _capture_line(capture: Capture | None) -> dict[str, Any]:
    return capture.model_dump(mode="json") if capture else {}


def _take(document: Document, capture: Capture | None, channel: Channel | None) -> tuple[Case | None, bool, bool]:
    """The case that was touched, whether it was opened, whether a material was added or renewed."""
    key = cluster_key(document)
    case = Case.objects.filter(cluster_key=key, state__in=OPEN_STATES).select_for_update().first()
    is_new = False
    if case is None:
        # Seen before in a case that is closed: the same post does not come back, a new one does.
        if Material.objects.filter(case__cluster_key=key, document_id=document.id).exists():
            return None, False, False
        case, is_new = _open(document, key, channel), True
    is_added = _add_material(case, document, capture)
    is_recollected = case.state == CaseState.NEEDS_CAPTURE and is_added and capture is not None
    if is_recollected:
        case.state = CaseState.QUEUED
        record("case.recollected", actor=ACTOR, object=case, details={"document": document.id})
    if channel is not None:
        case.channel_facts = channel.model_dump(mode="json")
        case.title = (channel.title or case.title)[:300]
        case.audience = min(max(channel.subscribers, 0), _MAX_AUDIENCE) if channel.subscribers is not None else None
    if is_new or is_added or channel is not None:
        add_targets(case, document, channel)
    if is_added:
        add_marks(case, document)
    case.save(update_fields=["state", "channel_facts", "title", "audience"])
    return case, is_new, is_added


def _open(document: Document, key: str, channel: Channel | None) -> Case:
    last = Case.objects.filter(cluster_key=key).order_by("-pk").first()
    title = (channel.title if channel else None) or document.channel or host_of(document.canonical_url)
    case = Case.objects.create(
        title=(title or document.title or document.canonical_url)[:300],
        cluster_key=key,
        label=max(document.findings, key=lambda finding: (finding.flagged, finding.score)).label,
        site=document.site,
        channel=(document.channel or "")[:200],
        returned_from=last,
    )
    record("case.opened", actor=ACTOR, object=case, details={"key": key, "returned_from": last.pk if last else None})
    return case


def _add_material(case: Case, document: Document, capture: Capture | None) -> bool:
    line = document.line()
    values: dict[str, Any] = {
        "document": line,
        "capture": _capture_line(capture),
        "score": max(finding.score for finding in document.findings if finding.flagged),
        "published_at": document.published_at,
        "search_text": _folded(document.title, document.text, document.canonical_url),
    }
    material = case.materials.filter(document_id=document.id).first()
    if material is None:
        case.materials.create(document_id=document.id, **values)
        return True
    # Once somebody decided, the ground of the decision stays as it was.
    is_decided = case.decisions.filter(round=case.round, withdrawn_at=None).exists()
    if is_decided or (material.document == line and material.capture == values["capture"]):
        return False
    for name, value in values.items():
        setattr(material, name, value)
    material.save()
    return True


def storable(record: _R) -> _R:
    """The record without NUL characters, which PostgreSQL takes neither in texts nor in JSON; offsets stay."""
    return type(record).model_validate(_without_nul(record.model_dump()))


def _without_nul(value: Any) -> Any:
    match value:
        case str():
            return value.replace("\0", "\ufffd")
        case dict():
            return {key: _without_nul(item) for key, item in value.items()}
        case list() | tuple():
            return [_without_nul(item) for item in value]
        case _:
            return value


def _folded(*texts: str | None) -> str:
    return " ".join(text for text in texts if text).casefold()[:20_000]


def bring_up_to_date(case: Case) -> None:
    """Scores, label, languages and harm from the materials; the label stays once somebody has decided."""
    materials = list(case.materials.all())
    scores: dict[str, float] = {}
    flagged: dict[str, float] = {}
    for material in materials:
        for finding in material.document["findings"]:
            label, score = finding["label"], finding["score"]
            scores[label] = max(scores.get(label, 0.0), score)
            if finding["flagged"]:
                flagged[label] = max(flagged.get(label, 0.0), score)
    case.scores = scores
    case.languages = sorted({material.document["lang"] for material in materials})
    if flagged and not case.decisions.filter(withdrawn_at=None).exists():
        case.label = max(flagged, key=lambda label: flagged[label])
    case.last_published_at = max((m.published_at for m in materials if m.published_at), default=None)
    case.search_text = _folded(str(case.pk), case.title, case.channel, *case.targets.values_list("address", flat=True))
    codes = {code for one in materials for finding in one.document["findings"] for code in finding["codes"]}
    case.harm, case.harm_parts = _harm(case, near_school="DG08" in codes)
    case.save(update_fields=["scores", "languages", "label", "last_published_at", "search_text", "harm", "harm_parts"])


def _harm(case: Case, *, near_school: bool) -> tuple[float, list[dict[str, Any]]]:
    facts = CaseFacts(
        score=case.scores.get(case.label, 0.0),
        label=case.label,
        audience=case.audience,
        published_at=case.last_published_at,
        opened_at=case.opened_at,
        came_back=case.returned_from_id is not None,
        near_school=near_school,
    )
    return harm_of(facts, clock.now())


def count_harm_anew() -> int:
    """Material ages and cases wait: the harm of every open case, counted for this moment; returns how many changed."""
    changed = 0
    for case in Case.objects.filter(state__in=OPEN_STATES).iterator(chunk_size=500):
        near_school = any(part["part"] == "near_school" for part in case.harm_parts)
        harm, parts = _harm(case, near_school=near_school)
        if harm != case.harm:
            changed += Case.objects.filter(pk=case.pk).update(harm=harm, harm_parts=parts)
    IntakeMark.objects.filter(pk=1).update(harm_counted_at=clock.now())
    return changed
