"""The search through everything that is stored: what it finds, what it shows, what it survives."""

import html
import re
import socket
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from pages import assert_sound, browser, text_of

from qalqan.records import Document, Entity, Finding
from qalqan.store import Fingerprint, Store
from qalqan.store.base import VECTOR_SIZE

pytestmark = pytest.mark.usefixtures("database")

HX = {"HX-Request": "true", "HX-Target": "list"}
LONG = "Начало. " + "Много слов о погоде. " * 60 + "Договор о доходе подписан. " + "И ещё слова. " * 60


@pytest.fixture
def shared(tmp_path: Path, django_site: Path) -> Iterator[Any]:
    """The site reads the store of this test."""
    with reading(f"sqlite:///{tmp_path / 'store.sqlite'}") as site:
        yield site


def reading(url: str) -> Any:
    from contextlib import contextmanager

    from django.conf import settings
    from django.test import override_settings

    from qalqan.config import StoreSettings
    from review_ui.search.store import shared_store

    @contextmanager
    def opened() -> Iterator[Any]:
        shared_store.close()
        with override_settings(QALQAN=settings.QALQAN.model_copy(update={"store": StoreSettings(url=url)})):
            yield shared_store
        shared_store.close()

    return opened()


def plain_post(number: int, text: str, **fields: Any) -> Document:
    """Of no case: not flagged with anything unless `fields` say so."""
    defaults: dict[str, Any] = {
        "id": f"{number:032x}",
        "url": f"https://t.me/gorod_news/{number}",
        "canonical_url": f"https://t.me/gorod_news/{number}",
        "site": "telegram",
        "channel": "gorod_news",
        "post_id": str(number),
        "published_at": datetime(2026, 4, 21, 12, tzinfo=UTC) + timedelta(hours=number),
        "fetched_at": datetime(2026, 5, 1, tzinfo=UTC),
        "text": text,
        "lang": "ru",
    }
    return Document(**{**defaults, **fields})


def found(client: Any, **query: Any) -> str:
    response = client.get("/search/", query)
    assert response.status_code == 200
    assert_sound(response)
    return text_of(response)


def rows(page: str) -> int:
    return page.count("<li data-row")


def excerpts(page: str) -> list[str]:
    """The texts as a person reads them, hits in square brackets."""
    parts = re.findall(r'<p class="text".*?>(.*?)</p>', page, re.S)
    return [html.unescape(re.sub(r"<[^>]+>", "", re.sub(r"<mark>(.*?)</mark>", r"[\1]", part))) for part in parts]


