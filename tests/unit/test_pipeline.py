"""A page goes through every step once, and comes to the store whole or not at all."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import pytest
import structlog

from classifiers.base import TextClassifier
from pipelines.processor import DOCUMENT_STEPS, Processor
from qalqan.errors import ClassifierError
from qalqan.records import LABELS, Capture, Channel, Document, Entity, Finding, PageOfDocuments
from qalqan.store import DocumentQuery, Store, open_store

NOON = datetime(2026, 4, 21, 12, tzinfo=UTC)
ADVERT = "Вступай в клуб взаимопомощи: пригласи троих друзей и получай выплаты каждый день, пиши @qala_club"


class WordClassifier(TextClassifier):
    """Flags financial_pyramid by one word; remembers what it was asked."""

    def __init__(self, model_id: str = "word-1") -> None:
        self.model_id = model_id
        self.asked: list[str] = []

    def findings(self, texts: Sequence[str]) -> list[tuple[Finding, ...]]:
        self.asked += texts
        return [tuple(self._finding(label, text) for label in LABELS) for text in texts]

    def _finding(self, label: str, text: str) -> Finding:
        at = text.find("клуб") if label == "financial_pyramid" else -1
        return Finding.model_validate(
            {
                "label": label,
                "score": 0.9 if at >= 0 else 0.0,
                "threshold": 0.5,
                "flagged": at >= 0,
                "spans": [(at, at + 4, 1.0)] if at >= 0 else [],
                "model": self.model_id,
            }
        )


class BrokenClassifier(TextClassifier):
    model_id = "broken-1"

    def findings(self, texts: Sequence[str]) -> list[tuple[Finding, ...]]:
        raise ClassifierError("weights are damaged: train them again")


def capture(number: int = 1) -> Capture:
    return Capture(
        id=f"capture-{number}",
        url="https://t.me/s/qala_club",
        fetched_at=NOON + timedelta(hours=number),
        status=200,
        sha256="0" * 64,
        size_bytes=1,
        warc_file="a.warc.gz",
        warc_offset=0,
        warc_length=1,
        warc_record_id="<urn:uuid:1>",
    )


def document(number: int, text: str, **fields: object) -> Document:
    defaults = {
        "id": str(number),
        "url": f"https://t.me/qala_club/{number}",
        "canonical_url": f"https://t.me/s/qala_club/{number}",
        "site": "telegram",
        "channel": "qala_club",
        "fetched_at": NOON,
        "text": text,
        "capture_id": "capture-1",
    }
    return Document.model_validate(defaults | fields)


def page(*documents: Document, channel: Channel | None = None) -> PageOfDocuments:
    return PageOfDocuments(capture=capture(), channel=channel, documents=documents)


@pytest.fixture
def store() -> Iterator[Store]:
    with open_store("sqlite://") as store:
        yield store


def test_a_page_is_stored_with_all_that_the_steps_found(store: Store) -> None:
    channel = Channel(
        site="telegram", handle="qala_club", url="https://t.me/qala_club", status="public", checked_at=NOON
    )
    classifier = WordClassifier()
    weather = "Ауа райы болжамы: ертең жаңбыр жауады"
    processed = Processor(store, classifier).process(
        page(document(1, ADVERT), document(2, weather), document(3, f"🔥 {ADVERT}"), channel=channel)
    )
    advert_findings, weather_findings, copy_findings = WordClassifier().findings([ADVERT, weather, f"🔥 {ADVERT}"])
    handle = Entity(kind="telegram", value="qala_club", start=87, end=97)
    moved = Entity(kind="telegram", value="qala_club", start=89, end=99)
    assert processed.documents == (
        document(1, ADVERT, lang="ru", entities=(handle,), findings=advert_findings),
        document(2, weather, lang="kk", findings=weather_findings),
        document(3, f"🔥 {ADVERT}", lang="ru", entities=(moved,), findings=copy_findings, near_duplicate_of="1"),
    )
    assert (processed.new, processed.changed, processed.unchanged) == (3, 0, 0)
    assert tuple(store.scan(DocumentQuery())) == processed.documents
    assert store.get_capture("capture-1") == capture()
    assert store.get_channel("telegram", "qala_club") == channel
    assert classifier.asked == [ADVERT, weather, f"🔥 {ADVERT}"]


def test_an_empty_page_is_a_capture_only(store: Store) -> None:
    processed = Processor(store, WordClassifier()).process(page())
    assert (processed.documents, processed.new) == ((), 0)
    assert list(store.scan_captures()) == [capture()]


def test_what_did_not_change_is_not_classified_again(store: Store) -> None:
    classifier = WordClassifier()
    processor = Processor(store, classifier)
    first = processor.process(page(document(1, ADVERT), document(2, "Да")))
    classifier.asked.clear()
    again = processor.process(
        page(document(1, ADVERT, views=5), document(2, "Да", fetched_at=NOON + timedelta(days=1)))
    )
    assert classifier.asked == []
    assert [one.findings for one in again.documents] == [one.findings for one in first.documents]
    assert (again.new, again.changed, again.unchanged) == (0, 1, 1)


def test_a_changed_text_and_another_model_are_classified(store: Store) -> None:
    Processor(store, WordClassifier()).process(page(document(1, ADVERT), document(2, "Просто обычный текст")))
    classifier = WordClassifier()
    Processor(store, classifier).process(page(document(1, "Другой текст"), document(2, "Просто обычный текст")))
    assert classifier.asked == ["Другой текст"]
    newer = WordClassifier("word-2")
    processed = Processor(store, newer).process(page(document(2, "Просто обычный текст")))
    assert newer.asked == ["Просто обычный текст"]
    assert {finding.model for finding in processed.documents[0].findings} == {"word-2"}


def test_the_very_same_text_elsewhere_is_not_classified_again(store: Store) -> None:
    classifier = WordClassifier()
    processor = Processor(store, classifier)
    first = processor.process(page(document(1, ADVERT), document(2, ADVERT)))
    assert classifier.asked == [ADVERT]
    other = processor.process(page(document(3, ADVERT), document(4, ADVERT.replace("@qala_club", "@other_club"))))
    assert classifier.asked == [ADVERT, ADVERT.replace("@qala_club", "@other_club")]
    assert other.documents[0].findings == first.documents[0].findings
    assert [one.near_duplicate_of for one in other.documents] == ["1", "1"]


def test_without_a_verdict_nothing_is_stored(store: Store) -> None:
    with pytest.raises(ClassifierError, match="weights are damaged"):
        Processor(store, BrokenClassifier()).process(page(document(1, ADVERT)))
    assert store.count(DocumentQuery()) == 0


def test_a_document_that_trips_a_step_does_not_stop_the_others(store: Store) -> None:
    def add_century(document: Document) -> Document:
        return document.model_copy(update={"title": f"Век {int(document.text) // 100 + 1}"})

    steps = (*DOCUMENT_STEPS, add_century)
    with structlog.testing.capture_logs() as logs:
        processed = Processor(store, WordClassifier(), steps).process(page(document(1, "слово"), document(2, "1984")))
    assert [one.title for one in processed.documents] == [None, "Век 20"]
    assert [one.title for one in store.scan(DocumentQuery())] == [None, "Век 20"]
    assert logs == [
        {
            "event": "document_step_failed",
            "log_level": "warning",
            "step": "add_century",
            "document_id": "1",
            "reason": "ValueError(\"invalid literal for int() with base 10: 'слово'\")",
        }
    ]


@pytest.mark.parametrize(
    "text", ["", "\x00", "\ud83d", "a" * 300_000, "💊" * 1_000, "\u202e@qala_club", "((((((" * 1_000]
)
def test_hostile_texts_go_through(store: Store, text: str) -> None:
    processed = Processor(store, WordClassifier()).process(page(document(1, text)))
    assert store.get_document("1") == processed.documents[0]
