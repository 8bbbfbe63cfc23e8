"""Packages and sources as their people see them."""

import io
import json
import zipfile

import pytest
from pages import assert_sound, browser, text_of

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def package(desk):
    """A package with one approved request, begun by the officer."""
    from review_ui.casework.models import Package

    desk.channel()
    desk.request()
    response = browser(desk.erlan).post("/packages/new/", {"route": "R4"})
    assert response.headers["Location"] == "/packages/1/"
    return Package.objects.get()


def test_a_package_is_assembled_checked_frozen_and_taken_away(package, desk, tmp_path) -> None:
    from qalqan.signing import verify_path

    client = browser(desk.erlan)
    page = client.get("/packages/1/")
    assert_sound(page)
    text = text_of(page)
    request = package.requests.get()
    assert request.number in text
    assert request.target.address.removeprefix("https://") in text
    assert "8 из 8" in text
    assert 'action="/packages/1/freeze/"' in text
    frozen = client.post("/packages/1/freeze/")
    assert frozen.headers["Location"] == "/packages/1/"
    page = client.get("/packages/1/")
    assert_sound(page)
    package.refresh_from_db()
    text = text_of(page)
    for file in package.envelope["manifest"]["files"]:
        assert file["sha256"] in text
        got = browser(desk.people["reader"]).get(f"/packages/1/files/{file['path']}")
        assert len(got.content) == file["size_bytes"]
        assert got.headers["Content-Disposition"].startswith("attachment")
    assert package.envelope["key_id"] in text
    archive = client.get("/packages/1/package.zip")
    assert archive.headers["Content-Type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(archive.content)) as folder:
        folder.extractall(tmp_path)
    assert json.loads((tmp_path / "package-1" / "manifest.json").read_text())["manifest"]["number"] == 1
    assert verify_path(tmp_path / "package-1").is_intact


def test_a_row_is_taken_out_with_a_reason_only(package, desk) -> None:
    client = browser(desk.erlan)
    uid = package.requests.get().uid
    refused = client.post(f"/packages/1/rows/{uid}/remove/", {"reason": "нет"})
    assert refused.status_code == 409
    assert_sound(refused)
    assert package.requests.count() == 1
    client.post(f"/packages/1/rows/{uid}/remove/", {"reason": "Владелец удалил запись сам"})
    assert package.requests.count() == 0
    text = text_of(client.get("/packages/1/"))
    assert "Пакет пуст." in text
    assert "Добавить утверждённые: 1" in text
    client.post("/packages/1/fill/")
    assert package.requests.count() == 1


def test_nothing_changes_after_freezing(package, desk) -> None:
    client = browser(desk.erlan)
    client.post("/packages/1/freeze/")
    for act in ("freeze", "fill"):
        response = client.post(f"/packages/1/{act}/")
        assert response.status_code == 409
        assert "заморожен: состав не меняется" in text_of(response)


def test_whoever_decided_does_not_sign(package, desk) -> None:
    desk.aliya.roles = ["moderator", "officer"]
    desk.aliya.save()
    client = browser(desk.aliya)
    page = text_of(client.get("/packages/1/"))
    assert "Подписывающий не решал ни одной строки: 1-1" in page
    assert client.post("/packages/1/freeze/").status_code == 409


def test_the_list_of_packages(package, desk) -> None:
    for name in ("erlan", "auditor"):
        response = browser(desk.people[name]).get("/packages/")
        assert_sound(response)
        assert "собирается" in text_of(response)
    assert "собирается" not in text_of(browser(desk.people["reader"]).get("/packages/"))


def test_unknown_files_and_routes(package, desk) -> None:
    client = browser(desk.erlan)
    client.post("/packages/1/freeze/")
    assert client.get("/packages/1/files/nothing.csv").status_code == 404
    assert client.post("/packages/new/", {"route": "R9"}).status_code == 404


class TestSources:
    @pytest.fixture
    def client(self, desk):
        from casework_makers import person

        from review_ui.accounts.models import Role

        return browser(person("operator", Role.OPERATOR))

    def test_are_added_changed_and_visited(self, client, django_site) -> None:
        from crawler.frontier import open_frontier
        from review_ui.sources.models import Source

        entered = {
            "url": "https://primer.example/",
            "title": "Пример",
            "interval": "90",
            "pages": "",
            "reason": "жалоба",
        }
        assert client.post("/sources/add/", entered).headers["Location"] == "/sources/"
        source = Source.objects.get()
        assert (source.title, source.interval_minutes, source.max_pages, source.added_by.username) == (
            "Пример", 90, None, "operator",
        )  # fmt: skip
        client.post(f"/sources/{source.pk}/change/", {"do": "pause"})
        source.refresh_from_db()
        assert not source.is_active
        client.post(f"/sources/{source.pk}/change/", {"do": "resume"})
        client.post(f"/sources/{source.pk}/change/", {"do": "interval", "interval": "120"})
        source.refresh_from_db()
        assert (source.is_active, source.interval_minutes) == (True, 120)
        assert client.post(f"/sources/{source.pk}/visit/").headers["Location"] == "/sources/?told=due"
        assert client.post(f"/sources/{source.pk}/visit/").headers["Location"] == "/sources/?told=waits"
        frontier = open_frontier(django_site)
        visit = frontier.claim("test", 60)
        assert (visit.url, visit.source_id) == (source.url, str(source.pk))
        frontier.complete(visit, outcome_of(visit))
        frontier.close()
        page = client.get("/sources/?told=due")
        assert_sound(page)
        text = text_of(page)
        for words in ("Пример", "каждые 2 часа", "не удалось", "HTTP 503", "Посещение в очереди"):
            assert words in text
        assert "data-row" not in text
        assert text_of(client.get("/sources/?show=failed")).count("primer.example/") == 1
        assert text_of(client.get("/sources/?show=paused")).count("primer.example/") == 0

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"url": "ftp://primer.example/"}, "Адрес начинается с"),
            ({"url": "javascript:alert(1)"}, "Адрес начинается с"),
            ({"interval": "0"}, "Интервал — число минут"),
            ({"pages": "many"}, "Страниц за посещение — число"),
        ],
    )
    def test_wrong_entries_are_told_and_kept(self, client, changes, words) -> None:
        from review_ui.sources.models import Source

        entered = {"url": "https://primer.example/", "title": "Пример", "interval": "60", "pages": "", "reason": ""}
        response = client.post("/sources/add/", {**entered, **changes})
        assert response.status_code == 422
        assert words in text_of(response)
        assert 'value="Пример"' in text_of(response)
        assert Source.objects.count() == 0


def outcome_of(visit):
    from crawler.frontier import VisitOutcome
    from qalqan import clock

    return VisitOutcome(visit.url, visit.source_id, clock.now(), "failed", error="HTTP 503")
