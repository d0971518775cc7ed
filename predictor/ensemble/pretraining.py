"""What members of an ensemble learn before the values: MACs, or a column for each expert."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from predictor.base import Auxiliary
from predictor.encoders.base import Encoder
from predictor.ensemble.fitting import Fitting, Training
from predictor.errors import InvalidValues
from predictor.ranks import NormalScores
from spaces.progress import Progress
from spaces.space import Codes, SearchSpace

_MACS_EPOCHS = 20

# The member that leaves an architecture out, where none does.
_NONE = -1


def pretrain_on_macs(
    members: Sequence[Encoder],
    space: SearchSpace,
    count: int,
    fitting: Fitting,
    seed: int,
    progress: Progress,
    features: int = 0,
) -> None:
    """Train members on multiply-accumulates; their heads keep the initial weights.

    Args:
        members: Members of an ensemble, whose weights change.
        space: Space of the architectures.
        count: Number of random architectures.
        fitting: Settings of the training that follows, of which this one has fewer epochs.
        seed: Seed of the architectures and the training.
        progress: Receives a text after every epoch.
        features: Number of auxiliary features of an operation, which are unknown here.
    """
    # A seed of its own, because the reference sample draws from the seed itself.
    codes = space.sample(np.random.default_rng([seed, 1]), count)
    macs = space.macs(codes).astype(np.float64)
    epochs = min(_MACS_EPOCHS, fitting.epochs)
    inputs = members[0].inputs(space, np.asfortranarray(codes))
    if features:
        inputs = inputs.with_features(torch.zeros(len(codes), space.positions, features))

    trained = Training(
        members,
        inputs,
        NormalScores.from_values(macs).to_scores(macs),
        np.arange(len(codes)) % len(members),
        replace(fitting, epochs=epochs, least_epochs=epochs),
        seed,
    ).run(lambda fraction, text: progress(0.0, f"pre-training, {text}"))

    for member, encoder in zip(members, trained.encoders(), strict=True):
        # The head is left out: multiply-accumulates and accuracies have different scales.
        body = {
            name: value
            for name, value in encoder.state_dict().items()
            if not name.startswith("head")
        }
        member.load_state_dict(body, strict=False)


@dataclass(frozen=True)
class LearnedColumns:
    """Columns that the experts of an encoder learn before the values.

    Args:
        codes: Codes of the architectures [n, choices].
        values: Normal scores of the columns, [n, columns].
        names: Names of the columns.
    """

    codes: Codes
    values: NDArray[np.float64]
    names: tuple[str, ...]

    @classmethod
    def from_providers(
        cls, space: SearchSpace, codes: Codes, count: int, seed: int, providers: Auxiliary | None
    ) -> LearnedColumns:
        """Read columns of training data and of random architectures.

        Args:
            space: Space of the architectures.
            codes: Codes of the training data [n, choices].
            count: Number of random architectures that are added.
            seed: Seed of these.
            providers: Name -> function that returns the column of given codes. None or empty: the
                multiply-accumulates and the parameters.

        Raises:
            InvalidValues: A column has another shape, or a number that is not finite.
            MissingAuxiliary: A column does not have a random architecture.
        """
        random = space.sample(np.random.default_rng([seed, 2]), count)
        pool = np.asfortranarray(np.unique(np.concatenate([codes, random]), axis=0))
        functions: Mapping[str, Callable[[Codes], Any]] = providers or {
            "macs": space.macs,
            "params": space.params,
        }

        columns = []
        for name, column_of in functions.items():
            column = np.asarray(column_of(pool), dtype=np.float64)
            if column.shape != (len(pool),) or not np.isfinite(column).all():
                raise InvalidValues(
                    f"the column {name!r} must be one finite number for each of {len(pool)} rows"
                )
            columns.append(NormalScores.from_values(column).to_scores(column))
        return cls(pool, np.stack(columns, axis=1), tuple(functions))

    def teach(
        self,
        members: Sequence[Encoder],
        space: SearchSpace,
        fitting: Fitting,
        seed: int,
        progress: Progress,
    ) -> None:
        """Train the experts of members, each on its own column.

        Args:
            members: Members of an ensemble, whose weights change.
            space: Space of the architectures.
            fitting: Settings of the training.
            seed: Seed of the training.
            progress: Receives a text after every epoch.
        """
        for member in members:
            # The experts' scores are compared with the columns as those of steps with their values.
            member.anytime = True

        trained = Training(
            members,
            members[0].inputs(space, self.codes),
            self.values,
            np.full(len(self.codes), _NONE),
            fitting,
            seed,
        ).run(lambda fraction, text: progress(0.0, f"learning columns, {text}"))

        for member, encoder in zip(members, trained.encoders(), strict=True):
            member.anytime = False
            member.load_state_dict(encoder.state_dict())
