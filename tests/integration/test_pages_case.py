"""The decision card: escaping, quotes, checks, deciding, undoing, and what a blind reader must not see."""

import re
from datetime import timedelta
from typing import Any

import pytest
from pages import assert_sound, browser, text_of

pytestmark = pytest.mark.usefixtures("database")

HOSTILE = (
    'Доход</div><script>alert(1)</script> <img src=x onerror="alert(2)"> '
    "\u202egnp.exe\u202c &amp; \"'\r\n\n\nвторой абзац"
)


def answers(case: Any, **changes: Any) -> dict[str, Any]:
    """What the form of a complete confirmation posts."""
    material = case.materials.first()
    return {
        "material": material.pk,
        "label": "financial_pyramid",
        "speaker": "offender",
        "codes": ["FP01", "FP02", "FP15"],
        "quote": [f"{material.pk}:0:6:FP15"],
        "target": case.targets.get(kind="channel").pk,
        "wider_reason": "Все записи о проекте, одной мало",
        "nexus": ["tenge"],
        "route": "R4",
        "urgency": "urgent",
        "reason": "Обещан доход, плата за привлечение и призыв.",
        "outcome": "confirm",
        **changes,
    }


@pytest.fixture
def case(desk):
    from review_ui.casework.claims import claim

    desk.channel()
    return claim(desk.case(), desk.aliya)


class TestWhatWasCrawled:
    def test_is_text_and_never_a_page(self, desk) -> None:
        case = desk.case(text=HOSTILE, channel="hostile")
        type(case).objects.filter(pk=case.pk).update(
            title=HOSTILE, channel_facts={"title": HOSTILE, "description": HOSTILE}
        )
        for address in ("/queue/", f"/cases/{case.pk}/", f"/cases/{case.pk}/audit/"):
            response = browser(desk.aliya).get(address)
            assert_sound(response)
            text = text_of(response)
            assert "<script>alert" not in text
            assert "<img" not in text
            assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
            assert "\u202e" not in text
            assert "▯gnp.exe▯" in text

    def test_keeps_its_offsets_in_the_page(self, desk) -> None:
        """Pieces of the post name their place, and together they are the text, character by character."""
        import html

        case = desk.case(text=HOSTILE, channel="hostile")
        text = text_of(browser(desk.aliya).get(f"/cases/{case.pk}/"))
        post = re.search(r'<div class="post".*?>(.*?)</div>', text, re.S)
        assert post
        pieces = re.findall(r'<(?:span|mark)[^>]*data-at="(\d+)"[^>]*>(.*?)</(?:span|mark)>', post[1], re.S)
        whole = ""
        for at, piece in pieces:
            assert int(at) == len(whole)
            whole += html.unescape(piece)
        assert whole == HOSTILE.replace("\u202e", "▯").replace("\u202c", "▯")

    def test_is_never_linked_to(self, case, desk) -> None:
        text = text_of(browser(desk.aliya).get(f"/cases/{case.pk}/"))
        assert "https://t.me/Primer_Dohod_000/118" in text
        assert not re.search(r'href="[^"]*t\.me', text)

    def test_personal_numbers_are_masked_in_lists(self, desk) -> None:
        from qalqan.records import Entity

        words = "Карта 0000111122223333, телефон +77000000000"
        entities = (
            Entity(kind="card", value="0000111122223333", start=6, end=22),
            Entity(kind="phone", value="+77000000000", start=32, end=44),
        )
        case = desk.case(text=words, channel="cards", entities=entities)
        text = text_of(browser(desk.aliya).get(f"/cases/{case.pk}/"))
        facts = text[text.index('aria-label="Сведения"') :]
        assert "0000…3333" in facts
        assert "+770…00" in facts
        assert "0000111122223333" not in facts

    def test_its_bytes_come_as_a_plain_file(self, desk) -> None:
        from review_ui.audit.models import AuditEntry

        case = desk.case()
        material = case.materials.get()
        client = browser(desk.aliya)
        page = client.get(f"/cases/{case.pk}/evidence/{material.pk}/")
        assert_sound(page)
        assert "&lt;html&gt;seen&lt;/html&gt;" in text_of(page)
        assert material.capture["sha256"] in text_of(page)
        response = client.get(f"/cases/{case.pk}/evidence/{material.pk}/bytes/")
        assert response.content == b"<html>seen</html>"
        assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert response.headers["Content-Disposition"].startswith("attachment; filename=")
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
        assert AuditEntry.objects.filter(act="evidence.downloaded").count() == 1

    def test_broken_evidence_is_told(self, desk) -> None:
        case = desk.case()
        material = case.materials.get()
        material.capture = {**material.capture, "sha256": "0" * 64}
        material.save()
        response = browser(desk.aliya).get(f"/cases/{case.pk}/evidence/{material.pk}/")
        assert_sound(response)
        assert "не как опечатано" in text_of(response)
        assert browser(desk.aliya).get(f"/cases/{case.pk}/evidence/{material.pk}/bytes/").status_code == 404

    def test_materials_of_another_case_stay_closed(self, desk) -> None:
        one, other = desk.case(), desk.case(channel="other_channel")
        foreign = other.materials.get().pk
        assert browser(desk.aliya).get(f"/cases/{one.pk}/evidence/{foreign}/").status_code == 404


