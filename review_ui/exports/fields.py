"""Named text fields of a row, and which of them fill the columns of the exchange table."""

import tomllib
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from qalqan.errors import ConfigurationError
from qalqan.rationale import CODES
from review_ui.exports.base import Row

_LABELS = {
    "financial_pyramid": ("Финансовая пирамида", "Қаржы пирамидасы", "Мошенничество"),
    "drug_shop": ("Наркошоп", "Есірткі дүкені", "Наркотики"),
    "drug_graffiti": ("Наркограффити", "Есірткі граффитиі", "Наркотики"),
}
_KINDS = {
    "message": "запись",
    "channel": "канал",
    "bot": "бот",
    "page": "страница",
    "subdomain": "поддомен",
    "domain": "домен",
}
_LANGUAGES = {"ru": "русский", "kk": "казахский", "en": "английский", "other": "другой"}


def _names_of(row: Row) -> str:
    return "; ".join(f"{code} {CODES[code].ru}" for code in row["codes"] if code in CODES)


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _plain(name: str, row: Row) -> str:
    return _text(row.get(name))


# Fields of the row that are one word, number or moment.
_PLAIN = (
    *("request_uid", "number", "case", "title", "label", "reason", "second_reason", "target_kind", "target_address"),
    *("target_url_original", "target_url_normalised", "platform", "domain", "scope_reason", "publications"),
    *("audience_count", "audience_counted_at", "first_seen_at", "published_at", "captured_at", "score", "l1_user"),
    *("l1_at", "l2_user", "l2_at", "approved_at", "urgency", "route", "review_due_at", "sender"),
)

# A field that an operator may name in exchange.toml.
FIELDS: dict[str, Callable[[Row], str]] = {
    **{name: partial(_plain, name) for name in _PLAIN},
    "label_ru": lambda row: _LABELS[row["label"]][0],
    "label_kk": lambda row: _LABELS[row["label"]][1],
    "group_ru": lambda row: _LABELS[row["label"]][2],
    "kind_ru": lambda row: _KINDS[row["target_kind"]],
    "codes": lambda row: ", ".join(row["codes"]),
    "codes_ru": _names_of,
    "violation_ru": lambda row: f"{_LABELS[row['label']][0]}: {_names_of(row)}",
    "languages": lambda row: ", ".join(row["language"]),
    "languages_ru": lambda row: ", ".join(_LANGUAGES[one] for one in row["language"]),
    "quotes": lambda row: " … ".join(quote["text"] for quote in row["quotes"]),
    "evidence": lambda row: ", ".join(f"{one['warc_file']}#{one['warc_record_id']}" for one in row["evidence"]),
    "previous_requests": lambda row: ", ".join(row["previous_requests"]),
    "empty": lambda row: "",
}

# Column -> field.
DEFAULT_COLUMNS: dict[str, str] = {
    "title": "title",
    "url": "target_url_original",
    "reason": "reason",
    "object_type": "kind_ru",
    "resource_type": "platform",
    "violation": "violation_ru",
    "language": "languages_ru",
    "group": "group_ru",
    "screenshot": "evidence",
    "publications": "publications",
    "subscribers": "audience_count",
    "court_decision": "empty",
    "source": "sender",
}


def read_columns(home: Path) -> dict[str, str]:
    """The columns of `exchange.toml` in the home, in their order; without the file the built-in ones.

        [columns]
        url = "target_url_original"
        screenshot = "evidence"

    Raises ConfigurationError that names the wrong column, field or key.
    """
    path = home / "exchange.toml"
    if not path.exists():
        return DEFAULT_COLUMNS
    try:
        settings = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} is not TOML: {error}") from error
    unknown = sorted(settings.keys() - {"columns"})
    if unknown:
        raise ConfigurationError(f"{path}: unknown key {unknown[0]!r}; only [columns] is known")
    columns = settings.get("columns")
    if not isinstance(columns, Mapping) or not columns:
        raise ConfigurationError(f'{path}: [columns] is empty; give it lines such as url = "target_url_original"')
    for column, field in columns.items():
        if field not in FIELDS:
            known = ", ".join(sorted(FIELDS))
            raise ConfigurationError(f"{path}: column {column!r} names the unknown field {field!r}; known: {known}")
    return dict(columns)
