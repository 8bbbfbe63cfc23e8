"""What happens to a page of documents between spider and store, step by step."""

from collections.abc import Callable, Sequence

import structlog

from classifiers.base import TextClassifier
from classifiers.text import open_text_classifier
from pipelines.classify import add_findings
from pipelines.entities import add_entities
from pipelines.index import index_page
from pipelines.language import add_language
from pipelines.near_duplicates import mark_near_duplicates
from qalqan.config import Settings
from qalqan.errors import ClassifierError
from qalqan.records import Document, PageOfDocuments, ProcessedPage
from qalqan.store import Store

log = structlog.get_logger()

DocumentStep = Callable[[Document], Document]

# A new step that looks at one document only is one file and one name here.
DOCUMENT_STEPS: tuple[DocumentStep, ...] = (add_language, add_entities)


class Processor:
    """Not for several threads at once: each worker opens its own. The store stays open; its opener closes it."""

    def __init__(
        self, store: Store, classifier: TextClassifier, document_steps: Sequence[DocumentStep] = DOCUMENT_STEPS
    ) -> None:
        self._store = store
        self._classifier: TextClassifier | None = classifier
        self._document_steps = document_steps

    def process(self, page: PageOfDocuments) -> ProcessedPage:
        """The page as stored. Raises ClassifierError or StoreError; then the page is to be processed again."""
        if self._classifier is None:
            raise ClassifierError("the processor was closed: open another one")
        documents = [self._through_steps(document) for document in page.documents]
        stored = {document.id: self._store.get_document(document.id) for document in documents}
        earlier = {document_id: document for document_id, document in stored.items() if document}
        marked = mark_near_duplicates(documents, earlier, self._store)
        judged = add_findings(marked.documents, earlier, marked.fingerprints, self._store, self._classifier)
        return index_page(page, judged, marked.fingerprints, self._store)

    def close(self) -> None:
        """Lets go of the model's memory."""
        self._classifier = None

    def _through_steps(self, document: Document) -> Document:
        for step in self._document_steps:
            try:
                document = step(document)
            except (ValueError, ArithmeticError, LookupError) as error:
                # A text that trips a library must not cost the page: it goes on without what this step adds.
                log.warning("document_step_failed", step=step.__name__, document_id=document.id, reason=repr(error))
        return document


def open_processor(settings: Settings, store: Store) -> Processor:
    """Raises ClassifierError if the model cannot be opened."""
    return Processor(store, open_text_classifier(settings.classifier))
