"""Entries of the audit chain can be neither changed nor deleted."""

from django.db import migrations

from review_ui.audit.triggers import Trigger, install, remove

TRIGGERS = (
    Trigger("audit_entry_no_update", "audit_auditentry", "UPDATE", "1 = 1", "an audit entry cannot be changed"),
    Trigger("audit_entry_no_delete", "audit_auditentry", "DELETE", "1 = 1", "an audit entry cannot be deleted"),
    Trigger("audit_head_no_delete", "audit_audithead", "DELETE", "1 = 1", "the end of the chain cannot be deleted"),
    Trigger(
        "audit_head_grows",
        "audit_audithead",
        "UPDATE",
        "NEW.sequence <= OLD.sequence",
        "the audit chain only grows",
    ),
)


class Migration(migrations.Migration):
    dependencies = [("audit", "0001_initial")]
    operations = [
        migrations.RunPython(
            lambda apps, editor: install(editor, TRIGGERS), lambda apps, editor: remove(editor, TRIGGERS)
        )
    ]
