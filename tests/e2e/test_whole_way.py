"""From a public channel to a signed package, as two moderators and an officer walk it in a real browser."""

import csv
import io
import os
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from running_demo import Demo

# Where the pictures of the README go: SCREENS_FOLDER=docs/screens writes them anew.
SCREENS = os.environ.get("SCREENS_FOLDER")

HEADER = (
    "title;url;reason;object_type;resource_type;violation;language;group;screenshot;publications;subscribers;"
    "court_decision;source"
)


def log_in(browser: Browser, demo: Demo, name: str) -> Page:
    page = browser.new_context(locale="ru-RU", viewport={"width": 1440, "height": 900}).new_page()
    page.on("pageerror", lambda error: pytest.fail(f"script error on {page.url}: {error}"))
    page.goto(demo.address)
    page.fill("#id_login", name)
    page.fill("#id_password", demo.passwords[name])
    page.get_by_role("button", name="Войти").click()
    expect(page.get_by_role("navigation", name="Разделы")).to_be_visible()
    return page


def picture(page: Page, name: str, folder: Path) -> None:
    target = Path(SCREENS) if SCREENS else folder
    page.evaluate("scrollTo(0, 0)")
    page.screenshot(path=target / f"{name}.png")
    assert (target / f"{name}.png").stat().st_size > 20_000


def speak(page: Page, language: str) -> None:
    """Change the language where a person does: in the menu under her name."""
    page.locator("details.menu summary").click()
    page.locator("details.menu").get_by_role("button", name={"ru": "Русский", "kk": "Қазақша"}[language]).click()
    expect(page.locator("html")).to_have_attribute("lang", language)


def fill_card(page: Page, codes: list[str], label: str) -> None:
    """Answer the eight questions for the channel as target."""
    page.locator(f"input[name=label][value={label}]").check(force=True)
    page.locator("input[name=speaker][value=offender]").check(force=True)
    for code in codes:
        page.locator(f"input[name=codes][value={code}]").first.check(force=True)
    channel = page.locator(".targets label", has=page.locator(".kind", has_text=re.compile("канал|арна"))).first
    channel.locator("input").check(force=True)
    page.fill("input[name=wider_reason]", "Весь канал ведётся ради этого; удаление одной записи ничего не прекращает")
    page.locator("input[name=nexus][value=tenge]").check(force=True)
    page.locator("input[name=route][value=R4]").check(force=True)
    page.locator("input[name=urgency][value=normal]").check(force=True)
    page.fill("textarea", "Канал предлагает запрещённое с ценами и способом заказа, города Казахстана названы.")
    page.locator("textarea").blur()


def case_link(page: Page, title: str):
    return page.locator("a", has_text=title).first


