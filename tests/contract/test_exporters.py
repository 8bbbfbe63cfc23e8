"""Every export format keeps the contract; what is particular to one is tested beside it."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from exporter_contract import ExporterContract, row

from qalqan.errors import ConfigurationError
from review_ui.exports.csv import CsvExporter
from review_ui.exports.fields import DEFAULT_COLUMNS, FIELDS, read_columns
from review_ui.exports.jsonl import JsonlExporter

COLUMNS = (
    "title;url;reason;object_type;resource_type;violation;language;group;screenshot;publications;subscribers;"
    "court_decision;source"
)


class TestCsv(ExporterContract):
    def exporter(self) -> CsvExporter:
        return CsvExporter()

    def read(self, content: bytes) -> list[dict[str, Any]]:
        return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""), delimiter=";"))

    def test_for_excel_with_a_mark_semicolons_and_crlf(self) -> None:
        content = self.written([row(reason="одно; другое")])
        assert content == (
            "\ufeff" + COLUMNS + "\r\n"
            "«Пример-Доход», третий раунд;https://t.me/primer_dohod_000;\"одно; другое\";канал;telegram;"
            "\"Финансовая пирамида: FP01 Обещан доход намного выше рынка или «гарантия» дохода; "
            "FP02 Выплата за привлечение новых участников (реферал, линии, матрица); "
            "FP15 Призыв: ссылка-приглашение, чат, вебинар, «пиши +»\";казахский, русский;Мошенничество;"
            "a.warc.gz#<urn:x>;4;18420;;Орган-образец\r\n"
        ).encode()  # fmt: skip

    @pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
    def test_no_cell_is_a_formula(self, start: str) -> None:
        (read,) = self.read(self.written([row(title=f"{start}HYPERLINK(1)", reason="обычная = причина")]))
        assert read["title"] == f"'{start}HYPERLINK(1)"
        assert read["reason"] == "обычная = причина"

    def test_every_field_can_be_a_column(self) -> None:
        out = io.BytesIO()
        CsvExporter({name: name for name in FIELDS}).write([row()], out)
        (read,) = self.read(out.getvalue())
        assert read["codes_ru"].startswith("FP01 Обещан доход")
        assert (read["quotes"], read["label_kk"], read["empty"]) == ("Пиши «+»", "Қаржы пирамидасы", "")


class TestJsonl(ExporterContract):
    def exporter(self) -> JsonlExporter:
        return JsonlExporter()

    def read(self, content: bytes) -> list[dict[str, Any]]:
        return [{**one, "url": one["target_url_original"]} for one in map(json.loads, content.split(b"\n")[:-1])]

    def test_nothing_is_left_out(self) -> None:
        assert json.loads(self.written([row()])) == row()


class TestColumns:
    def test_without_a_file_the_built_in_ones(self, tmp_path: Path) -> None:
        assert read_columns(tmp_path) == DEFAULT_COLUMNS
        assert ";".join(DEFAULT_COLUMNS) == COLUMNS

    def test_the_operator_names_them_in_order(self, tmp_path: Path) -> None:
        (tmp_path / "exchange.toml").write_text('[columns]\n"Адрес" = "target_address"\n"№" = "number"\n', "utf-8")
        out = io.BytesIO()
        CsvExporter.configured(tmp_path).write([row()], out)
        assert out.getvalue().decode("utf-8-sig") == "Адрес;№\r\n'@primer_dohod_000;2841-1\r\n"

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ('[columns]\nurl = "adress"', "column 'url' names the unknown field 'adress'; known: "),
            ("[columns]\nurl = 1", "column 'url' names the unknown field 1"),
            ("[columns]", r"\[columns\] is empty"),
            ("", r"\[columns\] is empty"),
            ('[rows]\nurl = "number"', "unknown key 'rows'"),
            ("columns = [", "is not TOML"),
        ],
    )
    def test_mistakes_are_named(self, tmp_path: Path, content: str, message: str) -> None:
        (tmp_path / "exchange.toml").write_text(content)
        with pytest.raises(ConfigurationError, match=message):
            read_columns(tmp_path)
