"""Step: which documents say the same as an older one, with other contacts, numbers or decoration.

A text is folded to its words, contacts and numbers replaced by marks; its character 5-grams are summed up by MinHash
(Broder 1997) and banded for look-up (Leskovec, Rajaraman, Ullman, Mining of Massive Datasets, chapter 3): with 21 bands
of 6 values two texts of similarity 0.8 meet with probability 0.998, of 0.5 with 0.28, of 0.3 with 0.02.
"""

import re
import struct
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from operator import eq
from zlib import crc32

from datasketch import MinHash

from pipelines.entities import extract_entities
from qalqan.ids import sha256_hex
from qalqan.records import Document, Entity
from qalqan.store import Fingerprint, Store

SIMILAR = 0.8

_PERMUTATIONS = 128
_BANDS, _ROWS = 21, 6
_SHINGLE = 5
# Shorter texts have too few shingles to compare: only the very same words make them duplicates.
_COMPARABLE_WORDS = 8
# Fewer say nothing at all ("да", "цена?").
_TELLING_WORDS = 3
# The rest of a very long text (a whole forum page) seldom tells it from another.
_COMPARED_CHARACTERS = 20_000

# Of a private use area: no text of people means anything by them.
_CONTACT, _NUMBER = "\ue000", "\ue001"
_INVISIBLE = re.compile("[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]")
_TOKEN = re.compile(rf"[^\W\d_]+|{_CONTACT}|\d[\d.,:%\s]*")


@dataclass(frozen=True, slots=True)
class Marked:
    """Documents that know what they repeat; fingerprints by document id, none where a text says too little."""

    documents: tuple[Document, ...]
    fingerprints: dict[str, Fingerprint]


def mark_near_duplicates(documents: Sequence[Document], earlier: Mapping[str, Document], store: Store) -> Marked:
    """Compares with the store and within the page: the oldest counts, or what it repeats itself.

    earlier: the stored versions of the same documents, by id. A document whose text did not change keeps its place,
    so that two copies never come to repeat each other.
    """
    fingerprints: dict[str, Fingerprint] = {}
    originals: dict[str, str | None] = {}
    on_page: dict[str, list[Fingerprint]] = defaultdict(list)  # by text hash and by band, as in the store
    for document in documents:
        stored = earlier.get(document.id)
        own = fingerprint(document.id, document.text, document.entities)
        terms = (own.text_sha256, *own.bands) if own else ()
        if stored and stored.text == document.text:
            originals[document.id] = stored.near_duplicate_of
        elif own:
            candidates = [*store.find_candidates(own), *(one for term in terms for one in on_page.get(term, ()))]
            originals[document.id] = _original_of(own, candidates, originals, store)
        if own:
            fingerprints[document.id] = own
            for term in terms:
                on_page[term].append(own)
    marked = (document.model_copy(update={"near_duplicate_of": originals.get(document.id)}) for document in documents)
    return Marked(tuple(marked), fingerprints)


def _original_of(
    own: Fingerprint, candidates: Iterable[Fingerprint], originals: Mapping[str, str | None], store: Store
) -> str | None:
    for candidate in candidates:
        if candidate.document_id == own.document_id or jaccard(own, candidate) < SIMILAR:
            continue
        repeated = originals.get(candidate.document_id)
        if candidate.document_id not in originals and (stored := store.get_document(candidate.document_id)):
            repeated = stored.near_duplicate_of
        original = repeated or candidate.document_id
        if original != own.document_id:
            return original
    return None


def fingerprint(document_id: str, text: str, entities: Sequence[Entity] | None = None) -> Fingerprint | None:
    """The same for the same text in every process. None for a text of fewer than three words.

    entities: those of the text, if they are known already.
    """
    tokens = _fold(text, extract_entities(text) if entities is None else entities)
    words = sum(token not in (_CONTACT, _NUMBER) for token in tokens)
    if words < _TELLING_WORDS:
        return None
    folded = " ".join(tokens)
    signature = _signature(folded[:_COMPARED_CHARACTERS]) if words >= _COMPARABLE_WORDS else ()
    return Fingerprint(document_id, sha256_hex(folded.encode()), _bands(signature), signature)


def jaccard(a: Fingerprint, b: Fingerprint) -> float:
    """Estimated similarity of two texts, 0 to 1; 1 for the same words, and 0 where either is too short to compare."""
    if a.text_sha256 == b.text_sha256:
        return 1.0
    if not a.signature or len(a.signature) != len(b.signature):
        return 0.0
    agreeing: int = sum(map(eq, a.signature, b.signature))
    return agreeing / len(a.signature)


def _fold(text: str, entities: Sequence[Entity]) -> list[str]:
    """Lower-case words, with one mark for neighbouring contacts and one for neighbouring numbers."""
    parts, at = [], 0
    for start, end in sorted((entity.start, entity.end) for entity in entities if entity.start < entity.end):
        parts += [text[at:start], _CONTACT] if start >= at else []
        at = max(at, end)
    plain = unicodedata.normalize("NFKC", "".join((*parts, text[at:]))).lower().replace("ё", "е")
    visible = _INVISIBLE.sub("", plain)
    tokens: list[str] = []
    for token in _TOKEN.findall(visible):
        folded = _NUMBER if token[0].isdigit() else token
        if folded in (_CONTACT, _NUMBER) and tokens[-1:] == [folded]:
            continue
        tokens.append(folded)
    return tokens


def _signature(folded: str) -> tuple[int, ...]:
    shingles = {folded[start : start + _SHINGLE] for start in range(max(1, len(folded) - _SHINGLE + 1))}
    template = _template()
    minhash = MinHash(
        num_perm=_PERMUTATIONS, permutations=template.permutations, scheme=template.scheme, hashfunc=crc32
    )
    minhash.update_batch([shingle.encode("utf-8", "replace") for shingle in shingles])
    return tuple(minhash.hashvalues.tolist())


@cache
def _template() -> MinHash:
    """Its permutations come from a fixed seed: stored fingerprints depend on it."""
    return MinHash(num_perm=_PERMUTATIONS, seed=1, scheme="affine32")


def _bands(signature: tuple[int, ...]) -> tuple[str, ...]:
    if not signature:
        return ()
    return tuple(
        f"{band:02d}"
        + blake2b(struct.pack(f"<{_ROWS}I", *signature[band * _ROWS : (band + 1) * _ROWS]), digest_size=8).hexdigest()
        for band in range(_BANDS)
    )
