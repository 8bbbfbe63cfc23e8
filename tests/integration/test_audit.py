"""The audit chain over a real database: gapless under load, masked, and broken links are found."""

import json
import threading
from pathlib import Path

import pytest

pytestmark = pytest.mark.usefixtures("database")


def test_every_act_of_a_case_is_there_in_order(desk) -> None:
    from review_ui.audit.chain import entries_for, verify_chain
    from review_ui.casework.claims import claim

    request = desk.request()
    claim(desk.case(channel="ulgi_kassa"), desk.aliya)
    assert [(entry.actor, entry.act) for entry in entries_for(request.case)] == [
        ("system:intake", "case.opened"),
        ("aliya", "decision.confirmed"),
        ("bolat", "decision.confirmed"),
        ("bolat", "request.approved"),
    ]
    report = verify_chain()
    assert (report.is_intact, report.entries) == (True, 6)


def test_entries_have_no_gaps_when_many_write_at_once() -> None:
    from django.db import connection

    from review_ui.audit.chain import record, verify_chain
    from review_ui.audit.models import AuditEntry

    def write(name: str) -> None:
        for _ in range(10):
            record("test.act", actor=f"system:{name}")
        connection.close()

    threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(AuditEntry.objects.values_list("sequence", flat=True)) == list(range(1, 41))
    assert verify_chain().is_intact


def test_an_act_that_fails_leaves_no_entry() -> None:
    from django.db import transaction

    from review_ui.audit.chain import record
    from review_ui.audit.models import AuditEntry

    with pytest.raises(ZeroDivisionError), transaction.atomic():
        record("test.act", actor="system:test")
        _ = 1 / 0
    assert record("test.act", actor="system:test").sequence == 1
    assert AuditEntry.objects.count() == 1


def test_details_are_masked_and_survive_the_database() -> None:
    from review_ui.audit.chain import record, verify_chain
    from review_ui.audit.models import AuditEntry

    details = {
        "reason": "карта 0000 0012 3456 7890, тел. +7 701 000 00 00, primer@primer.example\0\ud800",
        "score": 0.1 + 0.2,
        "numbers": [1, None, True, "т"],
    }
    record("test.act", actor="system:test", details=details)
    assert AuditEntry.objects.get().details == {
        "reason": "карта 0000 00•• •••• 7890, тел. +7 ••• ••• •• 00, •••@•••?",
        "score": "0.30000000000000004",
        "numbers": [1, None, True, "т"],
    }
    assert verify_chain().is_intact


def test_a_changed_or_cut_chain_is_found() -> None:
    from django.db import connection

    from review_ui.audit.chain import record, verify_chain

    for number in range(5):
        record("test.act", actor="system:test", details={"number": number})
    with connection.cursor() as cursor:  # somebody with full rights to the database
        on_table = " ON audit_auditentry" if connection.vendor == "postgresql" else ""
        for trigger in ("audit_entry_no_update", "audit_entry_no_delete"):
            cursor.execute(f"DROP TRIGGER {trigger}{on_table}")
        cursor.execute("UPDATE audit_auditentry SET actor = 'other' WHERE sequence = 3")
        report = verify_chain()
        assert (report.broken_at, report.problem) == (3, "entry 3 was changed after it was written")
        cursor.execute("UPDATE audit_auditentry SET actor = 'system:test' WHERE sequence = 3")
        cursor.execute("DELETE FROM audit_auditentry WHERE sequence = 2")
        assert verify_chain().broken_at == 2
        cursor.execute("DELETE FROM audit_auditentry WHERE sequence > 1")
        report = verify_chain()
        assert (report.broken_at, report.problem) == (2, "entries from 2 on are gone")


def test_the_exported_chain_is_verified_line_by_line(desk, tmp_path: Path) -> None:
    from qalqan.chain import check_chain_file
    from qalqan.signing import verify_path
    from review_ui.exports import export

    desk.request()
    path = tmp_path / "audit.jsonl"
    report = export("audit", path)
    assert (report.rows, check_chain_file(path).entries) == (4, 4)
    assert verify_path(path).is_intact
    lines = path.read_text().splitlines()
    entry = json.loads(lines[2])
    entry["actor"] = "somebody"
    path.write_text("\n".join([*lines[:2], json.dumps(entry), *lines[3:]]))
    assert check_chain_file(path).broken_at == 3
    assert [file.problem for file in verify_path(path).problems] == [
        "the audit chain is broken at line 3: entry 3 was changed after it was written"
    ]


def test_log_ins_are_recorded(desk) -> None:
    from django.contrib.auth import get_user_model
    from django.test import Client

    from review_ui.audit.models import AuditEntry

    user = get_user_model().objects.get(username="aliya")
    client = Client()
    client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
    client.logout()
    from django.contrib.auth import authenticate

    authenticate(username="aliya", password="not the password")
    authenticate(username="my secret password", password="x")
    assert list(AuditEntry.objects.values_list("actor", "act", "object_id")) == [
        ("aliya", "user.logged_in", str(user.pk)),
        ("aliya", "user.logged_out", str(user.pk)),
        ("anonymous", "user.log_in_failed", str(user.pk)),
        ("anonymous", "user.log_in_failed", ""),
    ]


def test_make_user_prints_a_password_once(desk, capsys, monkeypatch) -> None:
    import io

    from django.contrib.auth import authenticate
    from django.core.management import CommandError, call_command

    call_command("make_user", "gulnar", role=["moderator", "officer"], first="Гүлнар", last="Үлгі")
    password = capsys.readouterr().out.strip()
    user = authenticate(username="gulnar", password=password)
    assert (user.roles, user.short_name) == (["moderator", "officer"], "Г. Үлгі")
    monkeypatch.setattr("sys.stdin", io.StringIO("a long password of ours\n"))
    call_command("make_user", "gulnar", "--role", "auditor", "--password-stdin")
    assert authenticate(username="gulnar", password="a long password of ours").roles == ["auditor"]
    assert capsys.readouterr().out == ""
    with pytest.raises(CommandError, match="unknown role 'boss'"):
        call_command("make_user", "gulnar", role=["boss"])
    with pytest.raises(CommandError, match="no user name"):
        call_command("make_user", "a b;c", role=["moderator"])
