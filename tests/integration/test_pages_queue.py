"""The queue: rows, filters, views, and how few queries it takes."""

from datetime import timedelta
from typing import Any

import pytest
from pages import assert_sound, browser, text_of

pytestmark = pytest.mark.usefixtures("database")


def many_cases(count: int, first: int = 0) -> None:
    """Cases written straight into the database, each with two materials."""
    from qalqan import clock
    from review_ui.casework.models import Case, Material

    cases = Case.objects.bulk_create(
        Case(
            title=f"Пример {number}",
            cluster_key=f"telegram:primer_{number}",
            label="financial_pyramid",
            site="telegram",
            languages=["ru"],
            audience=100 + number,
            harm=50 + number / 10,
            harm_parts=[{"part": "model", "value": 37.6, "detail": "0.94 × 40"}],
            last_published_at=clock.now() - timedelta(hours=number),
        )
        for number in range(first, first + count)
    )
    span = [0, 6, 0.5]
    document: dict[str, Any] = {
        "text": "Пример дохода 30 % в месяц",
        "lang": "ru",
        "findings": [{"label": "financial_pyramid", "spans": [span]}],
    }
    Material.objects.bulk_create(
        Material(case=case, document_id=f"{case.pk}-{place}", document=document, score=place / 10)
        for case in cases
        for place in (5, 9)
    )


def queries_of(client, address: str) -> int:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as captured:
        assert client.get(address).status_code == 200
    return len(captured)


def test_the_number_of_queries_does_not_grow_with_the_rows(desk) -> None:
    client = browser(desk.aliya)
    many_cases(3)
    few = queries_of(client, "/queue/")
    many_cases(97, first=3)
    assert queries_of(client, "/queue/") == few
    assert few <= 12


def test_a_row_tells_what_a_moderator_needs(desk) -> None:
    desk.channel()
    case = desk.case()
    response = browser(desk.aliya).get("/queue/")
    assert_sound(response)
    text = text_of(response)
    for words in ("«Пример-Доход», третий раунд", "Пирамида", "Telegram", "18\xa0420", "свободно", "2\xa0ч"):
        assert words in text
    assert f'hx-post="/cases/{case.pk}/claim/"' in text
    assert "модель 0,94 × 40" in text


def test_marks_stand_in_the_snippet(desk) -> None:
    many_cases(1)
    assert '<mark data-w="3">Пример</mark> дохода 30 % в месяц' in text_of(browser(desk.aliya).get("/queue/"))


def test_filters_swap_only_the_list(desk) -> None:
    desk.case()
    desk.case(number=7, channel="ulgi_duken", label="drug_shop", text="Витрина: прайс у бота")
    client = browser(desk.aliya)
    headers = {"HX-Request": "true", "HX-Target": "list"}
    part = text_of(client.get("/queue/", {"label": "drug_shop"}, headers=headers))
    assert "<html" not in part
    assert part.count("data-row") == 1
    assert 'id="n-label-drug_shop" hx-swap-oob="true"' in part
    nothing = text_of(client.get("/queue/", {"label": "drug_graffiti"}, headers=headers))
    assert "По этим фильтрам дел нет." in nothing


def test_pages_of_fifty(desk) -> None:
    many_cases(60)
    client = browser(desk.aliya)
    first, second = text_of(client.get("/queue/")), text_of(client.get("/queue/?page=2"))
    assert (first.count("data-row"), second.count("data-row")) == (50, 10)
    assert "Показаны 1–50 из 60" in first
    assert 'href="/queue/?page=2"' in first
    assert "следующие 10" in first


def test_an_empty_queue_lets_people_rest(desk) -> None:
    text = text_of(browser(desk.aliya).get("/queue/"))
    assert "Сейчас решать нечего." in text
    assert "data-row" not in text


def test_the_holder_is_named_to_others(desk) -> None:
    from review_ui.casework.claims import claim

    case = claim(desk.case(), desk.bolat)
    other, own = text_of(browser(desk.aliya).get("/queue/")), text_of(browser(desk.bolat).get("/queue/"))
    assert "B. Bolat" in other
    assert "<b>У вас</b>" in own
    taken = browser(desk.aliya).post(f"/cases/{case.pk}/claim/")
    assert taken.status_code == 409
    assert_sound(taken)
    assert "сейчас держит B. Bolat" in text_of(taken)


def test_search_finds_by_word_and_number(desk) -> None:
    case = desk.case()
    client = browser(desk.aliya)
    for words in ("матрица", "Приглашаешь двоих", f"№ {case.pk}"):
        found = text_of(client.get("/queue/", {"q": words})).count("data-row")
        assert found == (0 if words == "матрица" else 1)


def test_the_switch_of_languages_is_kept_in_a_cookie(desk) -> None:
    client = browser(desk.aliya)
    response = client.post("/i18n/setlang/", {"language": "kk", "next": "/queue/"})
    assert response.headers["Location"] == "/queue/"
    assert client.cookies["django_language"].value == "kk"
    text = text_of(client.get("/queue/"))
    assert '<html lang="kk"' in text
    assert "Қазір шешетін ештеңе жоқ." in text


def test_both_languages_are_complete() -> None:
    """Every message has its words in both catalogues, with the same placeholders."""
    import gettext
    import re
    from pathlib import Path

    import review_ui

    folder = Path(review_ui.__file__).parent / "locale"
    catalogues = {}
    for language in ("ru", "kk"):
        with (folder / language / "LC_MESSAGES" / "django.mo").open("rb") as file:
            catalogues[language] = gettext.GNUTranslations(file)._catalog  # type: ignore[attr-defined]
        source = (folder / language / "LC_MESSAGES" / "django.po").read_text("utf-8")
        assert "fuzzy" not in source
        assert not re.search(r'^msgstr(\[\d\])? ""\n(?!")', source, re.M)
    keys = {
        language: {key if isinstance(key, str) else key[0] for key in words} for language, words in catalogues.items()
    }
    assert keys["ru"] == keys["kk"]
    for words in catalogues.values():
        for key, translated in words.items():
            name = key if isinstance(key, str) else key[0]
            if name:
                assert set(re.findall(r"%\(\w+\)s", translated)) == set(re.findall(r"%\(\w+\)s", name)), name