class TestCard:
    def test_nothing_is_ticked_in_advance(self, case, desk) -> None:
        response = browser(desk.aliya).get(f"/cases/{case.pk}/")
        assert_sound(response)
        text = text_of(response)
        form = text[text.index('id="decision"') : text.index("</form>", text.index('id="decision"'))]
        assert " checked" not in form
        assert re.search(r'id="confirm"[^>]* disabled', text)
        assert "Выберите метку." in text

    def test_opening_does_not_take_but_the_button_does(self, desk) -> None:
        case = desk.case()
        client = browser(desk.aliya)
        page = text_of(client.get(f"/cases/{case.pk}/"))
        assert "Взять дело" in page
        assert 'id="decision"' not in page
        case.refresh_from_db()
        assert case.holder is None
        taken = client.post(f"/cases/{case.pk}/claim/")
        assert taken.headers["Location"] == f"/cases/{case.pk}/"
        case.refresh_from_db()
        assert case.holder == desk.aliya

    def test_a_claim_by_htmx_opens_the_page_anew(self, desk) -> None:
        case = desk.case()
        response = browser(desk.aliya).post(f"/cases/{case.pk}/claim/", headers={"HX-Request": "true"})
        assert response.headers["HX-Redirect"] == f"/cases/{case.pk}/"

    def test_an_ended_reservation_keeps_the_draft(self, case, desk) -> None:
        from qalqan import clock

        client = browser(desk.aliya)
        client.post(f"/cases/{case.pk}/check/", answers(case))
        type(case).objects.filter(pk=case.pk).update(held_until=clock.now() - timedelta(minutes=1))
        text = text_of(client.get(f"/cases/{case.pk}/"))
        assert "Бронь кончилась, дело свободно." in text
        stale = client.post(f"/cases/{case.pk}/check/", answers(case))
        assert (stale.status_code, stale.headers["HX-Refresh"]) == (204, "true")
        client.post(f"/cases/{case.pk}/claim/")
        assert "Обещан доход, плата за привлечение" in text_of(client.get(f"/cases/{case.pk}/"))

    def test_the_number_of_queries_does_not_grow_with_the_records(self, case, desk) -> None:
        from test_pages_queue import queries_of

        client = browser(desk.aliya)
        few = queries_of(client, f"/cases/{case.pk}/")
        for number in range(200, 210):
            desk.post(number)
        from review_ui.casework.intake import take_in

        take_in(desk.store)
        assert case.materials.count() == 11
        assert queries_of(client, f"/cases/{case.pk}/") == few
        assert few <= 24

    def test_records_are_leafed_through_as_parts(self, case, desk) -> None:
        from review_ui.casework.intake import take_in

        desk.post(119, text="Другая запись", score=0.7)
        take_in(desk.store)
        second = case.materials.get(score=0.7)
        part = text_of(browser(desk.aliya).get(f"/cases/{case.pk}/materials/{second.pk}/"))
        assert "<html" not in part
        assert "Запись 2 из 2" in part
        assert "Другая запись" in part


