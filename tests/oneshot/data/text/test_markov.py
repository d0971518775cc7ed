"""The generated text has the entropy that its source states."""

import numpy as np
import pytest

from oneshot.data.registry import load
from oneshot.data.text.loading import MARKOV_SIZES, TextData, markov_source
from oneshot.data.text.markov import MarkovSource
from oneshot.data.text.windows import TextSplit


def test_entropy_is_the_mean_loss_of_its_own_text() -> None:
    source = MarkovSource.from_seed(1)
    text = source.generate(60_000, 2)

    losses = source.losses(text)

    error = losses.std() / np.sqrt(len(losses))
    assert abs(losses.mean() - source.entropy) < 4 * error


def test_pairs_are_stationary() -> None:
    source = MarkovSource.from_seed(3)

    following = np.einsum("ab,abc->bc", source.stationary, source.transitions)

    assert source.stationary.sum() == pytest.approx(1)
    assert np.allclose(following, source.stationary)


def test_source_without_choice_has_no_entropy() -> None:
    # Each symbol is followed by the next one of three.
    transitions = np.zeros((3, 3, 3))
    transitions[:, np.arange(3), (np.arange(3) + 1) % 3] = 1
    source = MarkovSource(transitions)

    assert source.entropy == 0
    assert source.perplexity == 1
    assert (np.diff(source.generate(20, 0)) % 3 == 1)[1:].all()


def test_set_is_the_same_in_every_process() -> None:
    shape = (35,)
    data = load("markov", shape)  # type: ignore[arg-type]

    assert isinstance(data, TextData)
    assert data.digest.startswith("9f8b8e6273ce185c")
    assert data.num_classes == 9
    sizes = []
    for part in (data.train, data.validation, data.test):
        assert isinstance(part, TextSplit)
        sizes.append(len(part.tokens))
    assert tuple(sizes) == MARKOV_SIZES
    assert 4 < markov_source().perplexity < 5
