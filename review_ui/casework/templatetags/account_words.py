"""Words for the forms of django-allauth, which speaks no Kazakh."""

from django import template
from django.core.exceptions import ValidationError
from django.forms import BaseForm, BoundField
from django.utils.translation import gettext

register = template.Library()


@register.filter
def form_problem(form: BaseForm) -> str:
    """The first thing that is wrong, in our words."""
    for errors in form.errors.as_data().values():
        return _message(errors[0])
    return ""


@register.filter
def field_problem(field: BoundField) -> str:
    errors = field.form.errors.as_data().get(field.name, [])
    return " ".join(_message(error) for error in errors)


def _message(error: ValidationError) -> str:
    words = {
        "username_password_mismatch": gettext("The name or the password does not fit."),
        "invalid_login": gettext("The name or the password does not fit."),
        "account_inactive": gettext("The account is closed."),
        "too_many_login_attempts": gettext("Too many tries in a row. Wait a few minutes."),
        "rate_limited": gettext("Too many tries in a row. Wait a few minutes."),
        "incorrect_code": gettext("The code does not fit."),
        "incorrect_password": gettext("The password does not fit."),
        "enter_current_password": gettext("The present password does not fit."),
        "password_too_short": gettext("The password is shorter than 12 characters."),
        "password_too_common": gettext("This password is one of the common ones."),
        "required": gettext("Fill this in."),
    }
    return words.get(error.code or "", "") or " ".join(error.messages)


@register.filter
def field_title(field: BoundField) -> str:
    titles = {
        "code": gettext("Code from the app"),
        "password": gettext("Password"),
        "oldpassword": gettext("Present password"),
        "password1": gettext("New password"),
        "password2": gettext("New password once more"),
    }
    return titles.get(field.name, str(field.label))
