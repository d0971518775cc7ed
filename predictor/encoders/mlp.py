"""MLP: the baseline without order and graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from predictor.encoders.base import Encoder
from predictor.encoders.labels import LabelEmbedding, scoring_head
from predictor.encoders.tokens import tokens, vocabulary
from predictor.features.values import label_values
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
        values: Numbers of the candidates, float [vocabulary, scales]; None: they have none.

    Shapes:
        tokens, int64 [n, choices] -> [n].
    """

    name: ClassVar[str] = "mlp"
    # Version 1 has no values.
    version: ClassVar[int] = 2
    embeds_values: ClassVar[bool] = True

    def __init__(
        self,
        vocabulary: int,
        choices: int,
        channels: int = 48,
        hidden: Sequence[int] = (200, 200, 200),
        dropout: float = 0.1,
        values: NDArray[np.float32] | None = None,
    ):
        super().__init__()
        self.embedding = LabelEmbedding(vocabulary, channels, values)
        self.head = scoring_head(choices * channels, hidden, dropout)

    @classmethod
    def from_space(cls, space: SearchSpace, **config: Any) -> MlpEncoder:
        """Make an encoder for a space with random weights; see `Encoder.from_space`."""
        names = vocabulary(space)
        defaults = {"values": label_values(space, names)}
        return cls(len(names), len(space.choices), **{**defaults, **config})

    @classmethod
    def earlier_config(cls, version: int, space: SearchSpace) -> dict[str, Any]:
        """Return the arguments of an earlier version; see `Encoder.earlier_config`."""
        return {"values": None} if version < 2 else {}

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
