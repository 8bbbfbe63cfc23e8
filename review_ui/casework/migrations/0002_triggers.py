"""What must never happen in casework, whoever asks the database for it."""

from django.db import migrations

from review_ui.audit.triggers import Trigger, install, remove, unchanged

_DECISION = (
    "id", "case_id", "user_id", "round", "stage", "outcome", "label", "speaker", "codes", "has_contact", "quotes",
    "target_id", "wider_reason", "protected_reason", "nexus", "route", "urgency", "reason", "override_reason", "seen",
    "at",
)
_PACKAGE = (
    "number", "route", "sender", "addressee", "created_by_id", "created_at", "frozen_by_id", "frozen_at", "envelope",
    "sequence",
)

# Two standing confirmations of the same target by two people.
_AGREED = """
    EXISTS (
        SELECT 1 FROM casework_decision a, casework_decision b
        WHERE a.id = NEW.first_id AND b.id = NEW.second_id AND a.user_id <> b.user_id
        AND a.outcome = 'confirm' AND b.outcome = 'confirm' AND a.withdrawn_at IS NULL AND b.withdrawn_at IS NULL
        AND a.case_id = NEW.case_id AND b.case_id = NEW.case_id
        AND a.target_id = NEW.target_id AND b.target_id = NEW.target_id
    )
"""

_FROZEN = "EXISTS (SELECT 1 FROM casework_package p WHERE p.number = {} AND p.frozen_at IS NOT NULL)"

TRIGGERS = (
    Trigger(
        "decision_no_update",
        "casework_decision",
        "UPDATE",
        f"NOT (OLD.withdrawn_at IS NULL AND NEW.withdrawn_at IS NOT NULL AND {unchanged(_DECISION)})",
        "a decision cannot be changed, only withdrawn once",
    ),
    Trigger("decision_no_delete", "casework_decision", "DELETE", "1 = 1", "a decision cannot be deleted"),
    Trigger(
        "request_two_people",
        "casework_request",
        "INSERT",
        f"NOT {_AGREED}",
        "a request needs the same confirmation of two different people",
    ),
    Trigger(
        "request_no_change",
        "casework_request",
        "UPDATE",
        f"NOT ({unchanged(('uid', 'number', 'case_id', 'target_id', 'first_id', 'second_id', 'approved_at'))})",
        "a request keeps its target and its decisions",
    ),
    Trigger("request_no_delete", "casework_request", "DELETE", "1 = 1", "a request cannot be deleted"),
    Trigger(
        "request_frozen",
        "casework_request",
        "UPDATE",
        "(OLD.package_id IS DISTINCT FROM NEW.package_id) AND "
        f"({_FROZEN.format('OLD.package_id')} OR {_FROZEN.format('NEW.package_id')})",
        "a frozen package keeps its requests",
    ),
    Trigger(
        "package_frozen",
        "casework_package",
        "UPDATE",
        f"OLD.frozen_at IS NOT NULL AND NOT ({unchanged(_PACKAGE)})",
        "a frozen package cannot be changed",
    ),
    Trigger("package_no_delete", "casework_package", "DELETE", "1 = 1", "a package cannot be deleted"),
    Trigger("package_file_no_update", "casework_packagefile", "UPDATE", "1 = 1", "a signed file cannot be changed"),
    Trigger("package_file_no_delete", "casework_packagefile", "DELETE", "1 = 1", "a signed file cannot be deleted"),
)


class Migration(migrations.Migration):
    dependencies = [("casework", "0001_initial"), ("audit", "0002_triggers")]
    operations = [
        migrations.RunPython(
            lambda apps, editor: install(editor, TRIGGERS), lambda apps, editor: remove(editor, TRIGGERS)
        )
    ]
