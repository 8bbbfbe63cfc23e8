"""What falls together with a target, in words."""

from collections.abc import Mapping
from typing import Any

from django.utils.formats import number_format
from django.utils.translation import gettext, ngettext


def describe_fall(kind: str, facts: Mapping[str, Any]) -> str:
    """One line in the language that is active. facts: posts, flagged, subscribers (numbers), https (yes or no)."""
    words: list[str] = []
    if kind == "message":
        words.append(gettext("this post only"))
        if (remain := facts.get("flagged", 1) - 1) > 0:
            words.append(_counted(ngettext("%(n)s similar post stays", "%(n)s similar posts stay", remain), remain))
    elif kind == "bot":
        words.append(gettext("named in the posts; a request of its own"))
    elif posts := facts.get("posts"):
        clean = max(posts - facts.get("flagged", 0), 0)
        words.append(_counted(ngettext("%(n)s post", "%(n)s posts", posts), posts))
        words.append(_counted(ngettext("%(n)s without signs", "%(n)s without signs", clean), clean))
    if kind == "channel" and (people := facts.get("subscribers")):
        words.append(_counted(ngettext("%(n)s reader", "%(n)s readers", people), people))
    if kind in {"page", "subdomain", "domain"} and facts.get("https"):
        words.append(gettext("HTTPS: operators close the whole host"))
    return ", ".join(words)


def _counted(phrase: str, number: int) -> str:
    return phrase % {"n": number_format(number, force_grouping=True)}
