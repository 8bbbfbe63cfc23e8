"""A desk with a day's work on it, for looking at the pages; every name, handle and number is invented."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from qalqan import clock
from qalqan.evidence import Exchange, WarcWriter
from qalqan.records import Channel, Document, Entity, Finding, Forward, Media, document_id
from qalqan.store import Store, open_store
from review_ui.accounts.models import Role, User

THRESHOLDS = {"financial_pyramid": 0.6, "drug_shop": 0.55, "drug_graffiti": 0.5}
PASSWORD = "an invented password 00"

PEOPLE = (
    ("ulgibaeva", "Айжан", "Үлгібаева", Role.MODERATOR),
    ("synaqova", "Дана", "Сынақова", Role.MODERATOR),
    ("primerov", "Болат", "Примеров", Role.MODERATOR),
    ("mysalov", "Ерлан", "Мысалов", Role.OFFICER),
    ("operator", "Олег", "Образцов", Role.OPERATOR),
    ("auditor", "Асия", "Тексеру", Role.AUDITOR),
)

PYRAMID = (
    "Открыт третий раунд «Пример-Доход». Вход от 20 000 ₸, доход 30 % в месяц — гарантия по договору.\n\n"
    "Приглашаешь двоих — получаешь 10 % с каждого взноса, с третьей линии ещё 5 %. Матрица закрывается сама, "
    "ничего продавать не надо.\n\n"
    "Айына 30 пайыз кепілді табыс, алғашқы жүз адамға бонус беріледі.\n\n"
    "Места ограничены: пакет «Старт» за полцены. Оплата на карту партнёра или USDT.\n\n"
    "Жми ссылку-приглашение и пиши «+» в @primer_dohod_bot. Сегодня в 20:00 вебинар. Выплаты каждую пятницу, "
    "скрины в закрепе. Карта 0000 0000 0000 0000."
)
PYRAMID_WORDS = (
    ("доход 30 % в месяц", 0.31), ("Приглашаешь двоих — получаешь 10 % с каждого взноса", 0.29),
    ("30 пайыз кепілді табыс", 0.28), ("Жми ссылку-приглашение и пиши «+»", 0.3), ("Вход от 20 000 ₸", 0.18),
    ("гарантия по договору", 0.16), ("на карту партнёра", 0.14), ("Матрица", 0.07), ("Места ограничены", 0.06),
    ("вебинар", 0.05), ("скрины в закрепе", 0.05),
)  # fmt: skip
SHOP = (
    "«Үлгі-дүкен» витринасы. Қала → аудан → тауар, бағасы ботта. Ескі арна жабылды, жаңа мекенжай осы.\n\n"
    "Төлем: тек крипто. Қолдау тәулік бойы, дауды оператор шешеді.\n\n"
    "Набираем курьеров, опыт не нужен, выплаты каждую неделю. Писать в бот @ulgi_duken_bot."
)
SHOP_WORDS = (
    ("Қала → аудан → тауар", 0.4), ("жаңа мекенжай осы", 0.3), ("бағасы ботта", 0.22), ("тек крипто", 0.18),
    ("Набираем курьеров", 0.21), ("Писать в бот", 0.2), ("выплаты каждую неделю", 0.08),
)  # fmt: skip

# (channel, title, label, score, readers, hours since publication, language, text, marked words)
CASES: tuple[tuple[str, str, str, float, int | None, float, str, str, Sequence[tuple[str, float]]], ...] = (
    ("obrazec_24_zerkalo", "Витрина «Образец-24»", "drug_shop", 0.97, 9310, 1, "ru",
     "Ассортимент по районам, прайс у бота, город → район → позиция. Новый адрес вместо закрытого: @obrazec_24_bot",
     (("прайс у бота", 0.2), ("город → район → позиция", 0.4))),
    ("primer_dohod_000", "«Пример-Доход», третий раунд", "financial_pyramid", 0.94, 18420, 2, "ru", PYRAMID,
     PYRAMID_WORDS),
    ("obrazec_24_bot_zapas", "Запасные адреса «Образец-24»", "drug_shop", 0.82, 1240, 11, "ru",
     "Зеркало и запасной бот, отзывы и диспуты в закрытой ветке. Писать @obrazec_24_bot",
     (("Зеркало", 0.2), ("запасной бот", 0.1))),
    ("ulgi_toby_00", "Набор курьеров «Үлгі-тобы»", "drug_shop", 0.88, 4120, 3, "kk",
     "Курьер керек, тәжірибе қажет емес, апталық айлық, бот арқылы жаз: @ulgi_toby_bot",
     (("Курьер керек", 0.3), ("апталық айлық", 0.1), ("бот арқылы жаз", 0.2))),
    ("synaq_kassa", "Қара касса «Сынақ»", "financial_pyramid", 0.86, 2870, 9, "kk",
     "Бастапқы жарна 50 000 ₸, үстел түсі ауысқанда сыйлық аласың, екі адам шақыр",
     (("Бастапқы жарна", 0.2), ("түсі ауысқанда", 0.2), ("екі адам шақыр", 0.4))),
    ("ulgi_trafaret_00", "Трафарет с QR у школы № 000", "drug_graffiti", 0.91, None, 5, "ru",
     "Наш новый трафарет у остановки: @ulgi_trafaret_bot, 24/7, QR ведёт на бот. Фото отчёта за вечер",
     (("@ulgi_trafaret_bot", 0.4), ("24/7", 0.2))),
    ("primer_dom_klub", "Кооператив «Примерный дом»", "financial_pyramid", 0.71, 6530, 20, "ru",
     "Жильё без кредита и процентов, паевой взнос, бонус за приглашение семьи",
     (("Жильё без кредита и процентов", 0.2), ("бонус за приглашение", 0.2))),
    ("primerkoin", "Тапалка «Примеркоин»", "financial_pyramid", 0.64, 31200, 30, "ru",
     "Тапай и зарабатывай, вывод после покупки пакета VIP, рефка в профиле",
     (("Тапай и зарабатывай", 0.1), ("пакета VIP", 0.2), ("рефка", 0.2))),
    ("ulgi_tabys", "Инвест жоба «Ulgi Tabys»", "financial_pyramid", 0.69, 860, 40, "kk",
     "Oñai tabys, adam şaqyrsañ bonus, vebinarğa qosyl", (("Oñai tabys", 0.2), ("adam şaqyrsañ bonus", 0.4))),
    ("sol_dlya_vann", "Соль для ванн, три магазина", "drug_shop", 0.61, 310, 14, "ru",
     "Соль с лавандой, 500 г, наличие в трёх магазинах, пробник в подарок",
     (("Соль", 0.1), ("наличие", 0.1), ("пробник", 0.1))),
    ("svoboda_00", "Вебинар «Финансовая свобода 00»", "financial_pyramid", 0.62, 540, 80, "ru",
     "Наставник по заработку, пиши «+» в комментарии, места ограничены",
     (("Наставник по заработку", 0.2), ("«+» в комментарии", 0.2))),
    ("ulgi_duken_00", "«Үлгі-дүкен»", "drug_shop", 0.95, 3400, 12, "kk", SHOP, SHOP_WORDS),
)  # fmt: skip


class FilledDesk:
    """Fills the casework database and the evidence folder under `home`. Needs Django to be set up and migrated."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.people = {name: self._person(name, *rest) for name, *rest in PEOPLE}

    def _person(self, name: str, first: str, last: str, role: Role) -> User:
        user = User(username=name, first_name=first, last_name=last, roles=[role.value])
        user.set_password(PASSWORD)
        user.save()
        return user

    def fill(self) -> None:
        from review_ui.casework.intake import take_in
        from review_ui.casework.models import Case

        with open_store(f"sqlite:///{self.home / 'store.sqlite'}") as store:
            for channel, title, label, score, readers, hours, language, text, words in CASES:
                self._channel(store, channel, title, readers)
                for number in range(118, 122 if channel == "primer_dohod_000" else 119):
                    own = text if number == 118 else f"Запись {number}. " + text.split("\n\n")[-1]
                    self._post(store, channel, number, own, label, score - (number - 118) / 50, hours, language, words)
            take_in(store)
            old = Case.objects.get(channel__iexact="obrazec_24_zerkalo")
            self._close(old, store)
            self._post(store, "obrazec_24_zerkalo", 300, CASES[0][7], "drug_shop", 0.97, 1, "ru", CASES[0][8])
            take_in(store)
        self._claim("synaq_kassa", "ulgibaeva")
        self._claim("primer_dom_klub", "synaqova")
        for channel, person in (("ulgi_duken_00", "primerov"), ("obrazec_24_bot_zapas", "primerov")):
            self.confirm(Case.objects.filter(channel__iexact=channel).latest("pk"), person)
        self.confirm(Case.objects.filter(channel__iexact="obrazec_24_bot_zapas").latest("pk"), "synaqova")
        self._sources()

    def case(self, channel: str) -> Any:
        from review_ui.casework.models import Case

        return Case.objects.filter(channel__iexact=channel).latest("pk")

    def confirm(self, case: Any, person: str, kind: str = "channel") -> None:
        from review_ui.casework.card import DecisionForm
        from review_ui.casework.decisions import decide

        is_shop = case.label == "drug_shop"
        form = DecisionForm(
            outcome="confirm",
            label=case.label,
            speaker="offender",
            codes=["DS03", "DS14"] if is_shop else ["FP01", "FP02", "FP15"],
            has_contact=is_shop,
            target_id=case.targets.get(kind=kind).pk,
            wider_reason="Все записи канала о том же; удаление одной ничего не прекращает",
            nexus=["city", "language"],
            route="R4",
            urgency="urgent",
            reason="Витрина по городам и зеркало ограниченного магазина.",
        )
        decide(case, self.people[person], form)

    def _close(self, case: Any, store: Store) -> None:
        from review_ui.casework.card import DecisionForm
        from review_ui.casework.decisions import decide

        form = DecisionForm(outcome="reject", codes=["EX13"], reason="Связи с Казахстаном не видно.")
        decide(case, self.people["synaqova"], form)

    def _claim(self, channel: str, person: str) -> None:
        from review_ui.casework.claims import claim

        claim(self.case(channel), self.people[person])

    def _sources(self) -> None:
        from review_ui.sources.models import Source

        operator = self.people["operator"]
        for url, title, minutes, is_active in (
            ("https://t.me/s/primer_dohod_000", "@primer_dohod_000", 30, True),
            ("https://ulgi-forum.example/", "Форум «Образец»", 1440, True),
            ("https://primer-invest.example/", "primer-invest.example", 720, True),
            ("https://vk.example/primerny_dvor", "Группа «Примерный двор»", 240, False),
        ):
            Source.objects.create(
                url=url, title=title, interval_minutes=minutes, is_active=is_active, added_by=operator
            )

    def _channel(self, store: Store, handle: str, title: str, readers: int | None) -> None:
        store.put_channel(
            Channel(
                site="telegram",
                handle=handle,
                url=f"https://t.me/{handle}",
                title=title,
                description="Пишите только в бот. Алматы, Шымкент, Астана",
                subscribers=readers,
                posts_seen=214,
                status="public",
                checked_at=clock.now(),
            )
        )

    def _post(
        self,
        store: Store,
        channel: str,
        number: int,
        text: str,
        label: str,
        score: float,
        hours: float,
        language: Any,
        words: Sequence[tuple[str, float]],
    ) -> None:
        url = f"https://t.me/{channel}/{number}"
        writer = WarcWriter(str(self.home / "evidence"), f"qalqan-{channel}-{number}", 10**9)
        payload = f"<html><body><p>{text}</p></body></html>".encode()
        capture = writer.write(
            Exchange(
                url=url,
                fetched_at=clock.now(),
                method="GET",
                request_headers=[(b"user-agent", b"QalqanBot")],
                status=200,
                response_headers=[(b"content-type", b"text/html; charset=utf-8")],
                payload=payload,
                ip_address="192.0.2.10",
            )
        )
        writer.close()
        store.put_captures([capture])
        spans = tuple((place, place + len(word), weight) for word, weight in words if (place := text.find(word)) >= 0)
        codes = {"financial_pyramid": ("FP01", "FP15", "FP02", "FP03", "FP08"), "drug_shop": ("DS03", "DS05", "DS07")}
        place = text.find("@")
        entities: list[Entity] = []
        if place >= 0:
            handle = text[place + 1 :].split()[0].rstrip(".,")
            entities.append(Entity(kind="telegram", value=handle, start=place, end=place + 1 + len(handle)))
        card = text.find("0000 0000 0000 0000")
        if card >= 0:
            entities.append(Entity(kind="card", value="0" * 16, start=card, end=card + 19))
        store.put_documents(
            [
                Document(
                    id=document_id("telegram", channel, str(number)),
                    url=url,
                    canonical_url=url,
                    site="telegram",
                    channel=channel,
                    post_id=str(number),
                    published_at=clock.now() - timedelta(hours=hours),
                    fetched_at=clock.now(),
                    text=text,
                    lang=language,
                    views=12_430,
                    forwarded_from=Forward(name="Примерный канал") if number == 119 else None,
                    media=(Media(kind="photo"), Media(kind="photo"), Media(kind="video")) if number == 118 else (),
                    entities=tuple(entities),
                    capture_id=capture.id,
                    findings=tuple(
                        Finding(
                            label=name,  # type: ignore[arg-type]
                            score=score if name == label else 0.03,
                            threshold=threshold,
                            flagged=name == label,
                            spans=spans if name == label else (),
                            codes=codes.get(label, ("DG01", "DG10")) if name == label else (),
                            model="text-kk-ru 2.3.1",
                        )
                        for name, threshold in THRESHOLDS.items()
                    ),
                )
            ]
        )
