"""Log-ins, failed log-ins and log-outs go to the audit chain."""

from typing import Any

from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.dispatch import receiver

from review_ui.accounts.models import User
from review_ui.audit.chain import record


@receiver(user_logged_in)
def record_log_in(sender: Any, user: User, **_: Any) -> None:
    record("user.logged_in", actor=user, object=user)


@receiver(user_logged_out)
def record_log_out(sender: Any, user: User | None, **_: Any) -> None:
    if user is not None:
        record("user.logged_out", actor=user, object=user)


@receiver(user_login_failed)
def record_failed_log_in(sender: Any, credentials: dict[str, Any], **_: Any) -> None:
    """The name is kept only where an account has it: people type passwords into the wrong field."""
    user = User.objects.filter(username=credentials.get("username") or "").first()
    record("user.log_in_failed", actor="anonymous", object=user)
