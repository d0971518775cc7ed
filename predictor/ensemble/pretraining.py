"""Multiply-accumulates, which members of an ensemble may learn before the values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from predictor.encoders.base import Encoder
from predictor.ensemble.fitting import Fitting, Training
from predictor.ranks import NormalScores
from spaces.progress import Progress
from spaces.space import SearchSpace

_MACS_EPOCHS = 20


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
