"""What says the same as a post, and what comes near to it in meaning."""

from dataclasses import dataclass

from qalqan.records import Document
from qalqan.store import Store, StoredDocument
from qalqan.store.vectors import nearest, pack_vector

MOST_COPIES = 20
MOST_NEIGHBOURS = 10
# Copies are the nearest of all, and stand in a list of their own.
_ASKED_NEIGHBOURS = MOST_COPIES + MOST_NEIGHBOURS + 1


@dataclass(frozen=True)
class Similar:
    """copies: the same text, the oldest written first. similarities: cosines, of each neighbour in its order."""

    copies: list[Document]
    neighbours: list[Document]
    similarities: list[float]


def similar_to(store: Store, post: StoredDocument) -> Similar:
    """At most three calls of the store."""
    own = post.document
    candidates = store.find_candidates(post.fingerprint) if post.fingerprint else []
    near = store.find_neighbours(post.vector, _ASKED_NEIGHBOURS) if post.vector else []
    original = [own.near_duplicate_of] if own.near_duplicate_of else []
    wanted = dict.fromkeys([*original, *(one.document_id for one in candidates), *(one.document_id for one in near)])
    wanted.pop(own.id, None)
    found = store.get_stored(wanted)
    same_words = {one.document_id for one in candidates if one.text_sha256 == _sha256(post)}
    copies = {
        key: found[key].document
        for key in wanted
        if key in found and (key in same_words or _root_of(found[key].document) == _root_of(own))
    }
    # An engine's own similarity may be of vectors that it keeps in fewer bits.
    vectors = [
        (key, pack_vector(vector))
        for key in (one.document_id for one in near)
        if key in found and key not in copies and (vector := found[key].vector)
    ]
    ranked = nearest(post.vector, vectors, MOST_NEIGHBOURS) if post.vector else []
    return Similar(
        list(copies.values())[:MOST_COPIES],
        [found[one.document_id].document for one in ranked],
        [one.similarity for one in ranked],
    )


def _sha256(post: StoredDocument) -> str | None:
    return post.fingerprint.text_sha256 if post.fingerprint else None


def _root_of(document: Document) -> str:
    return document.near_duplicate_of or document.id
