"""The pages in a real browser: nothing refused by the policy, nothing cut off, and a day's work by keyboard."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from conftest import free_port
from playwright.sync_api import Browser, ConsoleMessage, Page, Request

from qalqan.records import document_id

HERE = Path(__file__).parent
PASSWORD = "an invented password 00"
PAGES = {
    "login": (None, "/accounts/login/"),
    "queue": ("ulgibaeva", "/queue/"),
    "case": ("ulgibaeva", "/cases/5/"),
    "second": ("synaqova", "/second/"),
    "search": ("ulgibaeva", "/search/?q=бот"),
    "like": ("ulgibaeva", f"/search/like/{document_id('telegram', 'primer_dohod_000', '119')}/"),
    "blind": ("synaqova", "/cases/12/"),
    "packages": ("mysalov", "/packages/"),
    "sources": ("operator", "/sources/"),
    "evidence": ("ulgibaeva", "/cases/2/evidence/2/"),
    "journal": ("auditor", "/cases/12/audit/"),
    "pause": ("ulgibaeva", "/pause/"),
}

# Two messages a request: that it ended, and how.
_OF_BROKEN_OFF = ("htmx:afterRequest", "htmx:sendError", "htmx:sendAbort")


@dataclass
class Desk:
    """A running site; every person signs in once."""

    address: str
    browser: Browser
    screens: Path
    cookies: dict[str, list]

    def open(self, user: str | None, path: str, *, language: str, scheme: str, size: tuple[int, int]) -> Page:
        context = self.browser.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
        context.add_cookies([{"name": "django_language", "value": language, "url": self.address}])
        if user and user not in self.cookies:
            page = context.new_page()
            page.goto(f"{self.address}/accounts/login/")
            page.fill("#id_login", user)
            page.fill("#id_password", PASSWORD)
            page.click("button.main")
            page.wait_for_url(f"{self.address}/*/")
            self.cookies[user] = [one for one in context.cookies() if one["name"] in {"sessionid", "csrftoken"}]
            page.close()
        elif user:
            context.add_cookies(self.cookies[user])
        page = context.new_page()
        self._heard: list[str] = []
        self._broken_off = 0
        page.on("console", self._listen)
        page.on("pageerror", lambda error: self._heard.append(str(error)))
        page.on("requestfailed", self._count_broken_off)
        page.goto(self.address + path)
        return page

    def _listen(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self._heard.append(message.text)

    def _count_broken_off(self, request: Request) -> None:
        self._broken_off += request.failure == "net::ERR_ABORTED"

    @property
    def said(self) -> list[str]:
        """Errors and warnings of the page, but for what htmx says of a request that was broken off by leaving it."""
        told = [text for text in self._heard if text.startswith(_OF_BROKEN_OFF)]
        excused = told if len(told) <= 2 * self._broken_off else []
        return [text for text in self._heard if text not in excused]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Desk]:
    home = tmp_path_factory.mktemp("desk")
    environment = {**os.environ, "QALQAN_HOME": str(home), "DJANGO_SETTINGS_MODULE": "review_ui.settings"}
    subprocess.run([sys.executable, str(HERE / "fill_desk.py"), str(home)], env=environment, check=True, timeout=120)
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    server = [sys.executable, "-m", "granian", "--interface", "wsgi", "--port", str(port), "review_ui.wsgi:application"]
    with (home / "server.log").open("wb") as log:
        process = subprocess.Popen(server, env=environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        _wait_for(address)
        yield Desk(address, browser, tmp_path_factory.mktemp("screens"), {})
    finally:
        process.terminate()
        process.wait(30)


def _wait_for(address: str) -> None:
    for _ in range(150):
        try:
            with urlopen(f"{address}/healthz", timeout=2):
                return
        except (URLError, OSError):
            time.sleep(0.2)
    pytest.fail("the site did not start")


@pytest.mark.parametrize(
    ("language", "scheme", "size"),
    [
        ("ru", "light", (1440, 900)),
        ("kk", "dark", (1440, 900)),
        ("kk", "light", (1024, 768)),
        ("ru", "dark", (390, 844)),
    ],
)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_whole(site: Desk, name: str, language: str, scheme: str, size: tuple[int, int]) -> None:
    user, path = PAGES[name]
    page = site.open(user, path, language=language, scheme=scheme, size=size)
    page.wait_for_load_state("networkidle")
    page.screenshot(path=site.screens / f"{name}.{language}.{scheme}.{size[0]}.png")
    assert site.said == []
    assert page.evaluate("document.documentElement.scrollWidth") == size[0]
    assert page.evaluate("document.documentElement.lang") == language
    small = """[...document.querySelectorAll('a, button, input:not([type=hidden]), summary')].filter(one => {
        const box = one.getBoundingClientRect(), style = getComputedStyle(one);
        const isInText = one.matches('a') && style.display === 'inline';
        const inLabel = one.closest('label');
        const high = inLabel ? inLabel.getBoundingClientRect().height : box.height;
        return box.width > 0 && !isInText && high < 23.5 && style.opacity !== '0' && !one.matches('.skip');
    }).map(one => one.outerHTML.slice(0, 120))"""
    assert page.evaluate(small) == []
    page.context.close()


@pytest.mark.parametrize("language", ["ru", "kk"])
def test_the_whole_card_stands_on_one_screen(site: Desk, language: str) -> None:
    page = site.open("ulgibaeva", "/cases/5/", language=language, scheme="light", size=(1440, 900))
    assert page.locator("#decision").count() == 1
    assert page.evaluate("document.documentElement.scrollHeight") == 900
    page.context.close()


def test_a_case_is_decided_and_undone_by_keyboard(site: Desk) -> None:
    page = site.open("ulgibaeva", "/queue/", language="ru", scheme="light", size=(1440, 900))
    keys = page.keyboard
    keys.press("Space")
    assert page.locator(".sumrow").first.is_visible()
    keys.press("j")
    keys.press("j")
    assert page.locator("[data-row]").nth(2).get_attribute("aria-current") == "true"
    keys.press("Enter")
    page.wait_for_url("**/cases/2/")
    keys.press("1")
    keys.press("Space")
    keys.press("2")
    keys.press("Space")
    keys.press("c")
    keys.type("fp15 02 01")
    keys.press("Enter")
    page.locator("#formula[data-state=ok]").wait_for()
    page.evaluate(
        """() => {
            const range = document.createRange();
            range.selectNodeContents(document.querySelectorAll('.post mark')[1]);
            getSelection().removeAllRanges();
            getSelection().addRange(range);
            document.activeElement.blur();
        }"""
    )
    keys.press("t")
    page.click("[data-quote-code=FP01]")
    page.locator("#quotes li").wait_for()
    assert page.inner_text("#quotes q") == "«доход 30 % в месяц»".strip("«»")
    assert page.locator(".post .proof").inner_text() == "доход 30 % в месяц"
    keys.press("4")
    keys.press("Space")
    for number in "567":
        keys.press(number)
        keys.press("Space")
    keys.press("n")
    keys.type("Обещан доход, плата за привлечение и призыв.")
    page.locator("#confirm:enabled").wait_for()
    keys.press("x")  # in a text field a letter is a letter
    assert not page.locator("#hidden-all").is_visible()
    keys.press("Control+Enter")
    page.locator(".toast").wait_for()
    assert "Дело № 2 подтверждено" in page.inner_text(".toast").replace("\u00a0", " ")
    assert not page.url.endswith("/cases/2/")
    keys.press("u")
    page.wait_for_url("**/cases/2/")
    assert page.input_value("#reason").startswith("Обещан доход")
    assert page.is_checked("[name=codes][value=FP15]")
    keys.press("x")
    assert page.locator("#hidden-all").is_visible()
    keys.press("Escape")
    keys.press("?")
    assert page.locator("#help").is_visible()
    keys.press("Escape")
    keys.press("s")
    page.wait_for_url(lambda url: not url.endswith("/cases/2/"))
    assert site.said == []
    page.context.close()


def test_filters_and_views_change_the_list(site: Desk) -> None:
    page = site.open("ulgibaeva", "/queue/", language="ru", scheme="light", size=(1440, 900))
    before = page.locator("[data-row]").count()
    with page.expect_response("**/queue/?label=*"):
        page.uncheck(".facets [value=drug_shop]")
    page.wait_for_function(f"document.querySelectorAll('[data-row]').length < {before}")
    page.locator("body").press("4")
    page.wait_for_url("**view=kazakh")
    assert set(page.locator(".site .dim").all_inner_texts()) == {"kk"}
    page.context.close()


def test_everything_stored_is_searched_by_keyboard(site: Desk) -> None:
    page = site.open("ulgibaeva", "/search/", language="ru", scheme="light", size=(1440, 900))
    keys = page.keyboard
    everything = page.locator("[data-row]").count()
    keys.press("/")
    keys.type("жарна")
    keys.press("Enter")
    page.wait_for_url("**/search/?q=*")
    page.locator(".found mark").first.wait_for()
    assert page.locator("[data-row]").count() < everything
    assert page.locator(".found mark").first.inner_text() == "жарна"
    assert page.evaluate("document.activeElement.id") == "find"
    with page.expect_response("**/search/?*lang=ru*"):
        page.check("#lang-ru")
    page.locator("#list .empty").wait_for()
    assert page.evaluate("document.activeElement.id") == "lang-ru"
    page.go_back()
    page.locator("[data-row]").first.wait_for()
    page.go_back()
    page.wait_for_url("**/search/")
    page.locator("[data-row]").nth(everything - 1).wait_for()
    keys.press("j")
    keys.press("j")
    keys.press("k")
    assert page.locator("[data-row]").nth(1).get_attribute("aria-current") == "true"
    keys.press("Enter")
    page.wait_for_url("**/cases/*/")
    page.click("text=похожие записи")
    page.wait_for_url("**/search/like/*/")
    assert page.locator("#h-copies").is_visible()
    assert site.said == []
    page.context.close()


def test_the_theme_is_kept(site: Desk) -> None:
    page = site.open("ulgibaeva", "/queue/", language="ru", scheme="light", size=(1440, 900))
    page.click(".menu summary")
    page.click("[data-theme-switch]")
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.context.close()
