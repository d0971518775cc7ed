"""Encoders of one kind, and what they read of architectures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from predictor.auxiliary import AuxiliaryFeatures
from predictor.encoders.base import Encoder
from predictor.encoders.registry import encoder_class
from spaces.space import Codes, SearchSpace


@dataclass(frozen=True)
class Encoding:
    """How the members of an ensemble encode architectures.

    Args:
        space: Space of the architectures.
        encoder: Name of the encoder.
        config: Arguments of the encoder that differ from its defaults.
        auxiliary: Further features of every operation, of which there may be none.
    """

    space: SearchSpace
    encoder: str
    config: Mapping[str, Any]
    auxiliary: AuxiliaryFeatures

    def new_encoder(self) -> Encoder:
        """Return an encoder with random weights of torch's generator."""
        encoder = encoder_class(self.encoder)
        config = dict(self.config)
        if self.auxiliary.maps:
            config[encoder.auxiliary] = len(self.auxiliary.maps)
        return encoder.from_space(self.space, **config)

    def inputs(self, codes: Codes) -> Any:
        """Return the encoder's inputs of architectures, with their auxiliary features.

        Args:
            codes: Codes of the architectures, [n, choices].

        Raises:
            MissingAuxiliary: No function provides an auxiliary column.
        """
        inputs = encoder_class(self.encoder).inputs(self.space, np.asfortranarray(codes))
        if not self.auxiliary.maps:
            return inputs
        features = self.auxiliary.at_positions(codes, self.space.positions)
        return inputs.with_features(torch.from_numpy(features).float())
