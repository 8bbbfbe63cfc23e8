"""Copies of an advert are recognised whatever contact, number or ornament was changed."""

import os
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.entities import add_entities
from pipelines.near_duplicates import SIMILAR, fingerprint, jaccard, mark_near_duplicates
from qalqan.records import Document
from qalqan.store import Store, open_store

NOON = datetime(2026, 4, 21, 12, tzinfo=UTC)
ADVERT = (
    "Клуб взаимопомощи открывает набор: вступи, пригласи троих друзей и получай выплаты каждый день. Взнос вернётся "
    "за неделю, дальше только доход, проверено тысячами участников по всей стране. Пиши @qala_club"
)
COPY = (
    "🔥 КЛУБ ВЗАИМОПОМОЩИ открывает набор!!! Вступи, пригласи троих друзей и получай выплаты каждый день. Взнос "
    "вернётся за неделю — дальше только доход, проверено тысячами участников по всей стране 👉 пиши t.me/other_club"
)
EDITED = ADVERT.replace("троих", "пятерых")
OTHER = "Ауа райы болжамы: ертең таңертең жаңбыр жауады, түстен кейін күн ашылады, жел батыстан соғады деп күтілуде"


def document(number: int, text: str) -> Document:
    return add_entities(
        Document(
            id=str(number),
            url="u",
            canonical_url="u",
            site="web",
            fetched_at=datetime(2026, 4, 21, tzinfo=UTC),
            text=text,
        )
    )


def similarity(one: str, other: str) -> float:
    a, b = fingerprint("a", one), fingerprint("b", other)
    assert a is not None
    assert b is not None
    return jaccard(a, b)


def test_contacts_numbers_and_ornaments_do_not_count() -> None:
    assert similarity(ADVERT, COPY) == 1.0
    assert similarity("Вход от 5 000 тг, карта 4111 1111 1111 1111", "вход от 7500 тг — карта 4000000000000002") == 1.0


def test_a_changed_word_leaves_texts_similar_and_another_text_is_far() -> None:
    assert SIMILAR <= similarity(ADVERT, EDITED) < 1
    assert similarity(ADVERT, OTHER) < 0.1


def test_similar_texts_share_a_band() -> None:
    one, other, far = (fingerprint(text, text) for text in (ADVERT, EDITED, OTHER))
    assert one is not None
    assert other is not None
    assert far is not None
    assert set(one.bands) & set(other.bands)
    assert not set(one.bands) & set(far.bands)


@pytest.mark.parametrize(
    "text", ["", "   ", "🔥🔥🔥", "@qala_club 8 701 000 00 00", "Да", "Цена договорная", "1 2 3 4"]
)
def test_what_says_too_little_has_no_fingerprint(text: str) -> None:
    assert fingerprint("1", text) is None


def test_short_texts_are_duplicates_only_with_the_same_words() -> None:
    short = fingerprint("1", "Пиши в личку срочно")
    assert short is not None
    assert (short.bands, short.signature) == ((), ())
    assert similarity("Пиши в личку срочно", "ПИШИ, в личку — срочно!") == 1.0
    assert similarity("Пиши в личку срочно", "Пиши в личку завтра") == 0.0


def test_the_same_in_every_process() -> None:
    program = "import sys; from pipelines.near_duplicates import fingerprint; print(fingerprint('1', sys.argv[1]))"
    for seed in ("0", "1"):
        output = subprocess.run(
            [sys.executable, "-c", program, ADVERT],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert output == f"{fingerprint('1', ADVERT)}\n"


@given(st.text(max_size=300))
def test_any_text_is_like_itself(text: str) -> None:
    own = fingerprint("1", text)
    assert own is None or jaccard(own, own) == 1.0


class TestMarking:
    @pytest.fixture
    def store(self) -> Store:
        return open_store("sqlite://")

    @staticmethod
    def put(store: Store, *documents: Document) -> list[str | None]:
        """Marks and stores them as one page; what each repeats."""
        earlier = {one.id: stored for one in documents if (stored := store.get_document(one.id))}
        marked = mark_near_duplicates(documents, earlier, store)
        store.put_documents(marked.documents, marked.fingerprints)
        return [one.near_duplicate_of for one in marked.documents]

    def test_the_oldest_is_the_original_on_the_page_and_in_the_store(self, store: Store) -> None:
        assert self.put(store, document(1, ADVERT), document(2, OTHER), document(3, COPY)) == [None, None, "1"]
        assert self.put(store, document(4, EDITED), document(5, ADVERT)) == ["1", "1"]

    def test_no_chains(self, store: Store) -> None:
        step = ADVERT
        assert self.put(store, document(1, step)) == [None]
        edits = [
            ("троих", "пятерых"),
            ("набор", "приём"),
            ("стране", "области"),
            ("каждый", "любой"),
            ("доход", "плюс"),
        ]
        for number, (old, new) in enumerate(edits, 2):
            step = step.replace(old, new)
            assert self.put(store, document(number, step)) == ["1"]
        assert similarity(ADVERT, step) < SIMILAR

    def test_another_visit_changes_nothing(self, store: Store) -> None:
        self.put(store, document(1, ADVERT), document(2, COPY))
        self.put(store, document(3, ADVERT))
        assert self.put(store, document(1, ADVERT), document(2, COPY)) == [None, "1"]
        assert self.put(store, document(3, ADVERT), document(1, ADVERT)) == ["1", None]

    def test_two_never_repeat_each_other(self, store: Store) -> None:
        self.put(store, document(1, ADVERT), document(2, COPY))
        assert self.put(store, document(1, EDITED)) == [None]
        assert self.put(store, document(1, OTHER)) == [None]
