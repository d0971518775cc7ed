"""A trained language model comes close to a source of known entropy, and never beats it."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.functional import cross_entropy

import spaces
from oneshot.data.registry import load
from oneshot.data.text.loading import TextData, markov_source
from oneshot.data.text.windows import TextSplit
from oneshot.evaluation.evaluator import quality
from oneshot.tasks.language import Language
from oneshot.training.algorithm import Algorithm
from oneshot.training.fitting import fit
from oneshot.training.passes import Passes
from oneshot.training.recipe import Recipe

LENGTH = 20
MOST_ERRORS = 3.0
"""Standard errors by which a model may seem better than the source by chance."""


def markov(length: int = LENGTH) -> TextData:
    shape: Any = (length,)
    data = load("markov", shape)
    assert isinstance(data, TextData)
    return data


def tokens_of(data: TextData) -> torch.Tensor:
    assert isinstance(data.test, TextSplit)
    return data.test.tokens


@torch.no_grad()
def losses_of(network: nn.Module, tokens: torch.Tensor) -> NDArray[np.float64]:
    """The loss of each token but the first two, in nats, with all tokens before as the context."""
    scores, _ = network.eval()(tokens[None, :-1], None)
    losses = cross_entropy(scores[0].double(), tokens[1:], reduction="none")
    result: NDArray[np.float64] = losses[1:].numpy()
    return result


def errors_below_source(losses: NDArray[np.float64], tokens: torch.Tensor) -> float:
    """By how many standard errors losses lie below the source's own on the same tokens."""
    # Paired: both have the same luck with the text. Token 0 is <unk>.
    excess = losses - markov_source().losses(tokens.numpy() - 1)
    return float(-excess.mean() / (excess.std() / math.sqrt(len(excess))))


@pytest.mark.slow
def test_recurrent_network_comes_within_three_percent_of_the_source(tmp_path: Path) -> None:
    data = markov()
    space = spaces.get("rnn", width=32, nodes=2, length=LENGTH, vocabulary=data.num_classes)
    # Nodes in a row, with the activations tanh and relu.
    network = space.network(space.architecture([0, 1, 1]))
    recipe = Recipe(
        epochs=3,
        batch_size=16,
        learning_rate=10.0,
        momentum=0.0,
        weight_decay=0.0,
        label_smoothing=0.0,
        schedule="cosine",
        clip=0.5,
    )

    fit(Algorithm(network, recipe, Passes(Language())), data.train, tmp_path, seed=1, augment=True)

    ratio = quality(network, data.test, task=Language())["perplexity"] / markov_source().perplexity
    assert ratio < 1.03
    tokens = tokens_of(data)
    assert errors_below_source(losses_of(network, tokens), tokens) < MOST_ERRORS


@pytest.mark.slow
def test_decoder_comes_within_three_percent_of_the_source(tmp_path: Path) -> None:
    context = 16
    data = markov(context)
    sizes = {"depths": (2,), "widths": (48,), "heads": (2,), "ratios": (2,), "head_size": 16}
    space = spaces.get("decoder", contexts=(context,), vocabulary=data.num_classes, **sizes)
    network = space.network(space.architecture([0] * len(space.choices)))
    recipe = Recipe(
        steps=1200,
        batch_size=16,
        learning_rate=0.005,
        weight_decay=0.0,
        label_smoothing=0.0,
        schedule="cosine",
        warmup=20,
        clip=1.0,
        optimizer="adamw",
    )

    fit(Algorithm(network, recipe, Passes(Language())), data.train, tmp_path, seed=1)

    ratio = quality(network, data.test, task=Language())["perplexity"] / markov_source().perplexity
    assert ratio < 1.03
    tokens = tokens_of(data)
    assert errors_below_source(losses_of(network, tokens), tokens) < MOST_ERRORS


class Source(nn.Module):
    """The source itself as a model, whose tokens at some positions are known in advance."""

    def __init__(self, tokens: torch.Tensor, known: int):
        super().__init__()
        transitions = torch.from_numpy(markov_source().transitions)
        # <unk> has no probability; a finite logarithm keeps its gradient finite.
        self.scores = nn.functional.pad(transitions.log(), (1, 0), value=-1e9)
        self.tokens = tokens
        self.known = known

    def forward(self, inputs: torch.Tensor, state: Any) -> tuple[torch.Tensor, Any]:
        symbols = inputs[0] - 1
        scores = self.scores[torch.cat([symbols[:1], symbols[:-1]]), symbols].clone()
        seen = torch.arange(self.known)
        scores[seen, self.tokens[seen + 1]] += 2.0
        return scores[None], state


@pytest.mark.parametrize(("known", "is_honest"), [(0, True), (2000, False)])
def test_model_that_has_seen_the_test_text_is_found(known: int, is_honest: bool) -> None:
    tokens = tokens_of(markov())

    losses = losses_of(Source(tokens, known), tokens)

    if is_honest:
        # To rounding: the standard error of equal losses is as small.
        assert np.allclose(losses, markov_source().losses(tokens.numpy() - 1))
    else:
        assert errors_below_source(losses, tokens) > MOST_ERRORS
