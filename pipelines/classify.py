"""Step: what the classifier says of every document. A text it has judged before is not judged again."""

from collections.abc import Mapping, Sequence

from classifiers.base import TextClassifier
from qalqan.records import Document, Finding
from qalqan.store import Fingerprint, Store


def add_findings(
    documents: Sequence[Document],
    earlier: Mapping[str, Document],
    fingerprints: Mapping[str, Fingerprint],
    store: Store,
    classifier: TextClassifier,
) -> tuple[Document, ...]:
    """earlier: the stored versions of the same documents, by id; fingerprints: by document id.

    Raises ClassifierError: a document without findings would look harmless.
    """
    known: dict[str, tuple[Finding, ...]] = {}
    for document in documents:
        if document.text not in known:
            findings = _earlier_findings(document, earlier, fingerprints, store, classifier.model_id)
            if findings:
                known[document.text] = findings
    unknown = list(dict.fromkeys(document.text for document in documents if document.text not in known))
    if unknown:
        known |= zip(unknown, classifier.findings(unknown), strict=True)
    return tuple(document.model_copy(update={"findings": known[document.text]}) for document in documents)


def _earlier_findings(
    document: Document,
    earlier: Mapping[str, Document],
    fingerprints: Mapping[str, Fingerprint],
    store: Store,
    model_id: str,
) -> tuple[Finding, ...]:
    """Of the stored version or of another document with the very same text, if the same model made them; else empty."""
    stored = earlier.get(document.id)
    if stored and stored.text == document.text and _are_of(model_id, stored.findings):
        return stored.findings
    own = fingerprints.get(document.id)
    if own is None or document.near_duplicate_of is None:
        return ()
    for candidate in store.find_candidates(own):
        # The fingerprint overlooks contacts and numbers; the spans of a finding do not.
        if candidate.text_sha256 != own.text_sha256:
            continue
        copy = store.get_document(candidate.document_id)
        if copy and copy.text == document.text and _are_of(model_id, copy.findings):
            return copy.findings
    return ()


def _are_of(model_id: str, findings: tuple[Finding, ...]) -> bool:
    return bool(findings) and all(finding.model == model_id for finding in findings)
