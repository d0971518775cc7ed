"""Members before the training: random, transferred from another space, or pre-trained."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

import torch

from predictor.encoders.base import Encoder
from predictor.ensemble.encoding import Encoding
from predictor.ensemble.fitted import FittedEnsemble
from predictor.ensemble.fitting import Fitting
from predictor.ensemble.learned_columns import LearnedColumns
from predictor.ensemble.pretraining import pretrain_on_macs
from predictor.ensemble.transfer import transfer
from spaces.progress import Progress
from spaces.space import Codes


@dataclass(frozen=True)
class Initialisation:
    """What the weights of members are before they learn values.

    Args:
        encoding: Encoder of the members.
        pretraining: Number of random architectures whose multiply-accumulates are learned; 0: none.
        source: Ensemble of another space whose weights the members begin with. None: they begin
            with random weights.
        columns: Columns that the experts learn, in place of multiply-accumulates. None: there are
            none.
    """

    encoding: Encoding
    pretraining: int
    source: FittedEnsemble | None
    columns: LearnedColumns | None

    def members(self, count: int, fitting: Fitting, seed: int, progress: Progress) -> list[Encoder]:
        """Return members with these weights; advances torch's generator.

        Args:
            count: Number of members.
            fitting: Settings of the training on values, which those of earlier trainings follow.
            seed: Seed of weights and trainings.
            progress: Receives a text after every epoch.
        """
        space = self.encoding.space
        members = []
        for member in range(count):
            # Each member has its own seed, so that it does not depend on their number.
            torch.default_generator.manual_seed((seed << 16) + member)
            members.append(self.encoding.new_encoder().train())

        if self.source is not None:
            transfer(self.source.encoders, self.source.encoding.space, members, space)

        if self.columns is not None:
            self.columns.teach(members, space, fitting, seed, progress)
        elif self.pretraining:
            num_features = len(self.encoding.auxiliary.maps)
            pretrain_on_macs(
                members, space, self.pretraining, fitting, seed, progress, num_features
            )

        return members

    def identity(self, codes: Codes) -> str:
        """Return everything but the settings of `Training` that its result depends on, as JSON.

        Args:
            codes: Codes of the training data, [n, choices].
        """
        auxiliary = self.encoding.auxiliary
        columns = {name: scores.values.tolist() for name, scores in auxiliary.maps.items()}
        identity = [
            self.encoding.space.name,
            self.encoding.encoder,
            self.encoding.config,
            self.pretraining,
            columns,
            codes.tolist(),
        ]

        if self.source is not None:
            identity.append(self.source.digest())
        if self.columns is not None:
            learned = self.columns.codes.tobytes() + self.columns.values.tobytes()
            identity.append(hashlib.sha256(learned).hexdigest())

        return json.dumps(identity)
