"""Django's registration of the audit log."""

from django.apps import AppConfig


class AuditConfig(AppConfig):
    name = "review_ui.audit"

    def ready(self) -> None:
        from review_ui.audit import signals  # noqa: F401  (connects the receivers; needs the models to be loaded)
