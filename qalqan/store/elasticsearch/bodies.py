"""A document as it is indexed: the record itself, untouched, and beside it what finds it."""

import base64
import struct
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import orjson
from pydantic import ValidationError

from qalqan.errors import StoreError
from qalqan.records import Document, Record
from qalqan.store.base import Fingerprint, StoredDocument
from qalqan.store.keys import encodable, entity_keys, host_of, moment_of
from qalqan.store.terms import Terms, read_terms

# What stays of an earlier body while the text stays.
_OF_THE_TEXT = ("text_sha256", "bands", "signature", "vector")
_KEPT = ("order", "case_state")
# Lucene takes no keyword of more bytes; a channel's or host's name of this length is somebody's joke.
_LONGEST_KEYWORD = 8_000

AnyRecord = TypeVar("AnyRecord", bound=Record)


def body_of(document: Document) -> dict[str, Any]:
    """All fields of the index but those of `with_fingerprint` and those that the store keeps."""
    source = read_terms(f"{document.author or ''} {document.channel or ''}")
    body: dict[str, Any] = {
        "record": document.model_dump(),
        "site": document.site,
        "lang": document.lang,
        "flagged": bool(document.flagged_labels),
        "labels": sorted(document.flagged_labels),
        "scores": {finding.label: finding.score for finding in document.findings},
        "moment": moment_of(document),
        "day": f"{document.published_at or document.fetched_at:%Y-%m-%d}",
        "entities": sorted(entity_key(kind, value) for kind, value in entity_keys(document.entities)),
        "title": _streams(read_terms(document.title or "")),
        "text": _streams(read_terms(document.text)),
        "source": " ".join(source.plain),
    }
    if (host := host_of(document.url)) is not None:
        body["host"] = keyword(host)
    if document.channel:
        body["channel"] = keyword(document.channel.lower())
    return body


def keyword(text: str) -> str:
    """As it is compared: what is too long to be one is cut."""
    return encodable(text)[:_LONGEST_KEYWORD]


def entity_key(kind: str, value: str) -> str:
    return keyword(f"{kind}:{value}")


def with_fingerprint(body: dict[str, Any], fingerprint: Fingerprint) -> dict[str, Any]:
    return body | {
        "text_sha256": fingerprint.text_sha256,
        "bands": list(fingerprint.bands),
        "signature": base64.b64encode(struct.pack(f"<{len(fingerprint.signature)}Q", *fingerprint.signature)).decode(),
    }


def fingerprint_of(document_id: str, body: Mapping[str, Any]) -> Fingerprint:
    packed = base64.b64decode(body["signature"])
    return Fingerprint(
        document_id,
        body["text_sha256"],
        tuple(sorted(body["bands"])),
        struct.unpack(f"<{len(packed) // 8}Q", packed),
    )


def stored_of(document_id: str, body: Mapping[str, Any], store: str) -> StoredDocument:
    return StoredDocument(
        read_record(Document, body, store),
        fingerprint_of(document_id, body) if "signature" in body else None,
        tuple(body["vector"]) if "vector" in body else None,
        body.get("case_state"),
    )


def kept_of(earlier: Mapping[str, Any], *, is_text_same: bool) -> dict[str, Any]:
    """What a new body takes over from the one it replaces."""
    names = _KEPT + (_OF_THE_TEXT if is_text_same else ())
    return {name: earlier[name] for name in names if name in earlier}


def write_body(body: Mapping[str, Any], what: str) -> bytes:
    try:
        return orjson.dumps(body)
    except orjson.JSONEncodeError as error:
        raise StoreError(f"{what} cannot be written as JSON: {error}") from error


def read_record(kind: type[AnyRecord], body: Mapping[str, Any], store: str) -> AnyRecord:
    try:
        return kind.model_validate(body["record"])
    except (ValidationError, KeyError) as error:
        raise StoreError(
            f"store {store}: a stored {kind.__name__.lower()} is damaged or of another version: {error}"
        ) from error


def _streams(terms: Terms) -> dict[str, str]:
    streams: dict[str, Sequence[str]] = {"plain": terms.plain, "russian": terms.russian, "kazakh": terms.kazakh}
    return {name: " ".join(words) for name, words in streams.items()}