class TestCheck:
    def check(self, desk, case, **changes: Any) -> str:
        response = browser(desk.aliya).post(f"/cases/{case.pk}/check/", answers(case, **changes))
        assert response.status_code == 200
        return text_of(response)

    def test_says_what_will_happen(self, case, desk) -> None:
        text = self.check(desk, case)
        assert 'data-state="ok"' in text
        assert "Пирамида → канал @primer_dohod_000 → R4." in text
        assert "FP01, FP02 отмечены без цитаты. Решение уйдёт второму человеку." in text
        assert not re.search(r'id="confirm"[^>]* disabled', text)

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"codes": ["FP01"]}, "не хватает: FP15; FP02 или FP11"),
            ({"codes": ["FP01", "FP02", "FP15", "EX01"]}, "оправдывающий код, подтвердить нельзя"),
            ({"speaker": "reporter"}, "Без голоса нарушителя подтвердить нельзя."),
            ({"target": ""}, "Выберите цель."),
            ({"wider_reason": ""}, "напишите, почему не уже"),
            ({"reason": ""}, "Напишите причину"),
            ({"label": "drug_shop", "codes": ["DS03"]}, "не хватает: путь заказа"),
        ],
    )
    def test_says_why_confirm_is_off(self, case, desk, changes, words) -> None:
        text = self.check(desk, case, **changes)
        assert words in text
        assert re.search(r'id="confirm"[^>]* disabled', text)

    def test_the_words_of_a_quote_come_from_the_record(self, case, desk) -> None:
        text = self.check(desk, case, changed="quote", quote=[f"{case.materials.get().pk}:7:13:FP01", "1:2:3", "x"])
        assert "<bdi>третий</bdi>" in text
        assert 'data-at="7" class="proof">третий</span>' in text
        assert text.count('name="quote"') == 1

    def test_codes_of_another_label_do_not_count(self, case, desk) -> None:
        assert 'data-state="ok"' in self.check(desk, case, codes=["FP01", "FP02", "FP15", "DS01"])


class TestDeciding:
    def test_opens_the_next_case_and_offers_to_undo(self, case, desk) -> None:
        waiting = desk.case(channel="waiting", number=1)
        client = browser(desk.aliya)
        done = client.post(f"/cases/{case.pk}/decide/", answers(case))
        assert (done.status_code, done.headers["Location"]) == (302, f"/cases/{waiting.pk}/")
        case.refresh_from_db()
        assert case.state == "second_review"
        page = text_of(client.get(f"/cases/{waiting.pk}/"))
        assert f"Дело №\xa0{case.pk} подтверждено, передано второму человеку." in page
        decision = case.decisions.get()
        assert decision.quotes[0]["text"] == "Открыт"
        back = client.post(f"/decisions/{decision.pk}/undo/")
        assert back.headers["Location"] == f"/cases/{case.pk}/"
        again = text_of(client.get(f"/cases/{case.pk}/"))
        assert "Обещан доход, плата за привлечение" in again
        assert 'value="FP15" checked' in again

    def test_too_late_to_undo(self, case, desk) -> None:
        from qalqan import clock

        client = browser(desk.aliya)
        client.post(f"/cases/{case.pk}/decide/", answers(case))
        decision = case.decisions.get()
        later = clock.now() - timedelta(seconds=11)
        from django.db import connection

        if connection.vendor == "sqlite":  # the trigger guards decisions; time is moved by hand
            with connection.cursor() as cursor:
                cursor.execute("SELECT name FROM sqlite_master WHERE type='trigger' AND tbl_name='casework_decision'")
                for (name,) in cursor.fetchall():
                    cursor.execute(f'DROP TRIGGER "{name}"')
        type(decision).objects.filter(pk=decision.pk).update(at=later)
        response = client.post(f"/decisions/{decision.pk}/undo/")
        assert response.status_code == 409
        assert_sound(response)
        assert "Десять секунд прошли" in text_of(response)

    def test_what_is_refused_keeps_every_tick(self, case, desk) -> None:
        response = browser(desk.aliya).post(f"/cases/{case.pk}/decide/", answers(case, reason="", nexus=[]))
        assert response.status_code == 422
        assert_sound(response)
        text = text_of(response)
        assert "Пока не записано:" in text
        assert 'value="FP15" checked' in text
        assert "Все записи о проекте, одной мало" in text
        assert not case.decisions.exists()

    def test_rejecting_needs_a_reason_or_a_code(self, case, desk) -> None:
        client = browser(desk.aliya)
        assert client.post(f"/cases/{case.pk}/decide/", {"outcome": "reject"}).status_code == 422
        assert client.post(f"/cases/{case.pk}/decide/", {"outcome": "reject", "codes": ["EX01"]}).status_code == 302
        case.refresh_from_db()
        assert case.state == "rejected"

    def test_skipping_lets_go_and_goes_on(self, case, desk) -> None:
        client = browser(desk.aliya)
        other = desk.case(channel="other", number=1)
        assert client.post(f"/cases/{case.pk}/skip/", answers(case)).headers["Location"] == f"/cases/{other.pk}/"
        case.refresh_from_db()
        assert case.holder is None
        assert client.post(f"/cases/{other.pk}/skip/", {"then": "pause"}).headers["Location"] == "/pause/"
        assert_sound(client.get("/pause/"))


