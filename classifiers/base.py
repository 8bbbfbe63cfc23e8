"""What every classifier offers to the pipeline."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from qalqan.records import Finding


class TextClassifier(ABC):
    """`model_id` names weights and version; it stands on every finding."""

    model_id: str

    @abstractmethod
    def findings(self, texts: Sequence[str]) -> list[tuple[Finding, ...]]:
        """For every text one finding per label of `qalqan.records.LABELS`, in that order.

        Span offsets are characters of the given text. An empty text gives score 0 and no spans.
        Raises ClassifierError if the weights cannot be used.
        """
