"""MLP: the baseline without order and graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from torch import Tensor, nn

from predictor.encoders.base import Encoder
from predictor.encoders.labels import scoring_head
from predictor.encoders.tokens import tokens, vocabulary
from spaces.space import Codes, SearchSpace


class MlpEncoder(Encoder):
    """Score the concatenated embeddings of all choices by linear layers.

    The baseline of GATES (Ning et al., ECCV 2020, arXiv 2004.01899). The release feeds the MLP the
    operations' bare indices; here each has an embedding, so that the value of its index has no
    meaning.

    Args:
        vocabulary: Number of distinct candidates of all choices.
        choices: Number of choices.
        channels: Channels of the candidates' embeddings.
        hidden: Channels of the hidden layers (aw_nas, the paper's release: 200, 200, 200).
        dropout: Dropout probability after each hidden layer.

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
    def from_space(cls, space: SearchSpace, **config: Any) -> MlpEncoder:
        """Make an encoder for a space with random weights; see `Encoder.from_space`."""
        return cls(len(vocabulary(space)), len(space.choices), **config)

    @classmethod
    def inputs(cls, space: SearchSpace, codes: Codes) -> Tensor:
        """Return the tokens [n, choices] of `codes`, int array [n, choices]."""
        return tokens(space, codes)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the scores [n] of tokens [n, choices]."""
        scores: Tensor = self.head(self.features(inputs)).squeeze(1)
        return scores

    def features(self, inputs: Tensor) -> Tensor:
        """Return the concatenated embeddings [n, choices x channels] of tokens [n, choices]."""
        embedded: Tensor = self.embedding(inputs)
        return embedded.flatten(1)
