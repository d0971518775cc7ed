"""MLP: the baseline that knows neither order nor graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from torch import Tensor, nn

from predictor.encoders.base import Encoder
from predictor.encoders.labels import scoring_head
from predictor.encoders.tokens import tokens, vocabulary
from spaces.space import Codes, SearchSpace


class MlpEncoder(Encoder):
    """Scores the embeddings of all choices, side by side, by linear layers.

    The baseline of GATES (Ning et al., ECCV 2020, arXiv 2004.01899), whose release gives the MLP
    the operations' bare indices; here each has an embedding, so that its number means nothing.

    Args:
        vocabulary: how many distinct candidates all choices have.
        choices: how many.
        channels: of the candidates' embeddings.
        hidden: channels of the layers (aw_nas, the paper's release: 200, 200, 200).
        dropout: behind each.

    Shapes:
        tokens, int64 [n, choices] -> [n].
    """

    name: ClassVar[str] = "mlp"

    def __init__(
        self,
        vocabulary: int,
        choices: int,
        channels: int = 48,
        hidden: Sequence[int] = (200, 200, 200),
        dropout: float = 0.1,
    ):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, channels)
        self.head = scoring_head(choices * channels, hidden, dropout)

    @classmethod
    def of(cls, space: SearchSpace, **config: Any) -> MlpEncoder:
        """An encoder for a space with fresh weights; `config` as the class takes it."""
        return cls(len(vocabulary(space)), len(space.choices), **config)

    @classmethod
    def inputs(cls, space: SearchSpace, codes: Codes) -> Tensor:
        """The tokens [n, choices] of `codes`, int array [n, choices]."""
        return tokens(space, codes)

    def forward(self, inputs: Tensor) -> Tensor:
        """Scores [n] of tokens [n, choices]."""
        scores: Tensor = self.head(self.features(inputs)).squeeze(1)
        return scores

    def features(self, inputs: Tensor) -> Tensor:
        """The choices' embeddings [n, choices x channels]."""
        embedded: Tensor = self.embedding(inputs)
        return embedded.flatten(1)
