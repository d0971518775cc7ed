"""Texts: tokens, vocabularies, windows and a generated source."""

from typing import TYPE_CHECKING

from spaces.lazy import exports

if TYPE_CHECKING:
    from oneshot.data.text.loading import markov_source as markov_source
    from oneshot.data.text.markov import MarkovSource as MarkovSource
    from oneshot.data.text.options import TextOptions as TextOptions
    from oneshot.data.text.targets import SpelledTokens as SpelledTokens
    from oneshot.data.text.vocabulary import Vocabulary as Vocabulary
    from oneshot.data.text.windows import TextSplit as TextSplit

__all__ = [
    "MarkovSource",
    "SpelledTokens",
    "TextOptions",
    "TextSplit",
    "Vocabulary",
    "markov_source",
]

__getattr__, __dir__ = exports(
    __name__,
    {
        "MarkovSource": ".markov",
        "SpelledTokens": ".targets",
        "TextOptions": ".options",
        "TextSplit": ".windows",
        "Vocabulary": ".vocabulary",
        "markov_source": ".loading",
    },
)
