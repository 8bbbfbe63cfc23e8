"""Documents, people and decisions for the casework tests; all names are invented."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.db import connection

from qalqan import clock
from qalqan.evidence import Exchange, WarcWriter
from qalqan.records import Capture, Channel, Document, Entity, Finding, document_id
from qalqan.store import Store
from review_ui.accounts.models import Role, User
from review_ui.casework.card import DecisionForm
from review_ui.casework.decisions import decide
from review_ui.casework.intake import take_in
from review_ui.casework.models import Case, Decision, Request
from review_ui.casework.refusals import Refusal

PYRAMID_TEXT = (
    "Открыт третий раунд «Пример-Доход». Вход от 20 000 ₸, доход 30 % в месяц. "
    "Приглашаешь двоих — получаешь 10 % с каждого взноса. Пиши «+» в бот @primer_dohod_bot."
)


def person(name: str, *roles: Role) -> User:
    user = User(
        username=name, first_name=name[:1].upper(), last_name=name.title(), roles=[role.value for role in roles]
    )
    user.set_unusable_password()
    user.save()
    return user


@dataclass
class Desk:
    home: Path
    store: Store
    people: dict[str, User] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("aliya", "bolat", "dana"):
            self.people[name] = person(name, Role.MODERATOR)
        self.people["erlan"] = person("erlan", Role.OFFICER)
        self.people["reader"] = person("reader", Role.REGULATOR)
        self.people["auditor"] = person("auditor", Role.AUDITOR)
        self.aliya, self.bolat, self.dana = (self.people[name] for name in ("aliya", "bolat", "dana"))
        self.erlan = self.people["erlan"]
        self._warc = 0

    # documents

    def capture(self, url: str, payload: bytes = b"<html>seen</html>") -> Capture:
        self._warc += 1
        writer = WarcWriter(str(self.home / "evidence"), f"test-{clock.now():%H%M%S%f}-{self._warc}", 10**9)
        capture = writer.write(
            Exchange(
                url=url,
                fetched_at=clock.now(),
                method="GET",
                request_headers=[],
                status=200,
                response_headers=[(b"content-type", b"text/html")],
                payload=payload,
            )
        )
        writer.close()
        self.store.put_captures([capture])
        return capture

    def post(
        self,
        number: int = 118,
        text: str = PYRAMID_TEXT,
        *,
        channel: str = "Primer_Dohod_000",
        label: str = "financial_pyramid",
        score: float = 0.94,
        is_sealed: bool = True,
        **more: Any,
    ) -> Document:
        """A flagged Telegram post, stored."""
        url = f"https://t.me/{channel}/{number}"
        document = Document(
            id=document_id("telegram", channel, str(number)),
            url=url,
            canonical_url=url.lower(),
            site="telegram",
            channel=channel,
            post_id=str(number),
            published_at=clock.now() - timedelta(hours=2),
            fetched_at=clock.now(),
            text=text,
            lang=more.pop("lang", "ru"),
            entities=more.pop("entities", handles_in(text)),
            capture_id=self.capture(url).id if is_sealed else None,
            findings=findings(**{label: score}),
            **more,
        )
        self.store.put_documents([document])
        return document

    def page(self, url: str, text: str = "Витрина", *, label: str = "drug_shop", score: float = 0.9) -> Document:
        document = Document(
            id=document_id("web", url),
            url=url,
            canonical_url=url,
            site="web",
            fetched_at=clock.now(),
            title="Образец",
            text=text,
            lang="kk",
            capture_id=self.capture(url).id,
            findings=findings(**{label: score}),
        )
        self.store.put_documents([document])
        return document

    def channel(self, handle: str = "Primer_Dohod_000", subscribers: int = 18_420) -> Channel:
        channel = Channel(
            site="telegram",
            handle=handle,
            url=f"https://t.me/{handle}",
            title="«Пример-Доход», третий раунд",
            subscribers=subscribers,
            posts_seen=214,
            status="public",
            checked_at=clock.now(),
        )
        self.store.put_channel(channel)
        return channel

    # cases

    def case(self, **post: Any) -> Case:
        """The case of one new post."""
        document = self.post(**post)
        take_in(self.store)
        return Case.objects.filter(materials__document_id=document.id).latest("pk")

    def form(self, case: Case, **answers: Any) -> DecisionForm:
        """A confirmation that nothing stands against, for the narrowest target, unless the answers say otherwise."""
        material = case.materials.first()
        text = material.document["text"]
        given: dict[str, Any] = {
            "outcome": "confirm",
            "label": "financial_pyramid",
            "speaker": "offender",
            "codes": ["FP01", "FP02", "FP15"],
            "quotes": [{"material": material.pk, "start": 0, "end": 6, "text": text[:6], "code": "FP15"}],
            "target_id": case.targets.get(kind=answers.pop("kind", "message")).pk if case.targets.exists() else None,
            "wider_reason": "Все записи о проекте",
            "nexus": ["tenge"],
            "route": "R4",
            "reason": "Обещан доход, плата за привлечение и призыв вступить.",
        }
        return DecisionForm(**{**given, **answers})

    def decide(self, case: Case, user: User, **answers: Any) -> Decision:
        return decide(case, user, self.form(case, **answers))

    def request(self, **post: Any) -> Request:
        """An approved request of a new case."""
        case = self.case(**post)
        self.decide(case, self.aliya)
        self.decide(case, self.bolat)
        return case.requests.get()


def at_once(*calls: Callable[[], Any]) -> list[str]:
    """Every call in a thread of its own, begun together: "done", or the key of its refusal; sorted."""
    start = threading.Barrier(len(calls))
    results: list[str] = []

    def run(call: Callable[[], Any]) -> None:
        start.wait()
        try:
            call()
            results.append("done")
        except Refusal as refusal:
            results.append(refusal.key)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(results)


def handles_in(text: str) -> tuple[Entity, ...]:
    place = text.find("@")
    if place < 0:
        return ()
    handle = text[place + 1 :].split()[0].rstrip(".,")
    return (Entity(kind="telegram", value=handle, start=place, end=place + 1 + len(handle)),)


def findings(**scores: float) -> tuple[Finding, ...]:
    return tuple(
        Finding(
            label=label,  # type: ignore[arg-type]
            score=scores.get(label, 0.02),
            threshold=0.6,
            flagged=scores.get(label, 0.0) >= 0.6,
            model="text-kk-ru 0.1",
        )
        for label in ("financial_pyramid", "drug_shop", "drug_graffiti")
    )
