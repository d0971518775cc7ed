"""LSTM: the baseline that reads an architecture as a sequence of choices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from torch import Tensor, nn

from predictor.encoders.base import Encoder
from predictor.encoders.labels import scoring_head
from predictor.encoders.tokens import tokens, vocabulary
from spaces.space import Codes, SearchSpace


class LstmEncoder(Encoder):
    """Reads the embeddings of the choices in their order, and scores what the last step puts out.

    The baseline of GATES (Ning et al., ECCV 2020, arXiv 2004.01899), with the sizes of its release,
    aw_nas. Where choices share a candidate's name they share its embedding.

    Args:
        vocabulary: how many distinct candidates all choices have.
        channels: of the candidates' embeddings (paper: 100).
        hidden: of the recurrent state (paper: 100).
        layers: of the LSTM (paper: 1).
        head: hidden channels of the head (aw_nas: 200, 200, 200).
        dropout: in the head.

    Shapes:
        tokens, int64 [n, choices] -> [n].
    """

    name: ClassVar[str] = "lstm"
    stackable: ClassVar[bool] = False

    def __init__(
        self,
        vocabulary: int,
        channels: int = 100,
        hidden: int = 100,
        layers: int = 1,
        head: Sequence[int] = (200, 200, 200),
        dropout: float = 0.1,
    ):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, channels)
        self.lstm = nn.LSTM(channels, hidden, layers, batch_first=True)
        self.head = scoring_head(hidden, head, dropout)

    @classmethod
    def of(cls, space: SearchSpace, **config: Any) -> LstmEncoder:
        """An encoder for a space with fresh weights; `config` as the class takes it."""
        return cls(len(vocabulary(space)), **config)

    @classmethod
    def inputs(cls, space: SearchSpace, codes: Codes) -> Tensor:
        """The tokens [n, choices] of `codes`, int array [n, choices]."""
        return tokens(space, codes)

    def forward(self, inputs: Tensor) -> Tensor:
        """Scores [n] of tokens [n, choices]."""
        scores: Tensor = self.head(self.features(inputs)).squeeze(1)
        return scores

    def features(self, inputs: Tensor) -> Tensor:
        """What the last step puts out [n, hidden]."""
        put_out: Tensor = self.lstm(self.embedding(inputs))[0]
        return put_out[:, -1]
