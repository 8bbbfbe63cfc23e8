"""Step: the page goes into the store: its capture first, so that no document names a capture that is not there."""

from collections.abc import Mapping, Sequence

from qalqan.records import Document, PageOfDocuments, ProcessedPage
from qalqan.store import Fingerprint, Store


def index_page(
    page: PageOfDocuments, documents: Sequence[Document], fingerprints: Mapping[str, Fingerprint], store: Store
) -> ProcessedPage:
    """Raises StoreError; what was written stays, and writing it again changes nothing."""
    store.put_captures([page.capture])
    if page.channel:
        store.put_channel(page.channel)
    written = store.put_documents(documents, fingerprints)
    return ProcessedPage(
        documents=tuple(documents), new=written.new, changed=written.changed, unchanged=written.unchanged
    )
