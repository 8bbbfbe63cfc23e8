"""The cover letter of a package, in Russian and Kazakh."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from qalqan.clock import ALMATY
from review_ui.exports.base import Row

_ROUTES = {
    "R1": ("через ведомство", "ведомство арқылы"),
    "R4": ("платформе", "платформаға"),
    "R5": ("владельцу", "иесіне"),
    "R6": ("партнёру", "серіктеске"),
}
_LABELS = {
    "financial_pyramid": ("финансовая пирамида", "қаржы пирамидасы"),
    "drug_shop": ("наркошоп", "есірткі дүкені"),
    "drug_graffiti": ("наркограффити", "есірткі граффитиі"),
}


def cover_letter(number: int, moment: datetime, sender: str, addressee: str, route: str, rows: Sequence[Row]) -> bytes:
    """UTF-8 text. The figures come from the rows; nothing is promised about results."""
    day = f"{moment.astimezone(ALMATY):%d.%m.%Y}"
    labels = Counter(row["label"] for row in rows)
    urgent = sum(row["urgency"] == "urgent" for row in rows)
    ru = ", ".join(f"{_LABELS[label][0]} — {count}" for label, count in sorted(labels.items()))
    kk = ", ".join(f"{_LABELS[label][1]} — {count}" for label, count in sorted(labels.items()))
    return f"""Пакет № {number} от {day}
Отправитель: {sender}
Адресат: {addressee}
Маршрут: {route}, {_ROUTES[route][0]}

Направляем сведения об интернет-ресурсах с признаками противоправного содержания для рассмотрения.
Заявок: {len(rows)} ({ru}), из них срочных: {urgent}.
Каждую заявку независимо подтвердили два разных сотрудника. Доказательства сохранены и опечатаны.
Перечень: requests.csv, все сведения: requests.jsonl, состав и подпись: manifest.json.
Просим сообщить результат по каждой строке.

№ {number} пакет, {day}
Жіберуші: {sender}
Алушы: {addressee}
Бағыт: {route}, {_ROUTES[route][1]}

Құқыққа қайшы мазмұн белгілері бар интернет-ресурстар туралы мәліметті қарауға жібереміз.
Өтінім саны: {len(rows)} ({kk}), оның ішінде шұғылы: {urgent}.
Әр өтінімді екі түрлі қызметкер бір-біріне тәуелсіз растады. Дәлелдемелер сақталып, мөрленді.
Тізім: requests.csv, барлық мәлімет: requests.jsonl, құрамы мен қолтаңба: manifest.json.
Әр жол бойынша нәтижені хабарлауыңызды сұраймыз.
""".encode()