class TestSecondOpinion:
    SECRETS = ("Первая причина только для первого", "Тайна ширины", "A. Aliya", "aliya")

    @pytest.fixture
    def second(self, case, desk):
        """A case that aliya confirmed."""
        browser(desk.aliya).post(
            f"/cases/{case.pk}/decide/",
            answers(case, reason=self.SECRETS[0], wider_reason=self.SECRETS[1]),
        )
        case.refresh_from_db()
        assert case.state == "second_review"
        return case

    def test_is_blind(self, second, desk) -> None:
        client = browser(desk.bolat)
        client.post(f"/cases/{second.pk}/claim/")
        for address in (f"/cases/{second.pk}/", f"/cases/{second.pk}/audit/", "/second/"):
            response = client.get(address)
            assert response.status_code == 200
            assert_sound(response)
            text = text_of(response)
            for secret in self.SECRETS:
                assert secret not in text, (address, secret)
            assert "decision.confirmed" not in text
        card = text_of(client.get(f"/cases/{second.pk}/"))
        assert "Первое решение закрыто до вашего." in card
        form = card[card.index('id="decision"') : card.index("</form>", card.index('id="decision"'))]
        assert " checked" not in form
        assert client.get(f"/cases/{second.pk}/opinions/").status_code == 403

    def test_is_blind_before_the_case_is_taken(self, second, desk) -> None:
        text = text_of(browser(desk.bolat).get(f"/cases/{second.pk}/"))
        for secret in self.SECRETS:
            assert secret not in text

    def test_is_not_for_the_first_person(self, second, desk) -> None:
        client = browser(desk.aliya)
        text = text_of(client.get(f"/cases/{second.pk}/"))
        assert "Это дело вы уже решали." in text
        assert 'id="decision"' not in text
        assert "data-row" not in text_of(client.get("/second/"))
        assert client.post(f"/cases/{second.pk}/decide/", answers(second)).status_code == 422
        assert second.decisions.count() == 1

    def test_opens_both_opinions_afterwards(self, second, desk) -> None:
        client = browser(desk.bolat)
        client.post(f"/cases/{second.pk}/claim/")
        done = client.post(f"/cases/{second.pk}/decide/", answers(second))
        assert done.headers["Location"] == f"/cases/{second.pk}/opinions/"
        response = client.get(f"/cases/{second.pk}/opinions/")
        assert_sound(response)
        text = text_of(response)
        assert self.SECRETS[0] in text
        assert f"Заявка {second.pk}-1 утверждена." in text
        assert "3 из 3" not in text  # all codes agree: a plain yes

    def test_a_difference_goes_to_a_third_person_who_sees_both(self, second, desk) -> None:
        client = browser(desk.bolat)
        client.post(f"/cases/{second.pk}/claim/")
        post = second.targets.get(kind="message").pk
        client.post(f"/cases/{second.pk}/decide/", answers(second, target=post, codes=["FP03", "FP02", "FP15"]))
        text = text_of(client.get(f"/cases/{second.pk}/opinions/"))
        assert "Мнения разошлись." in text
        assert "2 из 4" in text
        third = browser(desk.dana)
        third.post(f"/cases/{second.pk}/claim/")
        response = third.get(f"/cases/{second.pk}/")
        assert_sound(response)
        assert "Два мнения разошлись." in text_of(response)
        assert self.SECRETS[0] in text_of(response)


@pytest.mark.parametrize("language", ["ru", "kk"])
def test_no_english_is_left_on_the_card(case, desk, language) -> None:
    import html

    text = text_of(browser(desk.aliya, language).get(f"/cases/{case.pk}/"))
    shown = html.unescape(re.sub(r"<[^>]+>", " ", text[text.index("<body") :]))
    material = case.materials.first()
    # Names and addresses of the case, and what is called the same in every language.
    known = f"{case.title} {case.channel} {material.document} {material.capture} qalqan warc sha utc telegram ctrl"
    known = f"{known} enter space esc aliya fp15".lower()
    assert {word for word in re.findall(r"\b[A-Za-z_]{3,}\b", shown) if word.lower() not in known} == set()
