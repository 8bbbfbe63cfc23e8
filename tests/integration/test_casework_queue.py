"""The queue: order, filters, views, counts, harm and related cases."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from review_ui.casework.harm import CaseFacts, harm_of

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def cases(desk: Any) -> dict[str, Any]:
    """Four cases of different label, site, language and audience; one came back, one waits for collection."""
    from review_ui.casework.intake import take_in
    from review_ui.casework.models import Case

    desk.channel("primer_dohod", subscribers=20_000)
    desk.post(1, channel="primer_dohod", score=0.94)
    desk.post(2, channel="ulgi_duken", label="drug_shop", score=0.9, lang="kk", text="Витрина Ұлытау, @ulgi_bot")
    desk.post(3, channel="synaq_qabyrga", label="drug_graffiti", score=0.7)
    desk.page("https://primer-vitrina.example/katalog")
    take_in(desk.store)
    wall = Case.objects.get(channel="synaq_qabyrga")
    desk.decide(wall, desk.aliya, outcome="reject", codes=["EX03"])
    desk.post(4, channel="synaq_qabyrga", label="drug_graffiti", score=0.8)
    take_in(desk.store)
    page = Case.objects.get(site="web")
    desk.decide(page, desk.aliya, outcome="return", kind="page", quotes=[])
    return {
        "pyramid": Case.objects.get(channel="primer_dohod"),
        "shop": Case.objects.get(channel="ulgi_duken"),
        "wall": Case.objects.get(channel="synaq_qabyrga", state="queued"),
        "page": Case.objects.get(pk=page.pk),
    }


def test_filters_and_views(desk: Any, cases: dict[str, Any]) -> None:
    from django.http import QueryDict

    from review_ui.casework.claims import claim
    from review_ui.casework.queue import QueueFilters, queue

    names = {case.pk: name for name, case in cases.items()}

    def found(query: str, user: Any = desk.aliya) -> list[str]:
        return [names[case.pk] for case in queue(QueueFilters.from_query(QueryDict(query)), user)]

    claim(cases["shop"], desk.bolat)
    assert found("") == ["pyramid", "shop", "wall"]
    for query, expected in {
        "label=drug_shop": ["shop"],
        "label=drug_shop&label=drug_graffiti": ["shop", "wall"],
        "state=free": ["pyramid", "wall"],
        "state=colleagues": ["shop"],
        "state=mine": [],
        "state=needs_capture": ["page"],
        "state=free&state=needs_capture": ["pyramid", "wall", "page"],
        "lang=kk": ["shop"],
        "site=web&state=needs_capture": ["page"],
        "came_back=1": ["wall"],
        "audience=20 000": ["pyramid"],
        "q=ВИТРИНА ұлытау": ["shop"],
        "q=@ulgi_bot": ["shop"],
        f"q=№ {cases['wall'].pk}": ["wall"],
        "q=пример-доход": ["pyramid", "wall"],
        "q=nothing-like-it": [],
        "view=came_back": ["wall"],
        "view=kazakh": ["shop"],
        "view=walls": ["wall"],
        "view=mine": [],
        "view=nonsense&label=nonsense&audience=x": ["pyramid", "shop", "wall"],
    }.items():
        assert found(query) == expected, query
    assert found("view=mine", desk.bolat) == found("state=mine", desk.bolat) == ["shop"]


def test_counts_take_two_queries(desk: Any, cases: dict[str, Any]) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from review_ui.casework.claims import claim
    from review_ui.casework.queue import QueueFilters, facet_counts

    claim(cases["shop"], desk.bolat)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        counts = facet_counts(QueueFilters(), desk.aliya)
    assert len(queries) == 2
    assert counts == {
        "label": {"financial_pyramid": 1, "drug_shop": 1, "drug_graffiti": 1},
        "state": {"free": 2, "mine": 0, "colleagues": 1, "needs_capture": 1},
        "lang": {"ru": 2, "kk": 1, "en": 0, "other": 0},
        "site": {"telegram": 3},
        "sign": {"came_back": 1},
        "view": {"all": 3, "urgent": 0, "came_back": 1, "kazakh": 1, "walls": 1, "mine": 0},
    }


def test_second_opinions_leave_out_ones_own(desk: Any, cases: dict[str, Any]) -> None:
    from review_ui.casework.stages import second_opinions

    desk.decide(cases["pyramid"], desk.aliya)
    assert list(second_opinions(desk.aliya)) == []
    assert list(second_opinions(desk.bolat)) == [cases["pyramid"]]


def test_related_cases_name_what_is_shared(desk: Any) -> None:
    from qalqan.records import Entity
    from review_ui.casework.related import related_cases

    card = Entity(kind="card", value="0000001234567890", start=0, end=16)
    first = desk.case(channel="primer_a", entities=(card,))
    second = desk.case(channel="primer_b", entities=(card,), number=5)
    third = desk.case(channel="primer_c", number=6, near_duplicate_of=first.materials.get().document_id)
    desk.case(channel="primer_d", number=7, text="Другое")
    assert [(r.case, r.reason_key, r.detail) for r in related_cases(first)] == [
        (second, "card", "000000••••••7890"),
        (third, "near_duplicate", ""),
    ]


def moment(hours: float) -> datetime:
    return datetime(2026, 3, 12, 12, tzinfo=UTC) - timedelta(hours=hours)


@pytest.mark.parametrize(
    ("facts", "value", "parts"),
    [
        (  # the numbers of the prototype, row by row
            CaseFacts(0.97, "drug_shop", 9310, moment(1), moment(0.5), came_back=True),
            90.4,
            {"model": 38.8, "label": 20, "audience": 11.9, "freshness": 9.6, "came_back": 10.0, "waiting": 0.1},
        ),
        (
            CaseFacts(0.94, "financial_pyramid", 18_420, moment(2), moment(2), came_back=True),
            85.1,
            {"model": 37.6, "label": 15, "audience": 12.8, "freshness": 9.3, "came_back": 10.0, "waiting": 0.4},
        ),
        (
            CaseFacts(0.91, "drug_graffiti", None, moment(5), moment(4), near_school=True),
            65.4,
            {"model": 36.4, "label": 12, "freshness": 8.2, "near_school": 8.0, "waiting": 0.8},
        ),
        (  # nothing goes beyond 100
            CaseFacts(1.0, "drug_shop", 10**9, moment(0), moment(10**4), came_back=True, near_school=True),
            100.0,
            {"model": 40.0, "label": 20, "audience": 15.0, "freshness": 10.0, "came_back": 10.0, "waiting": 5.0},
        ),
        (
            CaseFacts(1.0, "drug_graffiti", 10**9, moment(-5), moment(10**4), came_back=True, near_school=True),
            100.0,
            {"model": 40.0, "label": 12, "audience": 15.0, "freshness": 10.0, "near_school": 8.0, "came_back": 10.0,
             "waiting": 5.0},
        ),
    ],
)  # fmt: skip
def test_harm_is_the_sum_of_its_parts(facts: CaseFacts, value: float, parts: dict[str, float]) -> None:
    found, shown = harm_of(facts, moment(0))
    assert (found, {part["part"]: part["value"] for part in shown}) == (value, parts)