class TestFinding:
    @pytest.fixture(autouse=True)
    def shelf(self, shared: Any, store: Store) -> None:
        store.put_documents(
            [
                plain_post(1, "Заключили договор о поставке."),
                plain_post(2, "О договоре забыли, доход обещали."),
                plain_post(3, "Өткен аптада шарт жасалды", lang="kk"),
                plain_post(
                    4,
                    "Д0г0вор? Пиши @primer_bot, карта 4400 4301 2345 6785",
                    site="vk",
                    channel="sosed",
                    entities=(
                        Entity(kind="telegram", value="primer_bot", start=14, end=25),
                        Entity(kind="card", value="4400430123456785", start=33, end=52),
                    ),
                    findings=(
                        Finding(label="drug_shop", score=0.83, threshold=0.6, flagged=True, model="m"),
                        Finding(label="financial_pyramid", score=0.2, threshold=0.6, flagged=False, model="m"),
                    ),
                ),
            ]
        )

    def test_any_form_and_disguise_is_found_and_shown(self, desk) -> None:
        page = found(browser(desk.aliya), q="договоры")
        assert rows(page) == 3
        assert {"Заключили [договор] о поставке.", "О [договоре] забыли, доход обещали."} < set(excerpts(page))
        assert any(text.startswith("[Д0г0вор]?") for text in excerpts(page))
        assert "Найдено: 3" in page

    def test_all_words_and_phrases(self, desk) -> None:
        client = browser(desk.aliya)
        assert rows(found(client, q="договор доход")) == 1
        assert rows(found(client, q='"договор о"')) == 1
        assert rows(found(client, q="«договор о»")) == 1
        assert rows(found(client, q="дого*")) == 3
        assert rows(found(client, q="погода")) == 0

    def test_everything_newest_first_without_a_query(self, desk) -> None:
        page = found(browser(desk.aliya))
        assert rows(page) == 4
        assert "Всё, что сохранено: 4" in page
        assert excerpts(page)[0].startswith("Д0г0вор")
        assert "<mark>" not in page

    def test_filters(self, desk) -> None:
        client = browser(desk.aliya)
        for query, expected in (
            ({"label": "drug_shop"}, 1),
            ({"label": ["drug_shop", "drug_graffiti"]}, 1),
            ({"label": "drug_graffiti"}, 0),
            ({"score": "0.7"}, 1),
            ({"score": "0.9"}, 0),
            ({"site": "vk"}, 1),
            ({"channel": "@gorod_news"}, 3),
            ({"channel": "GOROD_NEWS", "lang": "kk"}, 1),
            ({"lang": "kk"}, 1),
            ({"since": "2026-04-21", "until": "2026-04-21"}, 4),
            ({"since": "2026-04-22"}, 0),
            ({"until": "2026-04-20"}, 0),
            ({"entity": "card:4400430123456785"}, 1),
            ({"entity": "telegram:PRIMER_BOT"}, 1),
            ({"state": "queued"}, 0),
        ):
            assert rows(found(client, **query)) == expected, query

    def test_days_are_of_the_local_clock(self, desk, store) -> None:
        store.put_documents(
            [plain_post(9, "Ночью", published_at=datetime(2026, 3, 1, 20, tzinfo=UTC))]
        )  # 2 March there
        client = browser(desk.aliya)
        assert rows(found(client, since="2026-03-02", until="2026-03-02")) == 1
        assert rows(found(client, since="2026-03-01", until="2026-03-01")) == 0

    def test_filters_that_do_not_exist_filter_nothing(self, desk) -> None:
        page = found(
            browser(desk.aliya),
            label="none", score="2", site="x", lang="xx", since="soon", until="9999-12-31", state="open", entity="what",
        )  # fmt: skip
        assert rows(page) == 4

    def test_a_row_tells_what_a_moderator_needs(self, desk) -> None:
        page = found(browser(desk.aliya), site="vk")
        for words in ("VK ·", "sosed", "Наркошоп", "<b>0,83</b>", "https://t.me/gorod_news/4", "похожие записи"):
            assert words in page, words
        assert 'href="https://t.me' not in page
        assert "0,20" not in page  # a label that it is not flagged with

    def test_personal_numbers_are_masked_and_can_be_followed(self, desk) -> None:
        client = browser(desk.aliya)
        page = found(client, site="vk")
        assert "<bdi>4400…6785</bdi>" in page
        assert "<bdi>@primer_bot</bdi>" in page
        link = html.unescape(re.search(r'href="([^"]*entity=card[^"]*)"', page)[1])  # type: ignore[index]
        followed = text_of(client.get(link))
        assert rows(followed) == 1
        assert "карта 4400…6785" in followed
        assert "[4400 4301 2345 6785]" in excerpts(followed)[0]

    def test_counts_beside_the_filters(self, desk) -> None:
        page = found(browser(desk.aliya), q="договор")
        assert sorted(counts(page, "f-label").values()) == [0, 0, 1]
        assert counts(page, "f-site") == {"Telegram": 2, "VK": 1}
        assert counts(page, "f-lang")["Русский"] == 3
        assert counts(page, "f-channels") == {"gorod_news": 2, "sosed": 1}
        assert page.count("<rect") >= 1
        # Its own choice does not narrow a group: the others stay comparable.
        assert counts(found(browser(desk.aliya), q="договор", site="vk"), "f-site") == {"Telegram": 2, "VK": 1}

    def test_htmx_swaps_the_list_and_the_counts(self, desk) -> None:
        response = browser(desk.aliya).get("/search/", {"q": "договор", "since": "", "site": "vk"}, headers=HX)
        part = text_of(response)
        assert "<html" not in part
        assert rows(part) == 1
        for name in ("f-label", "f-site", "f-lang", "f-channels", "f-days"):
            assert f'id="{name}" hx-swap-oob="true"' in part
        assert response.headers["HX-Push-Url"] == "/search/?" + urlencode({"q": "договор", "site": "vk"})

    def test_few_calls_of_the_store(self, desk, monkeypatch) -> None:
        from qalqan.store.sqlite import SqliteStore

        calls: Counter[str] = Counter()
        for name in ("search", "counts", "count", "get_document", "get_stored", "find_neighbours", "find_candidates"):
            method = getattr(SqliteStore, name)

            def counted(*args: Any, _name: str = name, _method: Any = method, **more: Any) -> Any:
                calls[_name] += 1
                return _method(*args, **more)

            monkeypatch.setattr(SqliteStore, name, counted)
        found(browser(desk.aliya), q="договор")
        assert calls == {"search": 1, "counts": 5}
        calls.clear()
        assert browser(desk.aliya).get(f"/search/like/{1:032x}/").status_code == 200
        assert calls.total() <= 4

    def test_the_number_of_queries_does_not_grow_with_the_rows(self, desk) -> None:
        from django.db import connection
        from django.test.utils import CaptureQueriesContext

        client = browser(desk.aliya)
        numbers = []
        for query in ({"site": "vk"}, {}):
            with CaptureQueriesContext(connection) as captured:
                found(client, **query)
            numbers.append(len(captured))
        assert numbers[0] == numbers[1] <= 10


