"""How numbers, ages, dates and masked values are written on the pages (the manner of the prototypes)."""

import re
from datetime import datetime, timedelta

from django import template
from django.template import Context
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, pgettext

register = template.Library()

NO_BREAK = "\xa0"
LABEL_ICONS = {"financial_pyramid": "pyramid", "drug_shop": "shop", "drug_graffiti": "graffiti"}
THEMES = ("light", "dark")
# Controls that turn the direction of text around, so that an address can look like another one.
BIDI_CONTROLS = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
# What would break a line out of its row, or is no character at all for a browser.
CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029]")


@register.simple_tag
def icon(name: str) -> SafeString:
    return format_html('<svg class="i" aria-hidden="true"><use href="#i-{}"/></svg>', name)


@register.simple_tag(takes_context=True)
def theme(context: Context) -> SafeString | str:
    """The theme that the person has chosen, as an attribute of `<html>`; nothing where the system's own counts."""
    request = context.get("request")
    chosen = request.COOKIES.get("theme") if request else None
    return format_html(' data-theme="{}"', chosen) if chosen in THEMES else ""


@register.filter
def label_icon(label: str) -> str:
    return LABEL_ICONS.get(label, "file")


@register.filter
def short_label(label: str) -> str:
    """The label's word for narrow places."""
    words = {
        "financial_pyramid": pgettext("short label", "Pyramid"),
        "drug_shop": pgettext("short label", "Drug shop"),
        "drug_graffiti": pgettext("short label", "Graffiti"),
    }
    return words.get(label, label)


@register.filter
def number(value: int | float | None) -> str:
    """12430 as `12 430` with no-break spaces; 37.6 as `37,6`; nothing known as a dash."""
    if value is None:
        return "–"
    if isinstance(value, float) and not value.is_integer():
        return f"{value:,.1f}".replace(",", NO_BREAK).replace(".", ",")
    return f"{int(value):,}".replace(",", NO_BREAK)


@register.filter
def score(value: float | None) -> str:
    """0.94 as `0,94`: scores always have two digits."""
    return "–" if value is None else f"{value:.2f}".replace(".", ",")


@register.filter
def whole(value: float) -> str:
    """Harm: no digits after the point."""
    return number(round(value))


@register.filter
def until(value: datetime | None) -> str:
    """Minutes and seconds that are left, `13:40`."""
    left = max(0, int((value - timezone.now()).total_seconds())) if value else 0
    return f"{left // 60}:{left % 60:02}"


@register.filter
def size(value: int | None) -> str:
    """Bytes in the unit that people read."""
    if value is None:
        return "–"
    units = (gettext("B"), gettext("KB"), gettext("MB"), gettext("GB"))
    amount, unit = float(value), units[0]
    for unit in units:
        if amount < 1000 or unit == units[-1]:
            break
        amount /= 1000
    shown = f"{amount:.1f}" if unit != units[0] and amount < 10 else f"{amount:.0f}"
    return shown.replace(".", ",") + NO_BREAK + unit


def duration(span: timedelta) -> str:
    """`30 мин`, `3 ч`, `3 д 4 ч`; from a month on only days."""
    minutes = max(0, int(span.total_seconds() // 60))
    hours, days = minutes // 60, minutes // (24 * 60)
    if hours < 1:
        return f"{minutes}{NO_BREAK}" + gettext("min")
    if days < 2:
        return f"{hours}{NO_BREAK}" + gettext("h")
    text = f"{number(days)}{NO_BREAK}" + gettext("d")
    rest = hours - days * 24
    return f"{text} {rest}{NO_BREAK}" + gettext("h") if rest and days < 30 else text


@register.filter
def age(moment: datetime | None) -> SafeString | str:
    """How long ago, with the full time behind it; a dash where nothing is known."""
    if moment is None:
        return "–"
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        moment.isoformat(timespec="seconds"),
        day_and_time(moment),
        duration(timezone.now() - moment),
    )


@register.filter
def moment(value: datetime | str | None) -> datetime | None:
    """A moment from the JSON of a record."""
    return parse_datetime(value) if isinstance(value, str) else value


@register.filter
def clock(value: datetime | None) -> str:
    return timezone.localtime(value).strftime("%H:%M") if value else "–"


@register.filter
def day(value: datetime | None) -> str:
    return timezone.localtime(value).strftime("%d.%m.%Y") if value else "–"


@register.filter
def day_and_time(value: datetime | None) -> str:
    return timezone.localtime(value).strftime("%d.%m.%Y, %H:%M") if value else "–"


@register.filter
def time_tag(value: datetime | None) -> SafeString | str:
    """`08:14` for today, `11.03, 08:14` for earlier."""
    if value is None:
        return "–"
    local = timezone.localtime(value)
    shown = local.strftime("%H:%M") if local.date() == timezone.localdate() else local.strftime("%d.%m, %H:%M")
    return format_html(
        '<time datetime="{}" title="{}">{}</time>', value.isoformat(timespec="seconds"), day_and_time(value), shown
    )


@register.filter(name="id")
def identifier(value: int | str) -> str:
    """A key for addresses and fields: digits only, never grouped."""
    return str(value)


@register.filter
def numbered(value: int | str) -> str:
    return f"№{NO_BREAK}{value}"


@register.filter
def short_hash(value: str | None) -> str:
    return f"{value[:4]}…{value[-4:]}" if value else "–"


@register.filter
def plain(value: str | None) -> str:
    """Crawled text for one line of a page: what would turn its direction or break it is shown as a box.

    Every character stays one character. Escaping is the template's.
    """
    text = "" if value is None else str(value)
    return CONTROLS.sub("�", BIDI_CONTROLS.sub("▯", text))


@register.filter
def bare(address: str) -> str:
    """An address without its scheme, for narrow places."""
    return plain(address).removeprefix("https://").removeprefix("http://")


@register.filter
def masked(value: str, kind: str) -> str:
    """Cards, wallets, phones and personal numbers keep only what is needed to tell two of them apart."""
    text = plain(value)
    if kind in {"card", "iban"} and len(text) > 8:
        return f"{text[:4]}…{text[-4:]}"
    if kind.startswith("wallet_") and len(text) > 6:
        return f"{text[:1]}…{text[-4:]}"
    if kind == "phone" and len(text) > 6:
        return f"{text[:4]}…{text[-2:]}"
    if kind in {"iin", "email"}:
        return f"{text[:2]}…"
    if kind in {"telegram"}:
        return f"@{text}"
    return text
