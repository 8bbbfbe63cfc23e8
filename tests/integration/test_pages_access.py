"""Who may open which page, and how the site refuses."""

import pytest
from pages import assert_sound, browser, text_of

pytestmark = pytest.mark.usefixtures("database")

MATRIX = {
    # page: the people who may open it
    "/queue/": {"aliya", "auditor"},
    "/second/": {"aliya"},
    "/cases/{case}/": {"aliya", "auditor"},
    "/cases/{case}/audit/": {"aliya", "auditor", "erlan"},
    "/cases/{case}/evidence/{material}/": {"aliya", "auditor", "erlan"},
    "/packages/": {"erlan", "reader", "auditor"},
    "/sources/": {"auditor", "operator"},
}


@pytest.fixture
def people(desk):
    from casework_makers import person

    from review_ui.accounts.models import Role

    return {**desk.people, "operator": person("operator", Role.OPERATOR)}


def test_every_page_opens_for_its_roles_only(desk, people) -> None:
    case = desk.case()
    places = {"case": case.pk, "material": case.materials.get().pk}
    for page, allowed in MATRIX.items():
        address = page.format(**places)
        for name in ("aliya", "erlan", "reader", "auditor", "operator"):
            response = browser(people[name]).get(address)
            assert response.status_code == (200 if name in allowed else 403), (address, name)
            assert_sound(response)


def test_strangers_are_sent_to_the_sign_in(desk) -> None:
    case = desk.case()
    for page in [*MATRIX, "/", "/pause/"]:
        response = browser().get(page.format(case=case.pk, material=1))
        assert response.status_code == 302
        assert response.headers["Location"].startswith("/accounts/login/?next=")


def test_everybody_begins_where_their_work_is(people) -> None:
    first = {"aliya": "/queue/", "erlan": "/packages/", "reader": "/packages/", "auditor": "/queue/"}
    first["operator"] = "/sources/"
    for name, page in first.items():
        assert browser(people[name]).get("/").headers["Location"] == page


def test_without_a_role_nothing_opens(desk) -> None:
    from casework_makers import person

    response = browser(person("nobody")).get("/")
    assert response.status_code == 403
    assert "пока нет роли" in text_of(response)


def test_readers_change_nothing(desk, people) -> None:
    case = desk.case()
    for name in ("auditor", "erlan", "operator"):
        for act in ("claim", "decide", "check", "skip"):
            assert browser(people[name]).post(f"/cases/{case.pk}/{act}/").status_code == 403
    assert browser(people["auditor"]).post("/sources/add/").status_code == 403
    assert browser(people["reader"]).post("/packages/new/", {"route": "R4"}).status_code == 403


def test_acts_need_post_and_a_token(desk) -> None:
    from django.test import Client

    case = desk.case()
    assert browser(desk.aliya).get(f"/cases/{case.pk}/claim/").status_code == 405
    strict = Client(SERVER_NAME="localhost", enforce_csrf_checks=True)
    strict.force_login(desk.aliya)
    assert strict.post(f"/cases/{case.pk}/claim/").status_code == 403
    case.refresh_from_db()
    assert case.holder is None


def test_the_regulator_does_not_see_what_is_not_signed(desk) -> None:
    from review_ui.casework.packages import create_package

    package = create_package(desk.erlan, "R4")
    assert browser(desk.people["reader"]).get(f"/packages/{package.number}/").status_code == 404
    assert browser(desk.erlan).get(f"/packages/{package.number}/").status_code == 200


def test_what_is_not_there_and_what_is_not_offered(desk) -> None:
    client = browser(desk.aliya)
    for address in (
        "/nothing/",
        "/cases/999/",
        f"/cases/{10**30}/",
        "/accounts/signup/",
        "/accounts/password/reset/",
        "/accounts/email/",
    ):
        response = client.get(address)
        assert response.status_code == 404
        assert_sound(response)
        assert "По этому адресу ничего нет" in text_of(response)


def test_the_sign_in_is_calm_about_errors(desk) -> None:
    desk.aliya.set_password("an invented password 00")
    desk.aliya.save()
    client = browser()
    page = client.get("/accounts/login/")
    assert_sound(page)
    assert "signup" not in text_of(page)
    wrong = client.post("/accounts/login/", {"login": "aliya", "password": "wrong"})
    assert wrong.status_code == 200
    assert "Имя или пароль не подошли." in text_of(wrong)
    right = client.post("/accounts/login/", {"login": "aliya", "password": "an invented password 00"})
    assert (right.status_code, right.headers["Location"]) == (302, "/queue/")
    client.post("/accounts/reauthenticate/", {"password": "an invented password 00"})
    second_step = client.get("/accounts/2fa/totp/activate/")
    assert_sound(second_step)
    assert 'role="img"' in text_of(second_step)


@pytest.mark.parametrize("language", ["ru", "kk"])
def test_account_pages_are_in_the_house_style(desk, language) -> None:
    desk.aliya.set_password("an invented password 00")
    desk.aliya.save()
    client = browser(desk.aliya, language)
    for address in ("/accounts/2fa/", "/accounts/password/change/", "/accounts/logout/", "/accounts/reauthenticate/"):
        response = client.get(address)
        assert response.status_code == 200, address
        assert_sound(response)


def test_the_second_step_is_asked_for(desk) -> None:
    from allauth.mfa.models import Authenticator

    desk.aliya.set_password("an invented password 00")
    desk.aliya.save()
    Authenticator.objects.create(user=desk.aliya, type="totp", data={"secret": "GEZDGNBVGY3TQOJQ"})
    client = browser()
    first = client.post("/accounts/login/", {"login": "aliya", "password": "an invented password 00"})
    assert first.headers["Location"].startswith("/accounts/2fa/authenticate/")
    page = client.get("/accounts/2fa/authenticate/")
    assert_sound(page)
    assert "вы входите как aliya" in text_of(page)
    wrong = client.post("/accounts/2fa/authenticate/", {"code": "000000"})
    assert "Код не подошёл." in text_of(wrong)


def test_a_failure_is_told_without_the_database() -> None:
    from django.test import RequestFactory

    from review_ui.casework.views.errors import failed

    response = failed(RequestFactory().get("/"))
    assert response.status_code == 500
    assert "Мера не введена и не снята" in text_of(response)


def test_it_says_that_it_lives(database) -> None:
    assert browser().get("/healthz").content == b"ok\n"
