"""A browser without a screen for the page tests, and what every page must keep to."""

import re
from pathlib import Path
from typing import Any

from django.http import HttpResponse
from django.test import Client

HOST = "localhost"
# What a strict CSP would refuse, and what a page of ours must therefore never contain.
_INLINE = (
    re.compile(r"<script(?![^>]*\bsrc=)", re.I),
    re.compile(r"\sstyle\s*=", re.I),
    re.compile(r"\son[a-z]+\s*=\s*[\"']", re.I),
    re.compile(r"javascript:", re.I),
)


def browser(user: Any = None, language: str = "ru") -> Client:
    """Signed in as `user`; the language is chosen as the switch does it."""
    from django.conf import settings

    Path(settings.STATIC_ROOT).mkdir(exist_ok=True)
    client = Client(SERVER_NAME=HOST)
    client.cookies["django_language"] = language
    if user is not None:
        client.force_login(user)
    return client


def text_of(response: HttpResponse) -> str:
    return response.content.decode()


def assert_sound(response: HttpResponse) -> None:
    """One h1, a language, the strict policy, and nothing that it would refuse; no link leads out of the house."""
    text = text_of(response)
    assert text.count("<h1") == 1
    assert re.search(r'<html lang="(ru|kk)"', text)
    policy = response.headers["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    for pattern in _INLINE:
        assert not pattern.search(text), pattern.pattern
    assert not re.search(r'(?:href|src|action)="(?:https?:)?//', text)
