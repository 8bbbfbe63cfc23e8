"""The harm of a case as a sum in words, and as a bar of 72 units."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.utils.translation import gettext, pgettext

from review_ui.casework.models import LabelChoice
from review_ui.casework.templatetags.desk import NO_BREAK, duration, number, score

BAR, GAP = 72.0, 0.8
NOTABLE = frozenset({"came_back", "near_school"})


@dataclass(frozen=True)
class Addend:
    """One part of the sum. x, width: its place in the bar, written for SVG. css: h1 and h2 alternate, hb is notable."""

    words: str
    value: str
    x: str
    width: str
    css: str


def addends(parts: Sequence[dict[str, Any]]) -> list[Addend]:
    shown: list[Addend] = []
    x = 0.0
    for index, part in enumerate(parts):
        width = max(BAR * part["value"] / 100 - GAP, 0.4)
        css = ("h1" if index % 2 == 0 else "h2") + (" hb" if part["part"] in NOTABLE else "")
        value = number(float(part["value"]))
        shown.append(Addend(_words(part["part"], part["detail"]), value, f"{x:.1f}", f"{width:.1f}", css))
        x += width + GAP
    return shown


def one_line(parts: Sequence[Addend], total: str) -> str:
    return " + ".join(f"{part.value} {part.words}" for part in parts) + f" = {total}"


def _words(part: str, detail: str) -> str:
    if part == "model":
        value, _, factor = detail.partition(" × ")
        return gettext("model %(detail)s") % {"detail": f"{score(float(value))} × {factor}"}
    if part == "label":
        return str(LabelChoice(detail).label).lower()
    if part == "audience":
        return gettext("audience %(detail)s") % {"detail": f"3 × lg{NO_BREAK}{number(int(detail.rsplit(' ', 1)[-1]))}"}
    if part == "freshness":
        return gettext("freshness, %(age)s") % {"age": duration(timedelta(hours=float(detail)))}
    if part == "waiting":
        return gettext("waits %(age)s") % {"age": duration(timedelta(hours=float(detail)))}
    if part == "came_back":
        return pgettext("harm", "came back")
    return gettext("a school is near")
