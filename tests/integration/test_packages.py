"""Packages: gapless numbers, checks, separation of roles, freezing, signed files and exports of the same bytes."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from test_casework import keys_of

pytestmark = pytest.mark.usefixtures("database")

COLUMNS = (
    "title;url;reason;object_type;resource_type;violation;language;group;screenshot;publications;subscribers;"
    "court_decision;source"
)


def make_package(desk: Any, **post: Any) -> Any:
    from review_ui.casework.packages import add_approved, create_package

    desk.request(**post)
    package = create_package(desk.erlan, "R4")
    add_approved(package, desk.erlan)
    return package


class TestAssembling:
    def test_numbers_have_no_gaps_and_routes_stay_apart(self, desk) -> None:
        from review_ui.casework.packages import add_approved, approved_requests, create_package

        request = desk.request()
        assert [create_package(desk.erlan, route).number for route in ("R1", "R4")] == [1, 2]
        other, package = create_package(desk.erlan, "R1"), create_package(desk.erlan, "R4")
        assert list(approved_requests("R4")) == [request]
        assert (add_approved(other, desk.erlan), add_approved(package, desk.erlan)) == (0, 1)
        assert (package.number, list(package.requests.all())) == (4, [request])
        assert list(approved_requests("R4")) == []

    def test_at_once_numbers_stay_gapless_and_a_package_is_signed_once(self, desk) -> None:
        from casework_makers import at_once

        from review_ui.casework.models import Package
        from review_ui.casework.packages import create_package, freeze

        package = make_package(desk)
        assert at_once(*[lambda: create_package(desk.erlan, "R1")] * 4) == ["done"] * 4
        assert sorted(Package.objects.values_list("number", flat=True)) == [1, 2, 3, 4, 5]
        again = Package.objects.get(pk=package.pk)
        assert at_once(lambda: freeze(package, desk.erlan), lambda: freeze(again, desk.erlan)) == ["done", "frozen"]

    def test_only_an_officer_assembles_and_signs(self, desk) -> None:
        from review_ui.casework.packages import add_approved, create_package, freeze

        for name in ("aliya", "reader", "auditor"):
            assert keys_of(lambda name=name: create_package(desk.people[name], "R4")) == ["role"]
        package = make_package(desk)
        assert keys_of(lambda: add_approved(package, desk.aliya)) == ["role"]
        assert keys_of(lambda: freeze(package, desk.people["reader"])) == ["role"]

    def test_whoever_decided_does_not_sign(self, desk) -> None:
        from review_ui.casework.packages import checks, freeze

        package = make_package(desk)
        desk.bolat.roles = ["moderator", "officer"]
        desk.bolat.save()
        assert keys_of(lambda: freeze(package, desk.bolat)) == ["officer_decided"]
        number = package.requests.get().number
        assert [(c.key, c.detail) for c in checks(package, desk.bolat) if not c.ok] == [("officer", number)]

    def test_a_removed_request_stays_approved(self, desk) -> None:
        from review_ui.casework.packages import approved_requests, remove_request

        package = make_package(desk)
        request = package.requests.get()
        assert keys_of(lambda: remove_request(package, request, desk.erlan, "")) == ["reason"]
        remove_request(package, request, desk.erlan, "Ждём ответа владельца")
        assert list(approved_requests("R4")) == [request]
        assert keys_of(lambda: remove_request(package, request, desk.erlan, "Ещё раз то же")) == ["not_in_package"]

    def test_checks_name_what_fails(self, desk, django_site: Path) -> None:
        from review_ui.casework.models import Material, ProtectedTarget
        from review_ui.casework.packages import checks, create_package, freeze

        package = make_package(desk, channel="primer_000")
        assert [check.key for check in checks(package) if not check.ok] == []
        request = package.requests.get()
        ProtectedTarget.objects.create(address="@primer_000", reason="СМИ")
        capture = Material.objects.get().capture
        file = django_site / "evidence" / capture["warc_file"]
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
        failing = {check.key: check.detail for check in checks(package) if not check.ok}
        assert failing == {"capture": request.number}
        assert keys_of(lambda: freeze(package, desk.erlan)) == ["checks"]
        empty = create_package(desk.erlan, "R4")
        assert [check.key for check in checks(empty) if not check.ok] == ["not_empty"]


class TestFreezing:
    def test_freezing_signs_and_nothing_changes_after(self, desk) -> None:
        from django.db import DatabaseError, transaction

        from review_ui.casework.models import Case, Package, PackageFile, Request
        from review_ui.casework.packages import add_approved, freeze, package_files, remove_request

        package = make_package(desk)
        request = package.requests.get()
        package = freeze(package, desk.erlan)
        assert (package.sequence, Request.objects.get().state, Case.objects.get().state) == (1, "packaged", "packaged")
        assert sorted(package_files(package)) == ["cover.txt", "manifest.json", "requests.csv", "requests.jsonl"]
        for refused in (
            lambda: freeze(package, desk.erlan),
            lambda: add_approved(package, desk.erlan),
            lambda: remove_request(package, request, desk.erlan, "Передумали уже потом"),
        ):
            assert keys_of(refused) == ["frozen"]
        for change in (
            lambda: Package.objects.update(addressee="другой"),
            lambda: PackageFile.objects.update(path="x"),
            lambda: Request.objects.update(package=None),
            lambda: Package.objects.all()._raw_delete("default"),
        ):
            with pytest.raises(DatabaseError), transaction.atomic():
                change()

    def test_the_files_say_the_same_in_every_form(self, desk) -> None:
        from qalqan.ids import sha256_hex
        from qalqan.signing import verify_envelope
        from review_ui.casework.packages import freeze, package_files

        desk.channel()
        text = "=Вход 0000 0012 3456 7890, звони +7 701 000 00 00. Пиши primer@primer.example в бот @primer_bot."
        case = desk.case(text=text)
        quote = {"material": case.materials.get().pk, "start": 0, "end": len(text), "text": text, "code": "FP15"}
        for user in (desk.aliya, desk.bolat):
            desk.decide(case, user, kind="channel", quotes=[quote])
        from review_ui.casework.packages import add_approved, create_package

        package = create_package(desk.erlan, "R4")
        add_approved(package, desk.erlan)
        package = freeze(package, desk.erlan)
        files = package_files(package)
        table = files["requests.csv"]
        assert table.startswith(b"\xef\xbb\xbf" + COLUMNS.encode() + b"\r\n")
        rows = list(csv.DictReader(io.StringIO(table.decode("utf-8-sig"), newline=""), delimiter=";"))
        material = case.materials.get()
        assert rows == [
            {
                "title": "«Пример-Доход», третий раунд",
                "url": "https://t.me/Primer_Dohod_000",
                "reason": "Обещан доход, плата за привлечение и призыв вступить.",
                "object_type": "канал",
                "resource_type": "telegram",
                "violation": "Финансовая пирамида: FP01 Обещан доход намного выше рынка или «гарантия» дохода; "
                "FP02 Выплата за привлечение новых участников (реферал, линии, матрица); "
                "FP15 Призыв: ссылка-приглашение, чат, вебинар, «пиши +»",
                "language": "русский",
                "group": "Мошенничество",
                "screenshot": f"{material.capture['warc_file']}#{material.capture['warc_record_id']}",
                "publications": "1",
                "subscribers": "18420",
                "court_decision": "",
                "source": "Орган-образец",
            }
        ]
        (row,) = [json.loads(line) for line in files["requests.jsonl"].splitlines()]
        assert row["quotes"] == [
            {
                "code": "FP15",
                "text": "=Вход 0000 00•• •••• 7890, звони +7 ••• ••• •• 00. Пиши •••@••• в бот @primer_bot.",
            }
        ]
        assert (row["l1_user"], row["l2_user"], row["target_kind"], row["target_url_normalised"]) == (
            "aliya", "bolat", "channel", "https://t.me/Primer_Dohod_000",
        )  # fmt: skip
        assert row["evidence"][0]["sha256"] == material.capture["sha256"]
        manifest, _ = verify_envelope(json.loads(files["manifest.json"]))
        assert {one["path"]: one["sha256"] for one in manifest["files"]} == {
            name: sha256_hex(content) for name, content in files.items() if name != "manifest.json"
        }
        assert {name: manifest[name] for name in ("format", "kind", "number", "sequence", "route", "n_items")} == {
            "format": "qalqan-manifest/1", "kind": "package", "number": 1, "sequence": 1, "route": "R4", "n_items": 1,
        }  # fmt: skip
        assert (manifest["sender"], manifest["addressee"]) == ("Орган-образец", "Комитет информации")
        assert "Пакет № 1" in files["cover.txt"].decode() and "№ 1 пакет" in files["cover.txt"].decode()

    def test_manifests_are_chained_in_the_order_of_freezing(self, desk) -> None:
        from qalqan.ids import sha256_hex
        from review_ui.casework.packages import add_approved, create_package, freeze, package_files

        early = create_package(desk.erlan, "R1")
        first = freeze(make_package(desk), desk.erlan)
        case = desk.case(channel="ulgi_kassa")
        for user in (desk.aliya, desk.dana):
            desk.decide(case, user, route="R1")
        add_approved(early, desk.erlan)
        second = freeze(early, desk.erlan)
        assert [(p.number, p.sequence) for p in (first, second)] == [(2, 1), (1, 2)]
        assert first.envelope["manifest"]["previous_sha256"] is None
        expected = sha256_hex(package_files(first)["manifest.json"])
        assert second.envelope["manifest"]["previous_sha256"] == expected


class TestExports:
    def test_writes_the_signed_bytes_again(self, desk, tmp_path: Path) -> None:
        from qalqan.signing import SigningKey, verify_path
        from review_ui.casework.packages import freeze, package_files
        from review_ui.exports import export

        package = freeze(make_package(desk), desk.erlan)
        files = package_files(package)
        report = export("package", tmp_path / "out", package=1)
        assert (report.rows, report.packages) == (1, (1,))
        assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == files
        assert export("package", tmp_path / "out", package=1) == report  # the same once more changes nothing
        (desk.home / "exchange.toml").write_text('[columns]\nurl = "target_address"\n')
        try:
            export("csv", tmp_path / "list.csv", package=1)
            assert (tmp_path / "list.csv").read_bytes() == files["requests.csv"]
            export("csv", tmp_path / "all.csv", since=0)
            address = package.requests.get().target.address
            assert (tmp_path / "all.csv").read_text("utf-8-sig") == f"url\n{address}\n"
        finally:
            (desk.home / "exchange.toml").unlink()
        trusted = {"this installation": SigningKey.load_or_create(desk.home).public_key}
        for path in ("out", "list.csv", "all.csv", "all.csv.manifest.json"):
            verification = verify_path(tmp_path / path, trusted_keys=trusted)
            assert (verification.problems, verification.signer.name) == ([], "this installation")
        (tmp_path / "all.csv").write_text("url\n")
        assert [file.path for file in verify_path(tmp_path / "all.csv").problems] == ["all.csv"]

    def test_since_leaves_out_what_was_fetched(self, desk, tmp_path: Path) -> None:
        from review_ui.casework.packages import freeze
        from review_ui.exports import export

        freeze(make_package(desk), desk.erlan)
        freeze(make_package(desk, channel="ulgi_kassa"), desk.erlan)
        report = export("jsonl", tmp_path / "new.jsonl", since=1)
        assert (report.rows, report.packages) == (1, (2,))
        (line,) = (tmp_path / "new.jsonl").read_bytes().splitlines()
        assert json.loads(line)["package"] == 2
        assert export("package", tmp_path / "all", since=0).packages == (1, 2)
        assert sorted(path.name for path in (tmp_path / "all").iterdir()) == ["1", "2"]

    def test_clear_errors_and_nothing_left_behind(self, desk, tmp_path: Path) -> None:
        from qalqan.errors import ConfigurationError, UsageError
        from review_ui.casework.packages import create_package
        from review_ui.exports import export

        create_package(desk.erlan, "R4")
        for arguments, words in (
            ({"format": "xlsx"}, "unknown format 'xlsx'; known: audit, csv, jsonl, package"),
            ({"format": "csv", "package": 7}, "there is no package 7; the last one is 1"),
            ({"format": "package", "package": 1}, "package 1 is not frozen yet"),
        ):
            with pytest.raises(UsageError, match=words):
                export(output=tmp_path / "out", **arguments)
        (desk.home / "exchange.toml").write_text('[columns]\nurl = "adress"\n')
        try:
            with pytest.raises(ConfigurationError, match="column 'url' names the unknown field 'adress'; known: "):
                export("csv", tmp_path / "out")
        finally:
            (desk.home / "exchange.toml").unlink()
        assert list(tmp_path.glob("out*")) == []

    def test_a_folder_in_use_is_left_alone(self, desk, tmp_path: Path) -> None:
        from qalqan.errors import UsageError
        from review_ui.casework.packages import freeze
        from review_ui.exports import export

        freeze(make_package(desk), desk.erlan)
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "notes.txt").write_text("mine")
        with pytest.raises(UsageError, match="in use"):
            export("package", tmp_path / "out", package=1)
        assert [path.name for path in (tmp_path / "out").iterdir()] == ["notes.txt"]

    def test_downloads_are_recorded(self, desk) -> None:
        from review_ui.audit.models import AuditEntry
        from review_ui.casework.packages import download, freeze, package_files

        package = freeze(make_package(desk), desk.erlan)
        content = download(package, "requests.csv", desk.people["reader"])
        assert content == package_files(package)["requests.csv"]
        entry = AuditEntry.objects.latest("sequence")
        assert (entry.actor, entry.act, entry.details["path"]) == ("reader", "package.downloaded", "requests.csv")
        assert keys_of(lambda: download(package, "requests.csv", desk.aliya)) == ["role"]