def counts(page: str, group: str) -> dict[str, int]:
    """Words -> number of one group of filters."""
    part = re.search(rf'id="{group}".*?(?:</fieldset>|</div>)', page, re.S)
    assert part
    text = re.sub(r"</(?:label|li)>", "\n", part[0])
    lines = [re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", line)).strip() for line in text.split("\n")]
    pairs = [line.rpartition(" ") for line in lines if line and line.rpartition(" ")[2].isdecimal()]
    return {words.rpartition("> ")[2]: int(number) for words, _, number in pairs}


class TestExcerpts:
    def test_a_long_text_is_cut_around_its_hits(self, desk, shared, store) -> None:
        store.put_documents([plain_post(1, LONG)])
        [text] = excerpts(found(browser(desk.aliya), q="договор"))
        assert "[Договор] о доходе подписан." in text
        assert text.startswith(" … ")
        assert text.endswith(" …")
        assert len(text) < 500

    def test_crawled_text_is_never_a_page(self, desk, shared, store) -> None:
        hostile = '<script>alert(1)</script> <img src=x onerror="alert(2)"> договор \u202egnp.exe\u202c &amp; </mark>'
        store.put_documents(
            [
                plain_post(1, hostile, title=hostile, channel=hostile, url='https://x.example/"><script>'),
                plain_post(2, "договор", channel="'\"><b onclick=alert(3)>", entities=entities_of('"><script>')),
            ]
        )
        page = found(browser(desk.aliya), q="договор")
        assert rows(page) == 2
        assert "<script>alert" not in page
        assert "<img" not in page
        assert "\u202e" not in page
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page

    def test_pieces_are_the_text(self) -> None:
        from hypothesis import given
        from hypothesis import strategies as st

        from review_ui.search.excerpts import LONGEST, excerpt

        @given(st.text(max_size=2000), st.lists(st.tuples(st.integers(0, 2100), st.integers(1, 60)), max_size=30))
        def check(text: str, raw: list[tuple[int, int]]) -> None:
            hits, end = [], 0
            for start, length in sorted(raw):
                if start >= end:
                    hits.append((start, start + length))
                    end = start + length
            pieces = excerpt(text, hits)
            marked = {place for start, stop in hits for place in range(start, stop)}
            shown = [piece for piece in pieces if piece.start >= 0]
            assert sum(len(piece.text) for piece in shown) <= LONGEST + 60
            for piece in shown:
                original = text[piece.start : piece.start + len(piece.text)]
                assert re.sub(r"[\r\n\t]", " ", original) == piece.text
                assert all((piece.start + place in marked) == bool(piece.level) for place in range(len(piece.text)))
            places = [piece.start for piece in shown]
            assert places == sorted(places)
            if len(text) <= LONGEST:
                assert "".join(piece.text for piece in pieces) == re.sub(r"[\r\n\t]", " ", text)
            elif any(start < len(text) for start, _ in hits):
                assert any(piece.level for piece in pieces)

        check()


def entities_of(value: str) -> tuple[Entity, ...]:
    return (Entity(kind="telegram", value=value, start=0, end=1), Entity(kind="domain", value=value, start=0, end=1))


class TestChart:
    def test_an_impossible_date_squeezes_nobody(self, django_site) -> None:
        from review_ui.search.facets import MOST_BARS, chart_of

        chart = chart_of({"1970-01-01": 1, "9999-01-01": 2, "2026-04-21": 300, "2026-04-20": 3})
        assert chart is not None
        assert (chart.most, chart.last) == ("300", "21.04.2026")
        assert len(chart.bars) == 2
        assert "3" in chart.others
        assert chart_of({"9999-01-01": 2}) is None
        assert chart_of({"not a day": 2}) is None
        days = {f"{year}-{month:02}-11": 5 for year in range(2010, 2026) for month in range(1, 13)}
        assert len(chart_of(days).bars) <= MOST_BARS  # type: ignore[union-attr]


class TestPages:
    def test_further_and_back(self, desk, shared, store) -> None:
        store.put_documents([plain_post(number, f"договор номер {number}") for number in range(60)])
        client = browser(desk.aliya)
        for query in ({}, {"q": "договор"}):
            page, seen, address = found(client, **query), [], ""
            for _ in range(3):
                seen += excerpts(page)
                link = re.search(r'<a href="([^"]*cursor=[^"]*)" hx-get', page)
                if not link:
                    break
                address = html.unescape(link[1])
                part = text_of(client.get(address, headers=HX))
                assert "hx-swap-oob" not in part  # the filters stay as they are
                page = text_of(client.get(address))
            assert len(set(seen)) == len(seen) == 60
            assert 'hx-get="/search/?cursor' not in page
            assert "к началу" in page

    def test_a_place_that_is_lost_leads_to_the_beginning(self, desk, shared, store) -> None:
        store.put_documents([plain_post(1, "договор")])
        page = found(browser(desk.aliya), q="договор", cursor="nonsense")
        assert rows(page) == 1
        assert "Место в списке больше не известно" in page

    def test_nothing_stored_and_nothing_found(self, desk, shared, store) -> None:
        client = browser(desk.aliya)
        assert "Пока ничего не сохранено." in found(client)
        store.put_documents([plain_post(1, "договор")])
        assert "Такого среди сохранённого нет." in found(client, q="погода")
        assert "В запросе нет ни одного слова." in found(client, q="?!")

    @pytest.mark.parametrize("language", ["ru", "kk"])
    def test_both_languages(self, desk, shared, language: str) -> None:
        page = text_of(browser(desk.aliya, language).get("/search/"))
        assert ("Поиск" if language == "ru" else "Іздеу") in page
        assert "Score from" not in page


class TestHostileQueries:
    @pytest.mark.parametrize(
        "query",
        [
            "договор " * 1250,
            '"' * 10_000,
            '"договор',
            "<script>alert(1)</script>",
            "'; DROP TABLE documents; --",
            'договор" OR "1"="1',
            "NEAR(a b) AND NOT col:x ^y {z}",
            "% _ %% \\",
            "*" * 300,
            "\0договор\0",
            "\u202eдоговор\u202c",
            "👍🏽" * 100,
            "é" * 300 + "\u0301" * 300,
        ],
    )
    def test_a_query_is_only_text(self, desk, shared, store, query: str) -> None:
        store.put_documents([plain_post(1, "Заключили договор")])
        client = browser(desk.aliya)
        for address in (f"/search/?{urlencode({'q': query})}", f"/search/?{urlencode({'channel': query})}",
                        f"/search/?{urlencode({'entity': 'card:' + query})}"):  # fmt: skip
            response = client.get(address)
            assert response.status_code == 200
            assert_sound(response)
            assert "<script>alert" not in text_of(response)
            assert "хранилище" not in text_of(response).lower()

    @pytest.mark.parametrize("raw", ["%ED%A0%80", "%ED%BF%BF%00", "%FF%FE", "%", "%E0%A4%A"])
    def test_what_is_no_text_at_all(self, desk, shared, store, raw: str) -> None:
        store.put_documents([plain_post(1, "Заключили договор")])
        for key in ("q", "channel", "entity=card:x&cursor", "since"):
            response = browser(desk.aliya).get(f"/search/?{key}={raw}")
            assert response.status_code == 200
            assert_sound(response)

    def test_a_long_query_is_cut_and_says_so(self, desk, shared, store) -> None:
        store.put_documents([plain_post(1, "Заключили договор")])
        page = found(browser(desk.aliya), q="договор " * 1250)
        assert "только первые 300 знаков" in page
        assert rows(page) == 1  # no word was cut in two


class TestCases:
    def test_a_link_to_the_case(self, desk, shared) -> None:
        from review_ui.casework.case_states import push_case_states

        case = desk.case()
        desk.store.put_documents([plain_post(5, "Раунд закрыт", channel="primer_dohod_000")])
        desk.store.put_documents([plain_post(6, "Раунд для других")])
        push_case_states(desk.store)
        page = found(browser(desk.aliya), q="раунд")
        assert rows(page) == 3
        assert page.count(f'href="/cases/{case.pk}/"') == 2
        assert f">Дело № {case.pk}<" in page.replace("\xa0", " ")
        assert f">Дело № {case.pk} этого канала<" in page.replace("\xa0", " ")
        assert rows(found(browser(desk.aliya), state="queued")) == 1

    def test_the_card_leads_to_the_near_copies(self, desk, shared) -> None:
        case = desk.case()
        page = text_of(browser(desk.aliya).get(f"/cases/{case.pk}/"))
        address = f"/search/like/{case.materials.get().document_id}/"
        assert f'href="{address}"' in page
        assert_sound(browser(desk.aliya).get(address))


class TestNearCopies:
    def test_copies_and_neighbours(self, desk, shared, store) -> None:
        def vector(*values: float) -> list[float]:
            return [*values, *[0.0] * (VECTOR_SIZE - len(values))]

        first = plain_post(1, "Открыт третий раунд")
        copies = [plain_post(n, f"Открыт третий раунд {n}", near_duplicate_of=first.id) for n in (2, 3)]
        others = [plain_post(4, "Другое о том же"), plain_post(5, "Погода"), plain_post(6, "Без вектора")]
        documents = [first, *copies, *others]
        vectors = [vector(1, 0.1), vector(1, 0.11), vector(1, 0.12), vector(1, 0.5), vector(0, 1)]
        store.put_documents(
            documents,
            {one.id: Fingerprint(one.id, f"sha {one.id}", ("band",), (1, 2)) for one in (first, *copies, others[1])},
            {one.id: its for one, its in zip(documents, vectors, strict=False)},
        )
        client = browser(desk.aliya)
        response = client.get(f"/search/like/{copies[0].id}/")
        assert_sound(response)
        own, same, near = re.split(r'<h2 id="h-(?:copies|near)">', text_of(response))
        assert excerpts(own) == ["Открыт третий раунд 2"]
        assert set(excerpts(same)) == {"Открыт третий раунд", "Открыт третий раунд 3"}
        assert excerpts(near) == ["Другое о том же", "Погода"]
        assert "близость 0,94" in near
        nothing = text_of(client.get(f"/search/like/{others[2].id}/"))
        assert "Больше никто этот текст не публиковал" in nothing
        assert "Смысл этой записи не вычислен" in nothing

    def test_what_is_not_stored(self, desk, shared, store) -> None:
        client = browser(desk.aliya)
        for name in ("absent", "%ED%A0%80", "a" * 500, "%22%3E%3Cscript%3E"):
            response = client.get(f"/search/like/{name}/")
            assert response.status_code == 404
            assert_sound(response)


class TestAccess:
    def test_only_who_may_read_cases(self, desk, shared) -> None:
        for address in ("/search/", "/search/like/absent/"):
            for name in ("erlan", "reader"):
                assert browser(desk.people[name]).get(address).status_code == 403
            for name in ("aliya", "auditor"):
                assert browser(desk.people[name]).get(address).status_code in {200, 404}
            assert browser().get(address).headers["Location"].startswith("/accounts/login/?next=")
            assert browser(desk.aliya).post(address).status_code == 405

    def test_the_head_leads_there(self, desk, shared) -> None:
        page = text_of(browser(desk.aliya).get("/queue/"))
        assert '<a href="/search/">Поиск</a>' in page
        assert "/search/" not in text_of(browser(desk.erlan).get("/packages/"))


class TestStoreAway:
    @pytest.fixture(params=["elasticsearch", "damaged", "unknown"])
    def away(self, request, tmp_path: Path, django_site: Path) -> Iterator[None]:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        (tmp_path / "damaged.sqlite").write_bytes(b"no database at all" * 400)
        url = {
            "elasticsearch": f"http://127.0.0.1:{port}/test",
            "damaged": f"sqlite:///{tmp_path / 'damaged.sqlite'}",
            "unknown": "gopher://example",
        }[request.param]
        with reading(url):
            yield

    def test_it_is_said_and_the_rest_works(self, desk, away) -> None:
        case = desk.case()
        client = browser(desk.aliya)
        page = found(client, q="договор")
        assert "Хранилище записей сейчас не отвечает." in page
        assert 'value="договор"' in page
        assert 'id="f-label"' in page
        part = client.get("/search/", {"q": "договор"}, headers=HX)
        assert "Хранилище записей сейчас не отвечает." in text_of(part)
        like = client.get("/search/like/absent/")
        assert "Хранилище записей сейчас не отвечает." in text_of(like)
        assert_sound(like)
        for address in ("/queue/", f"/cases/{case.pk}/"):
            assert client.get(address).status_code == 200

    def test_it_comes_back(self, desk, tmp_path, store, monkeypatch) -> None:
        from review_ui.search import store as site_store

        monkeypatch.setattr(site_store, "_QUIET_S", 0.0)
        store.put_documents([plain_post(1, "договор")])
        store.close()
        path = tmp_path / "store.sqlite"
        aside = path.rename(tmp_path / "aside.sqlite")
        path.mkdir()
        with reading(f"sqlite:///{path}"):
            client = browser(desk.aliya)
            assert "Хранилище записей сейчас не отвечает." in found(client)
            path.rmdir()
            aside.rename(path)
            assert rows(found(client)) == 1


def test_one_store_for_all_threads(desk, tmp_path, store) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with reading(f"sqlite:///{tmp_path / 'store.sqlite'}") as site, ThreadPoolExecutor(8) as threads:

        def address(_: int) -> int:
            with site.reading() as opened:
                return id(opened)

        assert len(set(threads.map(address, range(40)))) == 1


def test_a_store_that_hangs_leaves_pages_for_the_rest(desk, shared, monkeypatch) -> None:
    from review_ui.search import store as site_store

    monkeypatch.setattr(site_store, "_TURN_S", 0.05)
    client = browser(desk.aliya)
    with shared.reading(), shared.reading():
        assert "other pages wait for the store already" in found(client, q="договор")
    assert "Пока ничего не сохранено." in found(client)
