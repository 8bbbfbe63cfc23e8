"""What every export format of requests must do; a new one is tested by subclassing this."""

import io
from abc import ABC, abstractmethod
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from review_ui.exports.base import Exporter, Row


def row(**changes: Any) -> Row:
    """A whole row with invented values."""
    return {
        "request_uid": "0195f0a0-0000-7000-8000-000000000001",
        "number": "2841-1",
        "case": 2841,
        "title": "«Пример-Доход», третий раунд",
        "label": "financial_pyramid",
        "codes": ["FP01", "FP02", "FP15"],
        "reason": "Обещан доход; плата за привлечение.",
        "second_reason": "То же.",
        "override_reason": "",
        "quotes": [{"code": "FP15", "text": "Пиши «+»"}],
        "target_kind": "channel",
        "target_address": "@primer_dohod_000",
        "target_url_original": "https://t.me/primer_dohod_000",
        "target_url_normalised": "https://t.me/primer_dohod_000",
        "platform": "telegram",
        "domain": "t.me",
        "protected_hit": "",
        "protected_reason": "",
        "scope_reason": "Все записи о проекте",
        "collateral": {"posts": 214, "flagged": 205},
        "language": ["kk", "ru"],
        "publications": 4,
        "audience_count": 18420,
        "audience_counted_at": "2026-03-12T03:14:00Z",
        "kz_nexus": ["tenge"],
        "first_seen_at": "2026-03-12T03:15:00Z",
        "published_at": None,
        "captured_at": "2026-03-12T03:14:00Z",
        "timezone": "Asia/Almaty",
        "evidence": [{"capture_id": "c", "url": "u", "sha256": "0" * 64, "size_bytes": 1,
                      "captured_at": "2026-03-12T03:14:00Z", "warc_file": "a.warc.gz", "warc_record_id": "<urn:x>"}],
        "detected_by": "crawler",
        "model_id": ["text-kk-ru 0.1"],
        "score": 0.94,
        "l1_user": "aliya",
        "l1_at": "2026-03-12T05:00:00Z",
        "l2_user": "bolat",
        "l2_at": "2026-03-12T05:30:00Z",
        "approved_at": "2026-03-12T05:30:00Z",
        "urgency": "normal",
        "route": "R4",
        "review_due_at": "2026-04-11T05:30:00Z",
        "previous_requests": ["1174-1"],
        "package": 418,
        "sender": "Орган-образец",
        **changes,
    }  # fmt: skip


class ExporterContract(ABC):
    @abstractmethod
    def exporter(self) -> Exporter: ...

    @abstractmethod
    def read(self, content: bytes) -> list[dict[str, Any]]:
        """The rows as a reader of the format gets them; each must hold `title` and the target's address as `url`."""

    def written(self, rows: list[Row]) -> bytes:
        out = io.BytesIO()
        assert self.exporter().write(rows, out) == len(rows)
        assert not out.closed
        return out.getvalue()

    def test_its_name_and_extension_are_words(self) -> None:
        exporter = self.exporter()
        assert exporter.name.isidentifier()
        assert exporter.extension.isalnum()

    def test_every_row_is_there_in_its_order(self) -> None:
        rows = [row(title=f"№ {number}", target_url_original=f"https://t.me/primer/{number}") for number in range(50)]
        read = self.read(self.written(rows))
        assert [(one["title"], one["url"]) for one in read] == [
            (one["title"], one["target_url_original"]) for one in rows
        ]

    def test_no_rows_are_a_whole_file(self) -> None:
        assert self.read(self.written([])) == []

    def test_what_is_unknown_may_be_null(self) -> None:
        unknown = row(audience_count=None, domain=None, captured_at=None, evidence=[], quotes=[], previous_requests=[])
        assert len(self.read(self.written([unknown]))) == 1

    def test_the_same_rows_give_the_same_bytes(self) -> None:
        assert self.written([row(), row(number="2841-2")]) == self.written([row(), row(number="2841-2")])

    def test_any_text_stays_one_row(self) -> None:
        @given(st.text(st.characters(codec="utf-8", exclude_characters="\0")))
        @settings(max_examples=100, deadline=None)
        def check(text: str) -> None:
            (read,) = self.read(self.written([row(title=text)]))
            assert read["title"] in {text, f"'{text}"}

        check()
