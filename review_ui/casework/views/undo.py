"""The ten seconds after a decision in which its author may take it back."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.http import HttpRequest

from qalqan import clock
from review_ui.casework.models import Decision

KEY = "undo"
OFFERED = timedelta(seconds=10)


@dataclass(frozen=True)
class UndoOffer:
    decision: UUID
    text: str
    ends: datetime


def offer_undo(request: HttpRequest, decision: Decision, text: str) -> None:
    ends = decision.at + OFFERED
    request.session[KEY] = {"decision": str(decision.pk), "text": text, "ends": ends.isoformat()}


def undo_offer(request: HttpRequest) -> UndoOffer | None:
    """What the toast offers; nothing once the time has passed."""
    stored = request.session.get(KEY)
    if stored is None:
        return None
    ends = datetime.fromisoformat(stored["ends"])
    if ends <= clock.now():
        del request.session[KEY]
        return None
    return UndoOffer(UUID(stored["decision"]), stored["text"], ends)


def withdraw_offer(request: HttpRequest) -> None:
    request.session.pop(KEY, None)
