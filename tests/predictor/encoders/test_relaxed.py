"""Scores of distributions over candidates."""

import numpy as np
import pytest
import torch

import predictor
import spaces
from predictor.ensemble.predictor import Fitting, GraphPredictor
from predictor.errors import InvalidValues, NotRelaxable
from spaces.space import Codes, SearchSpace


def fitted(space: SearchSpace, encoder: str = "gates") -> GraphPredictor:
    codes = space.sample(np.random.default_rng(0), 20)
    model = GraphPredictor(space, members=2, fitting=Fitting(epochs=2), encoder=encoder)
    model.fit(codes, codes.sum(1).astype(float))
    return model


def certain(space: SearchSpace, codes: Codes) -> list[torch.Tensor]:
    counts = space.candidates.tolist()
    columns = [torch.from_numpy(codes[:, column].astype(np.int64)) for column in range(len(counts))]
    return [
        torch.nn.functional.one_hot(column, count).float()
        for column, count in zip(columns, counts, strict=True)
    ]


@pytest.mark.parametrize("name", ["spos-tiny", "nasbench201", "nasbench-macro"])
def test_certain_choices_are_scored_as_predicted(name: str) -> None:
    space = spaces.get(name)
    model = fitted(space)
    codes = space.sample(np.random.default_rng(1), 60)
    with torch.inference_mode():
        scores = model.score_relaxed(certain(space, codes)).numpy()
    np.testing.assert_allclose(scores, model.predict(codes)[0], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", ["spos-tiny", "nasbench201"])
def test_scores_have_gradients_to_every_choice(name: str) -> None:
    space = spaces.get(name)
    model = fitted(space)
    logits = [torch.zeros(count, requires_grad=True) for count in space.candidates.tolist()]
    score = model.score_relaxed([values.softmax(0) for values in logits])
    torch.autograd.backward(score.sum())
    for values in logits:
        assert values.grad is not None
        assert values.grad.abs().sum() > 0


def test_what_has_no_relaxed_score_says_so() -> None:
    space = spaces.get("nasbench101")
    with pytest.raises(NotRelaxable, match="nasbench101"):
        fitted(space).score_relaxed(
            [torch.ones(count) / count for count in space.candidates.tolist()]
        )
    with pytest.raises(NotRelaxable, match="not by mlp"):
        fitted(spaces.get("spos-tiny"), "mlp").score_relaxed([torch.ones(4) / 4] * 6)
    with pytest.raises(NotRelaxable, match="not by gp"):
        predictor.make("gp", space).score_relaxed([])


def test_probabilities_that_do_not_fit_are_refused() -> None:
    model = fitted(spaces.get("spos-tiny"))
    with pytest.raises(InvalidValues, match="6 choices; got probabilities of 1"):
        model.score_relaxed([torch.ones(4)])
    with pytest.raises(InvalidValues, match=r"not \[3\]"):
        model.score_relaxed([torch.ones(3)] * 6)
