"""LSTM: the baseline that reads an architecture as a sequence of choices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from predictor.encoders.base import Encoder
from predictor.encoders.labels import LabelEmbedding, scoring_head
from predictor.encoders.tokens import tokens, vocabulary
from predictor.features.values import label_values
from spaces.space import Codes, SearchSpace


class LstmEncoder(Encoder):
    """Read the embeddings of the choices in their order and score the output of the last step.

    The baseline of GATES (Ning et al., ECCV 2020, arXiv 2004.01899), with the sizes of its release,
    aw_nas. Choices that share the name of a candidate share its embedding.

    Args:
        vocabulary: Number of distinct candidates of all choices.
        channels: Channels of the candidates' embeddings (paper: 100).
        hidden: Channels of the recurrent state (paper: 100).
        layers: Number of LSTM layers (paper: 1).
        head: Channels of the head's hidden layers (aw_nas: 200, 200, 200).
        dropout: Dropout probability in the head.
        values: Numbers of the candidates, float [vocabulary, scales]; None: they have none.

    Shapes:
        tokens, int64 [n, choices] -> [n].
    """

    name: ClassVar[str] = "lstm"
    # Version 1 has no values.
    version: ClassVar[int] = 2
    embeds_values: ClassVar[bool] = True
    # torch.vmap has no batching rule for LSTMs.
    stackable: ClassVar[bool] = False

    def __init__(
        self,
        vocabulary: int,
        channels: int = 100,
        hidden: int = 100,
        layers: int = 1,
        head: Sequence[int] = (200, 200, 200),
        dropout: float = 0.1,
        values: NDArray[np.float32] | None = None,
    ):
        super().__init__()
        self.embedding = LabelEmbedding(vocabulary, channels, values)
        self.lstm = nn.LSTM(channels, hidden, layers, batch_first=True)
        self.head = scoring_head(hidden, head, dropout)

    @classmethod
    def from_space(cls, space: SearchSpace, **config: Any) -> LstmEncoder:
        """Make an encoder for a space with random weights; see `Encoder.from_space`."""
        names = vocabulary(space)
        defaults = {"values": label_values(space, names)}
        return cls(len(names), **{**defaults, **config})

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
        """Return the output of the last step [n, hidden] for tokens [n, choices]."""
        outputs: Tensor = self.lstm(self.embedding(inputs))[0]
        return outputs[:, -1]
