"""One folding of texts for the classifier and for search: what a disguise hides becomes plain, places are kept."""

from qalqan.normalise.disguises import fold
from qalqan.normalise.folded import Folded
from qalqan.normalise.transliteration import to_cyrillic, without_kazakh_letters

__all__ = ["Folded", "fold", "to_cyrillic", "without_kazakh_letters"]