def test_two_people_one_signed_package(demo: Demo, browser: Browser, tmp_path: Path) -> None:
    first = log_in(browser, demo, "moderator1")

    # The queue: offenders are there, look-alikes are not.
    expect(first.get_by_role("heading", level=1)).to_have_text("Очередь")
    expect(case_link(first, "ТУМАН 24/7")).to_be_visible()
    picture(first, "queue.ru", tmp_path)
    speak(first, "kk")
    picture(first, "queue.kk", tmp_path)
    speak(first, "ru")

    # The card: the machine's words are marked, nothing is ticked in advance, Confirm is off.
    case_link(first, "ТУМАН 24/7").click()
    expect(first).to_have_url(re.compile(r"/cases/\d+/"))
    number = re.search(r"/cases/(\d+)/", first.url).group(1)
    expect(first.locator(".post mark").first).to_be_visible()
    assert first.locator("#decision input:checked").count() == 0, "nothing may be ticked in advance"
    expect(first.locator("#confirm")).to_be_disabled()
    fill_card(first, ["DS01", "DS02", "contact"], "drug_shop")
    expect(first.locator("#confirm")).to_be_enabled()
    picture(first, "case.ru", tmp_path)
    speak(first, "kk")
    fill_card(first, ["DS01", "DS02", "contact"], "drug_shop")
    expect(first.locator("#confirm")).to_be_enabled()
    picture(first, "case.kk", tmp_path)
    speak(first, "ru")
    fill_card(first, ["DS01", "DS02", "contact"], "drug_shop")
    expect(first.locator("#confirm")).to_be_enabled()

    # The evidence behind it can be read back from the WARC file.
    evidence = first.locator("a[href*='/evidence/']").first.get_attribute("href")
    assert first.request.get(demo.address + evidence).status == 200

    first.locator("#confirm").click()
    expect(first.locator(".toast")).to_be_visible()

    # She cannot give the second opinion on her own request, neither by the page nor past it.
    first.goto(f"{demo.address}/cases/{number}/")
    expect(first.locator("#confirm")).to_have_count(0)
    expect(first.locator("main")).to_contain_text("Это дело вы уже решали")
    token = first.locator("input[name=csrfmiddlewaretoken]").first.get_attribute("value")
    refused = first.request.post(
        f"{demo.address}/cases/{number}/decide/",
        form={
            "csrfmiddlewaretoken": token,
            "outcome": "confirm",
            "label": "drug_shop",
            "reason": "сама себе второе мнение",
        },
        headers={"Referer": first.url},
    )
    assert refused.status == 422
    assert "другой человек" in refused.text()

    # Another person decides blind, and agrees.
    second = log_in(browser, demo, "moderator2")
    second.goto(f"{demo.address}/second/")
    case_link(second, "ТУМАН 24/7").click()
    expect(second).to_have_url(re.compile(f"/cases/{number}/"))
    assert "удаление одной записи ничего не прекращает" not in second.content(), "the first reason must stay hidden"
    fill_card(second, ["DS01", "DS03", "contact"], "drug_shop")
    expect(second.locator("#confirm")).to_be_enabled()
    picture(second, "second.ru", tmp_path)
    second.locator("#confirm").click()
    expect(second.locator("main")).to_contain_text(f"{number}-1")

    # Neither of them may sign; the officer does.
    assert second.request.get(f"{demo.address}/packages/").status in {200, 403}
    officer = log_in(browser, demo, "officer")
    officer.goto(f"{demo.address}/packages/")
    officer.get_by_role("button", name=re.compile("Собрать пакет")).first.click()
    expect(officer).to_have_url(re.compile(r"/packages/\d+/"))
    fill = officer.get_by_role("button", name=re.compile("Добавить утверждённые"))
    if fill.count():
        fill.click()
    expect(officer.locator("table")).to_contain_text(f"{number}-1")
    officer.get_by_role("button", name="Заморозить и подписать").click()
    expect(officer.locator(".tag.ok")).to_contain_text("подписан")
    picture(officer, "package.ru", tmp_path)

    # The package leaves the house and says by itself whether it is intact.
    out = tmp_path / "out"
    exported = demo.run("export", "package", "--package", "1", "--output", str(out))
    assert exported.returncode == 0, exported.stderr
    folder = out if (out / "manifest.json").exists() else next(out.glob("*/manifest.json")).parent
    rows = (folder / "requests.csv").read_bytes()
    assert rows.startswith(b"\xef\xbb\xbf" + HEADER.encode())
    (row,) = csv.DictReader(io.StringIO(rows.decode("utf-8-sig")), delimiter=";")
    assert row["url"] == "https://t.me/ulgi_tuman_shop_demo"

    intact = demo.run("verify", str(folder))
    assert intact.returncode == 0, intact.stdout + intact.stderr
    assert "intact" in intact.stdout
    assert "this installation" in intact.stdout

    changed = folder / "requests.csv"
    changed.write_bytes(rows.replace(b"t.me/ulgi", b"t.me/ulgj", 1))
    broken = demo.run("verify", str(folder))
    assert broken.returncode == 1
    assert f"{changed} was changed" in broken.stdout

    # Evidence and audit chain are intact, too.
    evidence_folder = demo.run("verify", str(demo.home / "evidence"), str(demo.home / "casework.sqlite"))
    assert evidence_folder.returncode == 0, evidence_folder.stdout + evidence_folder.stderr
    assert "captures of the store re-read" in evidence_folder.stdout


def test_every_offender_waits_in_the_queue_and_the_clone_is_known(demo: Demo, browser: Browser) -> None:
    page = log_in(browser, demo, "moderator2")
    page.goto(f"{demo.address}/queue/")
    titles = page.locator("tr[data-row] a[href*='/cases/']").all_inner_texts()
    for offender in ("ULGI TOKEN", "БЕРЕКЕ ҚАЗАН", "ДЫМКА 24/7", "жасыл дүкен", "РАБОТА"):
        assert any(offender in title for title in titles), (offender, titles)
    case_link(page, "ДЫМКА 24/7").click()
    expect(page.locator(".rel")).to_contain_text("ТУМАН 24/7")


def test_changed_evidence_is_named(demo: Demo) -> None:
    warc = sorted((demo.home / "evidence").rglob("*.warc.gz"))[0]
    copy = warc.with_name("copy.warc.gz")
    content = bytearray(warc.read_bytes())
    content[len(content) // 2] ^= 1
    copy.write_bytes(content)
    try:
        broken = demo.run("verify", str(copy))
        assert broken.returncode == 1
        assert "copy.warc.gz" in broken.stdout
    finally:
        copy.unlink()
