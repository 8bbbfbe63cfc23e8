"""Acts and connections of a case in words."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext

from review_ui.audit.models import AuditEntry
from review_ui.casework.models import Case
from review_ui.casework.related import Related
from review_ui.casework.templatetags.desk import plain

# What would tell a blind reader how others decided.
SEALED_ACTS = ("decision.", "request.", "package.")


@dataclass(frozen=True)
class JournalRow:
    at: datetime
    text: str
    details: list[tuple[str, str]]
    sequence: str
    hash: str


def journal_row(entry: AuditEntry, *, reader: str, is_blind: bool) -> JournalRow:
    """is_blind: of a decision only that it exists is told, and of colleagues not who they are."""
    if is_blind and entry.act.startswith(SEALED_ACTS):
        return JournalRow(
            entry.at, gettext("an earlier opinion is recorded, hidden from you"), [], str(entry.sequence), ""
        )
    if entry.actor.startswith("system:"):
        who = gettext("the program")
    elif entry.actor == reader:
        who = gettext("you")
    else:
        who = gettext("a colleague") if is_blind else plain(entry.actor)
    return JournalRow(
        entry.at,
        f"{act_title(entry.act)} · {who}",
        [(plain(key), plain(_shown(value))) for key, value in entry.details.items() if value is not None],
        str(entry.sequence),
        entry.hash,
    )


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(str(item) for item in value)
    return str(value)


def act_title(act: str) -> str:
    """The act in words; one that has none yet is shown by its constant name."""
    titles = {
        "case.opened": gettext("collected, scored, in the queue"),
        "case.recollected": gettext("collected again, back in the queue"),
        "case.claimed": gettext("taken"),
        "case.released": gettext("let go"),
        "decision.confirmed": gettext("confirmed"),
        "decision.rejected": gettext("rejected"),
        "decision.returned": gettext("sent back to collection"),
        "decision.handed_over": gettext("handed over"),
        "decision.withdrawn": gettext("decision taken back"),
        "request.approved": gettext("request approved"),
        "evidence.downloaded": gettext("sealed bytes downloaded"),
    }
    return titles.get(act, act)


@dataclass(frozen=True)
class RelatedRow:
    case: Case
    reason: str


def related_rows(related: Iterable[Related]) -> list[RelatedRow]:
    reasons = {
        "returned_from": gettext("this case came back from it"),
        "near_duplicate": gettext("almost the same text"),
        "card": gettext("the same card %(detail)s"),
        "iban": gettext("the same account %(detail)s"),
        "wallet_btc": gettext("the same wallet %(detail)s"),
        "wallet_eth": gettext("the same wallet %(detail)s"),
        "wallet_trx": gettext("the same wallet %(detail)s"),
        "phone": gettext("the same phone %(detail)s"),
        "telegram": gettext("the same name %(detail)s"),
        "telegram_invite": gettext("the same invitation"),
        "email": gettext("the same e-mail %(detail)s"),
        "domain": gettext("the same site %(detail)s"),
    }
    return [
        RelatedRow(item.case, reasons[item.reason_key].replace("%(detail)s", plain(item.detail))) for item in related
    ]
