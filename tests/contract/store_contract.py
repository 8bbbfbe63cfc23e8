"""What every store engine must do. An engine's test subclasses `StoreContract` and gives the URL of an empty store."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from qalqan.clock import now
from qalqan.errors import StoreError
from qalqan.records import Capture, Channel, Document, Entity, Finding, Forward, Media, Reaction
from qalqan.store import DocumentQuery, Facet, Fingerprint, Store, StoredDocument, WriteCount, open_store
from qalqan.store.base import VECTOR_SIZE

NOON = datetime(2026, 4, 21, 12, tzinfo=UTC)
WRITER = Path(__file__).with_name("store_writer.py")


def post(number: int, text: str = "", **fields: object) -> Document:
    defaults: dict[str, object] = {
        "id": f"{number:032x}",
        "url": f"https://t.me/almaty_news/{number}",
        "canonical_url": f"https://t.me/s/almaty_news/{number}",
        "site": "telegram",
        "channel": "almaty_news",
        "post_id": str(number),
        "published_at": NOON + timedelta(minutes=number),
        "fetched_at": NOON + timedelta(days=1),
        "text": text,
        "lang": "ru",
    }
    return Document.model_validate(defaults | fields)


def finding(label: str, *, flagged: bool) -> Finding:
    return Finding.model_validate(
        {
            "label": label,
            "score": 0.9 if flagged else 0.1,
            "threshold": 0.5,
            "flagged": flagged,
            "spans": [(0, 4, 0.75)],
            "codes": ["FP01"] if flagged else [],
            "model": "test-1",
        }
    )


def fingerprint(document: Document, *bands: str, sha: str = "") -> Fingerprint:
    return Fingerprint(document.id, sha or f"sha of {document.id}", bands, (0, 1, 2**32 - 1, 2**64 - 1))


def full_post() -> Document:
    """A document with every field set."""
    return post(
        7,
        "Вступай в клуб: t.me/+AbCdEfGh и приводи друзей 💸",
        url="https://www.Example.kz/a?b=1",
        site="web",
        channel="Клуб",
        author="Админ",
        fetched_at=datetime(2026, 4, 22, 3, 4, 5, 678901, tzinfo=UTC),
        title="Касса взаимопомощи",
        lang="kk",
        views=12_300,
        reactions=(Reaction(emoji="🔥", count=3),),
        forwarded_from=Forward(name="Другой клуб", url="https://t.me/drugoi_klub"),
        reply_to="6",
        edited=True,
        media=(Media(kind="photo", url="https://example.kz/a.jpg"), Media(kind="poll", title="Да?")),
        links=("https://example.kz/",),
        entities=(Entity(kind="telegram_invite", value="AbCdEfGh", start=16, end=30),),
        capture_id="c" * 32,
        near_duplicate_of="d" * 32,
        findings=(
            finding("financial_pyramid", flagged=True),
            finding("drug_shop", flagged=False),
            finding("drug_graffiti", flagged=False),
        ),
    )


def capture(number: int) -> Capture:
    return Capture(
        id=f"{number:032x}",
        url=f"https://example.kz/{number}",
        fetched_at=NOON + timedelta(microseconds=number),
        status=200,
        content_type="text/html",
        sha256="ab" * 32,
        size_bytes=10,
        warc_file="2026/04/21.warc.gz",
        warc_offset=number * 100,
        warc_length=99,
        warc_record_id=f"<urn:uuid:{number}>",
        ip_address="192.0.2.1",
    )


def ids(documents: object) -> list[int]:
    return [int(document.id, 16) for document in documents]  # type: ignore[attr-defined]


def found(store: Store, **conditions: object) -> list[int]:
    """Numbers of the matches, sorted; `search`, `scan` and `count` must agree on them."""
    query = DocumentQuery(**conditions)  # type: ignore[arg-type]
    page = store.search(query, limit=1000)
    numbers = sorted(ids(page.documents))
    assert sorted(ids(store.scan(query))) == numbers
    assert store.count(query) == page.total == len(numbers)
    return numbers


class StoreContract:
    @pytest.fixture
    def store_url(self) -> str:
        raise NotImplementedError("an engine's test gives the URL of an empty store")

    @pytest.fixture
    def store(self, store_url: str) -> Iterator[Store]:
        with open_store(store_url) as store:
            yield store

    # Writing

    def test_gives_back_every_field(self, store: Store) -> None:
        assert store.put_documents([full_post()]) == WriteCount(new=1, changed=0, unchanged=0)
        assert store.get_document(full_post().id) == full_post()

    def test_knows_nothing_it_was_not_given(self, store: Store) -> None:
        assert store.get_document("absent") is None
        assert store.known_ids(["absent"]) == set()
        assert found(store) == []
        assert store.put_documents([]) == WriteCount(0, 0, 0)

    def test_known_ids_of_many(self, store: Store) -> None:
        store.put_documents([post(number) for number in range(50)])
        asked = [f"{number:032x}" for number in range(25, 40_000)]
        assert store.known_ids(iter(asked)) == {f"{number:032x}" for number in range(25, 50)}

    def test_the_same_record_twice_is_stored_once(self, store: Store) -> None:
        assert store.put_documents([post(1, "сегодня"), post(2)]) == WriteCount(2, 0, 0)
        assert store.put_documents([post(1, "сегодня"), post(2)]) == WriteCount(0, 0, 2)
        assert found(store) == [1, 2]
        assert found(store, text="сегодня") == [1]

    def test_the_same_record_twice_in_one_call(self, store: Store) -> None:
        assert store.put_documents([post(1), post(1), post(1, "иначе")]) == WriteCount(1, 1, 1)
        assert store.get_document(post(1).id) == post(1, "иначе")

    def test_another_visit_alone_changes_nothing(self, store: Store) -> None:
        store.put_documents([post(1)])
        again = post(1, fetched_at=NOON + timedelta(days=2), capture_id="e" * 32)
        assert store.put_documents([again]) == WriteCount(0, 0, 1)
        assert store.get_document(again.id) == again

    def test_a_changed_record_replaces_the_old_one_everywhere(self, store: Store) -> None:
        old = full_post()
        store.put_documents([old], {old.id: fingerprint(old, "a1")})
        new = old.model_copy(
            update={
                "text": "Совсем другое",
                "title": None,
                "author": None,
                "channel": "other",
                "site": "forum",
                "lang": "ru",
                "url": "https://example.org/",
                "entities": (Entity(kind="domain", value="example.org", start=0, end=0),),
                "findings": (finding("drug_shop", flagged=True),),
                "published_at": NOON - timedelta(days=9),
            }
        )
        assert store.put_documents([new], {new.id: fingerprint(new, "b1")}) == WriteCount(0, 1, 0)
        assert store.get_document(old.id) == new
        for gone in (
            {"text": "клуб"},
            {"text": "касса"},
            {"text": "админ"},
            {"channel": "Клуб"},
            {"site": "web"},
            {"lang": "kk"},
            {"host": "example.kz"},
            {"entity": ("telegram_invite", "AbCdEfGh")},
            {"labels": ("financial_pyramid",)},
            {"since": NOON},
        ):
            assert found(store, **gone) == [], gone
        for present in (
            {"text": "другое"},
            {"channel": "other"},
            {"site": "forum"},
            {"lang": "ru"},
            {"host": "example.org"},
            {"entity": ("domain", "example.org")},
            {"labels": ("drug_shop",)},
            {"until": NOON},
        ):
            assert found(store, **present) == [7], present
        other = post(1)
        assert store.find_candidates(fingerprint(other, "a1")) == []
        assert store.find_candidates(fingerprint(other, "b1")) == [fingerprint(new, "b1")]

    def test_audience_counts_change_the_record_but_not_its_place_in_the_queue(self, store: Store) -> None:
        store.put_documents([post(1, "текст", views=10)])
        before = now() + timedelta(microseconds=1)
        while now() <= before:
            pass
        seen_again = post(1, "текст", views=11, reactions=(Reaction(emoji="👍", count=1),), capture_id="f" * 32)
        assert store.put_documents([seen_again]) == WriteCount(0, 1, 0)
        assert store.get_document(seen_again.id) == seen_again
        assert found(store, indexed_since=before) == []
        assert store.put_documents([post(1, "правка", views=11)]) == WriteCount(0, 1, 0)
        assert found(store, indexed_since=before) == [1]

    def test_all_or_none(self, store: Store) -> None:
        store.put_documents([post(1, "прежний")])
        unwritable = post(3).model_copy(update={"views": 2**80})
        with pytest.raises(StoreError, match="cannot be written"):
            store.put_documents([post(1, "новый"), post(2), unwritable])
        assert found(store) == [1]
        assert store.get_document(post(1).id) == post(1, "прежний")
        assert found(store, text="новый") == []

    def test_a_fingerprint_without_its_document_is_refused(self, store: Store) -> None:
        with pytest.raises(StoreError, match=post(2).id):
            store.put_documents([post(1)], {post(2).id: fingerprint(post(2))})
        assert found(store) == []

    @pytest.mark.parametrize(
        "text",
        [
            "ә\x00б",
            "\ud83d одиночка",
            "👩‍👩‍👧‍👦🇰🇿",
            "\u202eнаоборот",
            "a" * 200_000,
            "'; DROP TABLE documents; --",
            "\x1b[31m",
        ],
        ids=["nul", "surrogate", "emoji", "bidi", "long", "sql", "escape"],
    )
    def test_hostile_text_comes_back_as_it_was(self, store: Store, text: str) -> None:
        document = post(1, text, title=text[:100], channel=text[:50], author=text[:50])
        store.put_documents([document])
        assert store.get_document(document.id) == document
        assert found(store, channel=document.channel) == [1]

    def test_hostile_urls(self, store: Store) -> None:
        urls = ["http://[::1", "", "not a url", "https://\x00/", "http://" + "a" * 300 + "/", "https://..kz/"]
        store.put_documents([post(number, url=url) for number, url in enumerate(urls)])
        assert found(store) == list(range(len(urls)))

    # Conditions

    @pytest.fixture
    def shelf(self, store: Store) -> Store:
        pyramid, shop = finding("financial_pyramid", flagged=True), finding("drug_shop", flagged=True)
        harmless = finding("financial_pyramid", flagged=False)
        card = Entity(kind="card", value="4000000000000002", start=0, end=16)
        handle = Entity(kind="telegram", value="Almaty_Club", start=0, end=12)
        store.put_documents(
            [
                post(1, "Доход 20 процентов", findings=(pyramid,), entities=(card, handle)),
                post(2, "Магазин работает", findings=(shop, harmless), lang="en", entities=(handle, handle)),
                post(3, "И то и другое", findings=(pyramid, shop), channel="Second", lang="kk"),
                post(4, "Погода в Алматы", findings=(harmless,), site="web", url="https://www.pogoda.kz/a"),
                post(5, "Без вывода", site="web", url="https://pogoda.kz:443/b", channel=None, published_at=None),
                post(6, "Другое место", site="web", url="https://алматы.қаз/", published_at=None, fetched_at=NOON),
            ]
        )
        return store

    @pytest.mark.parametrize(
        ("conditions", "expected"),
        [
            ({}, [1, 2, 3, 4, 5, 6]),
            ({"labels": ("financial_pyramid",)}, [1, 3]),
            ({"labels": ("financial_pyramid", "drug_shop")}, [1, 2, 3]),
            ({"labels": ("drug_graffiti",)}, []),
            ({"flagged": True}, [1, 2, 3]),
            ({"flagged": False}, [4, 5, 6]),
            ({"site": "web"}, [4, 5, 6]),
            ({"host": "t.me"}, [1, 2, 3]),
            ({"host": "pogoda.kz"}, [4, 5]),
            ({"host": "WWW.Pogoda.KZ"}, [4, 5]),
            ({"host": "алматы.қаз"}, [6]),
            ({"host": "oda.kz"}, []),
            ({"channel": "almaty_news"}, [1, 2, 4, 6]),
            ({"channel": "second"}, [3]),
            ({"lang": "kk"}, [3]),
            ({"lang": "other"}, []),
            ({"entity": ("card", "4000000000000002")}, [1]),
            ({"entity": ("telegram", "almaty_club")}, [1, 2]),
            ({"entity": ("phone", "4000000000000002")}, []),
            ({"since": NOON + timedelta(minutes=3)}, [3, 4, 5]),
            ({"until": NOON + timedelta(minutes=3)}, [1, 2, 6]),
            ({"since": NOON + timedelta(minutes=2), "until": NOON + timedelta(minutes=4)}, [2, 3]),
            ({"since": datetime.fromisoformat("2026-04-21T17:03:00+05:00")}, [3, 4, 5]),
            ({"indexed_since": datetime(2020, 1, 1, tzinfo=UTC)}, [1, 2, 3, 4, 5, 6]),
            ({"indexed_since": datetime(2999, 1, 1, tzinfo=UTC)}, []),
            ({"text": "другое"}, [3, 6]),
            ({"least_score": 0.5}, [1, 2, 3]),
            ({"least_score": 0.95}, []),
            ({"least_score": 0.05, "labels": ("drug_shop",)}, [2, 3]),
            ({"case_state": "open"}, []),
            (
                {
                    "labels": ("financial_pyramid",),
                    "flagged": True,
                    "site": "telegram",
                    "host": "t.me",
                    "channel": "almaty_news",
                    "lang": "ru",
                    "text": "доход",
                    "entity": ("telegram", "Almaty_Club"),
                    "since": NOON,
                    "until": NOON + timedelta(hours=1),
                    "indexed_since": datetime(2020, 1, 1, tzinfo=UTC),
                },
                [1],
            ),
            ({"labels": ("financial_pyramid",), "text": "магазин"}, []),
        ],
    )
    def test_conditions(self, shelf: Store, conditions: dict[str, object], expected: list[int]) -> None:
        assert found(shelf, **conditions) == expected

    @pytest.mark.parametrize(
        ("facet", "conditions", "expected"),
        [
            ("label", {}, {"drug_shop": 2, "financial_pyramid": 2}),
            ("site", {}, {"telegram": 3, "web": 3}),
            ("host", {"site": "web"}, {"pogoda.kz": 2, "алматы.қаз".encode("idna").decode(): 1}),
            ("channel", {}, {"almaty_news": 4, "second": 1}),
            ("lang", {"flagged": True}, {"en": 1, "kk": 1, "ru": 1}),
            ("day", {}, {"2026-04-21": 5, "2026-04-22": 1}),
            ("case_state", {}, {}),
            ("site", {"text": "нет такого"}, {}),
        ],
    )
    def test_counts(self, shelf: Store, facet: Facet, conditions: dict[str, object], expected: dict[str, int]) -> None:
        counted = shelf.counts(DocumentQuery(**conditions), facet)  # type: ignore[arg-type]
        assert list(counted.items()) == list(expected.items())

    def test_counts_of_the_most_frequent_alone(self, shelf: Store) -> None:
        assert shelf.counts(DocumentQuery(), "channel", limit=1) == {"almaty_news": 4}

    def test_case_states(self, shelf: Store) -> None:
        shelf.set_case_states({post(1).id: "open", post(3).id: "confirmed", "absent": "open"})
        assert found(shelf, case_state="open") == [1]
        assert shelf.counts(DocumentQuery(), "case_state") == {"confirmed": 1, "open": 1}
        before = now() + timedelta(microseconds=1)
        while now() <= before:
            pass
        shelf.put_documents([post(1, "Доход 30 процентов")])
        assert found(shelf, case_state="open") == [1]  # a new version of the post is in the same case
        shelf.set_case_states({post(1).id: None, post(3).id: "open"})
        assert found(shelf, case_state="open") == [3]
        assert found(shelf, indexed_since=before) == [1]  # a case's state makes no document new

    def test_newest_first(self, shelf: Store) -> None:
        assert ids(shelf.search(DocumentQuery()).documents) == [5, 4, 3, 2, 1, 6]

    def test_scan_goes_in_the_order_of_writing(self, store: Store) -> None:
        store.put_documents([post(5), post(1)])
        store.put_documents([post(9), post(3)])
        assert ids(store.scan(DocumentQuery())) == [5, 1, 9, 3]

    # Words

    @pytest.fixture
    def library(self, store: Store) -> Store:
        store.put_documents(
            [
                post(1, "Пассивный доход каждый день без вложений, доход растёт"),
                post(2, "Доход есть, но не пассивный"),
                post(3, "Қазақстандағы қара касса туралы әңгіме: ұрпақ үшін"),
                post(4, "Казак касса"),
                post(5, "Passive INCOME every day: join t.me/club_kz now"),
                post(6, "НАР\u200bКО\u00adшоп 💊❄️ ёлка", title="Заголовок пассивный"),
                post(7, "ﬁxed ｗｉｄｅ и\u0306 x", author="Айгүл", channel="Kanal"),
                post(8, "один\nдва\tтри"),
            ]
        )
        return store

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("доход", [1, 2]),
            ("ДОХОД", [1, 2]),
            ("доход вложений", [1]),
            ('"пассивный доход"', [1]),
            ("пассивный доход", [1, 2]),
            ("пассивный", [1, 2, 6]),
            ("қара", [3]),
            ("кара", [3]),
            ("пассивного дохода", [1, 2]),
            ('"пассивного дохода"', []),
            ("пaccивн0го д.о.х.о.д.а", [1, 2]),
            ("dohodov", [1, 2]),
            ("қассалар", [3, 4]),
            ("kassa", [3, 4]),
            ("ҚАЗАҚСТАНДАҒЫ ӘҢГІМЕ ҰРПАҚ", [3]),
            ("казак", [4]),
            ('"қара касса"', [3]),
            ('"касса қара"', []),
            ("income", [5]),
            ("t.me/club_kz", [5]),
            ("club_kz", [5]),
            ("наркошоп", [6]),
            ("💊", [6]),
            ("❄", [6]),
            ("💉", []),
            ("елка", [6]),
            ("fixed wide й", [7]),
            ("айгүл", [7]),
            ("kanal", [7]),
            ('"один два три"', [8]),
            ("дох", []),
            ("   ", [1, 2, 3, 4, 5, 6, 7, 8]),
            ("", [1, 2, 3, 4, 5, 6, 7, 8]),
        ],
    )
    def test_words_and_phrases(self, library: Store, text: str, expected: list[int]) -> None:
        assert found(library, text=text) == expected

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ('"', []),
            ('""', []),
            ("*", []),
            ("***", []),
            ("доход*", [1, 2]),
            ('"доход', [1, 2]),
            ("NEAR(доход", []),
            ("(доход)", [1, 2]),
            ("доход OR income", []),
            ("доход NOT пассивный", []),
            ("title:доход", []),
            ("-доход", [1, 2]),
            ("^доход + -", [1, 2]),
            ("доход\x00вложений", []),
            ("\x00", []),
            ("\ud83d", []),
            ("'; DROP TABLE documents; --", []),
            ("%", []),
            ("\\", []),
            ("{доход}", [1, 2]),
            ("доход " * 1_700, [1, 2]),
            ("д" * 10_000, []),
            (" ".join(f"слово{number}" for number in range(1_200)), []),
            ('"' * 10_000, []),
            ("(" * 10_000, []),
        ],
        ids=lambda value: repr(value[:16]) if isinstance(value, str) else "",
    )
    def test_a_query_is_only_text(self, library: Store, text: str, expected: list[int]) -> None:
        assert found(library, text=text) == expected

    @pytest.mark.parametrize("text", ["\ud83d", "\x00", "a" * 10_000, "'", "xn--", "..", "a..b"])
    def test_other_conditions_are_only_text(self, shelf: Store, text: str) -> None:
        for conditions in ({"host": text}, {"channel": text}, {"entity": ("card", text)}):
            assert found(shelf, **conditions) == []
        assert shelf.get_document(text) is None
        assert shelf.get_capture(text) is None
        assert shelf.get_channel("web", text) is None
        assert shelf.known_ids([text]) == set()

    def test_best_first(self, store: Store) -> None:
        filler = " слово" * 40
        store.put_documents(
            [
                post(1, "пирамида и ещё раз пирамида" + filler),
                post(2, "ничего такого" + filler, title="Пирамида: пирамида и пирамида"),
                post(3, "пирамида упомянута один раз" + filler),
                post(4, "вообще о другом" + filler),
            ]
        )
        assert ids(store.search(DocumentQuery(text="пирамида")).documents) == [2, 1, 3]

    # Paging

    @pytest.mark.parametrize("text", [None, "слово"])
    @pytest.mark.parametrize("size", [1, 7, 100])
    def test_pages_without_gaps_or_repeats_while_writes_go_on(self, store: Store, text: str | None, size: int) -> None:
        store.put_documents([post(n, "слово " * (n % 5 + 1) + "другое " * (n % 7)) for n in range(60)])
        query = DocumentQuery(text=text)
        whole = ids(store.search(query, limit=100).documents)
        assert sorted(whole) == list(range(60))
        pages: list[int] = []
        cursor, extra = None, 1000
        while True:
            page = store.search(query, limit=size, cursor=cursor)
            pages += ids(page.documents)
            cursor = page.next_cursor
            if cursor is None:
                break
            fresh = [
                post(extra + n, "слово новое " * (n + 1), published_at=NOON + timedelta(days=n - 3)) for n in range(6)
            ]
            extra += len(fresh)
            store.put_documents(fresh)
        assert len(pages) == len(set(pages))
        assert [number for number in pages if number < 1000] == whole

    def test_many_of_one_moment(self, store: Store) -> None:
        store.put_documents([post(number, published_at=NOON) for number in range(25)])
        pages, cursor = [], None
        while True:
            page = store.search(DocumentQuery(), limit=4, cursor=cursor)
            assert page.total == 25
            pages += ids(page.documents)
            cursor = page.next_cursor
            if cursor is None:
                break
        assert sorted(pages) == list(range(25))

    def test_the_last_page_says_so(self, store: Store) -> None:
        store.put_documents([post(1), post(2)])
        assert store.search(DocumentQuery(), limit=2).next_cursor is None
        assert store.search(DocumentQuery(), limit=1).next_cursor is not None

    @pytest.mark.parametrize("cursor", ["", "x", "AAAA", "é", "bnVsbA", "\ud83d", "W10", '"'])
    def test_a_damaged_cursor_is_refused(self, store: Store, cursor: str) -> None:
        with pytest.raises(StoreError, match="damaged"):
            store.search(DocumentQuery(), cursor=cursor)

    def test_the_cursor_of_another_query_is_refused(self, store: Store) -> None:
        store.put_documents([post(1), post(2)])
        cursor = store.search(DocumentQuery(), limit=1).next_cursor
        with pytest.raises(StoreError, match="another query"):
            store.search(DocumentQuery(lang="ru"), limit=1, cursor=cursor)

    def test_a_page_of_nothing_is_refused(self, store: Store) -> None:
        with pytest.raises(StoreError):
            store.search(DocumentQuery(), limit=0)

    def test_scan_while_writing(self, store: Store) -> None:
        store.put_documents([post(number, "старое") for number in range(1_200)])
        seen: list[int] = []
        for document in store.scan(DocumentQuery()):
            seen += ids([document])
            if len(seen) % 300 == 0:
                store.put_documents([post(5_000 + len(seen)), post(1_100, f"правка {len(seen)}")])
        assert seen == list(range(1_200))

    def test_an_abandoned_scan_blocks_nobody(self, store: Store, store_url: str) -> None:
        store.put_documents([post(number) for number in range(1_200)])
        abandoned = store.scan(DocumentQuery())
        next(abandoned)
        store.put_documents([post(9_999)])
        assert store.count(DocumentQuery()) == 1_201

    # Fingerprints

    def test_candidates_share_a_band_or_the_text_oldest_first(self, store: Store) -> None:
        documents = [post(number) for number in range(5)]
        prints = [
            fingerprint(documents[0], "b1", "b9"),
            fingerprint(documents[1], "b2"),
            fingerprint(documents[2], sha="same"),
            fingerprint(documents[3], "b1", "b2", sha="same"),
            fingerprint(documents[4], "b8"),
        ]
        for document, its in zip(documents, prints, strict=True):
            store.put_documents([document], {document.id: its})
        asked = fingerprint(post(99), "b1", "b2", sha="same")
        assert store.find_candidates(asked) == prints[:4]
        assert store.find_candidates(asked, limit=2) == prints[:2]
        assert store.find_candidates(prints[3]) == prints[:3]
        assert store.find_candidates(fingerprint(post(99), "b7")) == []
        assert store.find_candidates(fingerprint(post(99), sha="same")) == [prints[2], prints[3]]

    def test_a_fingerprint_stays_while_the_text_stays(self, store: Store) -> None:
        document = post(1, "текст")
        store.put_documents([document], {document.id: fingerprint(document, "b1")})
        store.put_documents([post(1, "текст", views=3)])
        assert store.find_candidates(fingerprint(post(2), "b1")) == [fingerprint(document, "b1")]
        store.put_documents([post(1, "другой текст")])
        assert store.find_candidates(fingerprint(post(2), "b1")) == []

    def test_neighbours_nearest_first(self, store: Store) -> None:
        def vector(*values: float) -> list[float]:
            return [*values, *[0.0] * (VECTOR_SIZE - len(values))]

        documents = [post(number, f"текст {number}") for number in range(4)]
        vectors = [vector(1, 0), vector(3, 3), vector(0, 2), vector(-1, 0.5)]
        store.put_documents(documents, vectors={one.id: its for one, its in zip(documents, vectors, strict=True)})
        store.put_documents([post(9, "без вектора")])
        nearest = store.find_neighbours(vector(2, 0.1), limit=3)
        assert [int(one.document_id, 16) for one in nearest] == [0, 1, 2]
        assert [one.similarity for one in nearest] == pytest.approx([0.9988, 0.7415, 0.0499], abs=0.01)
        store.put_documents([post(0, "текст 0", views=5)])
        assert store.find_neighbours(vector(2, 0.1), limit=1)[0].document_id == post(0).id
        store.put_documents([post(0, "другой текст")])
        assert store.find_neighbours(vector(2, 0.1), limit=1)[0].document_id == post(1).id

    def test_a_scan_of_everything_keeps_everything(self, store: Store) -> None:
        first, second = full_post(), post(2, "текст")
        vector = [0.6, 0.8, *[0.0] * (VECTOR_SIZE - 2)]
        store.put_documents([first, second], {first.id: fingerprint(first, "b1", "b2")}, {first.id: vector})
        store.set_case_states({second.id: "open"})
        one, other = store.scan_stored()
        assert (one.document, one.fingerprint, one.case_state) == (first, fingerprint(first, "b1", "b2"), None)
        assert one.vector == pytest.approx(vector)
        assert other == StoredDocument(second, None, None, "open")

    def test_some_with_all_that_is_kept_beside_them(self, store: Store) -> None:
        first, second = full_post(), post(2, "текст")
        vector = [0.6, 0.8, *[0.0] * (VECTOR_SIZE - 2)]
        store.put_documents([first, second, post(3)], {first.id: fingerprint(first, "b1", "b2")}, {first.id: vector})
        store.set_case_states({second.id: "open"})
        kept = store.get_stored([first.id, "absent", second.id, "\ud800", first.id])
        assert set(kept) == {first.id, second.id}
        assert (kept[first.id].document, kept[first.id].fingerprint) == (first, fingerprint(first, "b1", "b2"))
        assert kept[first.id].vector == pytest.approx(vector)
        assert kept[second.id] == StoredDocument(second, None, None, "open")
        assert store.get_stored([]) == {}

    def test_a_vector_without_its_document_is_refused(self, store: Store) -> None:
        with pytest.raises(StoreError, match=post(2).id):
            store.put_documents([post(1)], vectors={post(2).id: [1.0] * VECTOR_SIZE})
        assert found(store) == []

    @pytest.mark.parametrize("vector", [[], [1.0] * 5, [0.0] * VECTOR_SIZE, [float("nan")] * VECTOR_SIZE])
    def test_no_vector_at_all_is_refused(self, store: Store, vector: list[float]) -> None:
        with pytest.raises(StoreError, match=f"{VECTOR_SIZE} finite numbers"):
            store.put_documents([post(1)], vectors={post(1).id: vector})
        with pytest.raises(StoreError, match=f"{VECTOR_SIZE} finite numbers"):
            store.find_neighbours(vector)
        assert found(store) == []

    # Retention

    def test_whole_months_are_dropped(self, store: Store) -> None:
        posts = [
            post(1, "старый", published_at=datetime(2024, 12, 31, 23, 59, 59, tzinfo=UTC)),
            post(2, "старый", published_at=datetime(2025, 1, 1, tzinfo=UTC)),
            post(3, "старый", published_at=None, fetched_at=datetime(2020, 1, 1, tzinfo=UTC)),
            post(4, "старый", published_at=datetime(1970, 1, 1, tzinfo=UTC)),
            post(5, "старый", published_at=datetime.fromisoformat("2025-01-01T04:59:00+05:00")),
            post(6, "старый", published_at=datetime.fromisoformat("2024-12-31T22:00:00-05:00")),
        ]
        prints = {one.id: fingerprint(one, "b1") for one in posts}
        store.put_documents(posts, prints, {one.id: [1.0] * VECTOR_SIZE for one in posts})
        store.put_captures([capture(1)])
        assert store.drop_months_before("2025-01") == 2
        assert found(store) == found(store, text="старый") == [2, 3, 4, 6]
        assert {one.document_id for one in store.find_candidates(fingerprint(post(9), "b1"))} == {
            posts[place].id for place in (1, 2, 3, 5)
        }
        assert len(store.find_neighbours([1.0] * VECTOR_SIZE)) == 4
        assert list(store.scan_captures()) == [capture(1)]
        assert store.drop_months_before("2025-01") == 0
        assert store.put_documents([posts[0]]) == WriteCount(1, 0, 0)
        assert found(store, text="старый") == [1, 2, 3, 4, 6]

    @pytest.mark.parametrize("month", ["", "2025", "2025-13", "2025-1", "2025.01", "undated", "0000-01", "*"])
    def test_only_months_are_dropped(self, store: Store, month: str) -> None:
        store.put_documents([post(1)])
        with pytest.raises(StoreError, match="is no month"):
            store.drop_months_before(month)
        assert found(store) == [1]

    # Captures and channels

    def test_captures(self, store: Store) -> None:
        store.put_captures([])
        store.put_captures([capture(3), capture(1)])
        store.put_captures([capture(2), capture(3)])
        assert store.get_capture(capture(1).id) == capture(1)
        assert store.get_capture("absent") is None
        assert list(store.scan_captures()) == [capture(3), capture(1), capture(2)]
        moved = capture(1).model_copy(update={"warc_file": "2026/05/01.warc.gz"})
        store.put_captures([moved])
        assert list(store.scan_captures()) == [capture(3), moved, capture(2)]

    def test_channels(self, store: Store) -> None:
        channel = Channel(
            site="telegram",
            handle="Almaty_News",
            url="https://t.me/Almaty_News",
            title="Жаңалықтар",
            description="о городе",
            subscribers=10,
            posts_seen=3,
            status="public",
            checked_at=NOON,
            capture_id="c" * 32,
        )
        store.put_channel(channel)
        assert store.get_channel("telegram", "almaty_news") == channel
        assert store.get_channel("vk", "almaty_news") is None
        gone = channel.model_copy(update={"status": "missing", "handle": "almaty_news"})
        store.put_channel(gone)
        assert store.get_channel("telegram", "ALMATY_NEWS") == gone
        assert list(store.scan_channels()) == [gone]

    # Together

    def test_threads_share_a_store(self, store: Store) -> None:
        failures: list[BaseException] = []

        def write_and_read(first: int) -> None:
            try:
                for number in range(first, first + 40):
                    store.put_documents([post(number, "поток")])
                    store.search(DocumentQuery(text="поток"), limit=5)
                    next(store.scan(DocumentQuery()))
            except StoreError as error:
                failures.append(error)

        threads = [threading.Thread(target=write_and_read, args=(1_000 * number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert store.count(DocumentQuery(text="поток")) == 160

    def test_processes_share_a_store(self, store_url: str) -> None:
        writers = [_writer(store_url, str(first), "60") for first in (0, 1_000, 2_000)]
        assert [writer.communicate(timeout=120)[0] for writer in writers] == ["written\n" * 60] * 3
        assert [writer.returncode for writer in writers] == [0, 0, 0]
        with open_store(store_url) as store:
            assert found(store, text="писатель") == [*range(60), *range(1_000, 1_060), *range(2_000, 2_060)]

    def test_processes_write_the_same_documents(self, store_url: str) -> None:
        writers = [_writer(store_url, "0", "60") for _ in range(2)]
        for writer in writers:
            writer.communicate(timeout=120)
        with open_store(store_url) as store:
            assert found(store, text="писатель") == list(range(60))

    def test_what_was_written_outlives_a_killed_writer(self, store_url: str) -> None:
        writer = _writer(store_url, "0", "100000")
        assert writer.stdout is not None
        for _ in range(30):
            assert writer.stdout.readline() == "written\n"
        writer.kill()
        told = 30 + writer.stdout.read().count("written\n")
        assert writer.wait(timeout=60) == -signal.SIGKILL
        writer.stdout.close()
        with open_store(store_url) as store:
            numbers = found(store, text="писатель")
            assert numbers in (list(range(told)), list(range(told + 1)))
            assert store.put_documents([post(10**6, "дальше")]) == WriteCount(1, 0, 0)


def _writer(store_url: str, first: str, count: str) -> subprocess.Popen[str]:
    """A process that writes posts one by one and says so after each."""
    arguments = [sys.executable, str(WRITER), store_url, first, count]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
