"""Searches by gradients through a differentiable guide, and by a policy."""

from typing import Any

import numpy as np
import pytest
import torch

import spaces
from oneshot import Constraint, SearchProblem, run_search
from oneshot.errors import InvalidGuide, InvalidOption
from oneshot.search.guide import PredictorGuide
from oneshot.strategies.reinforce import Reinforce
from oneshot.strategies.relaxation import ExpectedCost, RelaxedScore, descend
from predictor.ensemble.predictor import Fitting, GraphPredictor
from predictor.registry import make
from spaces import SearchSpace
from tables.cost.latency import latency_model
from tables.cost.model import CostModel, counting_model


class Counting:
    """A guide that counts what it is asked, relaxed or not."""

    def __init__(self, guide: Any):
        self.guide, self.relaxed, self.verified = guide, 0, 0

    def score(self, codes: np.ndarray) -> Any:
        self.verified += len(codes)
        return self.guide.score(codes)

    def score_relaxed(self, probabilities: Any) -> torch.Tensor:
        self.relaxed += len(probabilities[0])
        return self.guide.score_relaxed(probabilities)

    def to_dict(self) -> dict[str, Any]:
        return self.guide.to_dict()


def gates(name: str, seed: int = 0) -> PredictorGuide:
    """A predictor gates fitted for a second or two on terms of candidates and of pairs."""
    space, rng = spaces.get(name), np.random.default_rng(seed)
    codes = space.sample(rng, 60)
    values = codes @ rng.normal(size=len(space.choices)) + codes[:, 0] * codes[:, 1]
    found = GraphPredictor(
        space, seed, 2, Fitting(epochs=15), "gates", {"hidden": 16, "layers": 2, "head": 16}
    )
    found.fit(codes, values)
    return PredictorGuide(found, "gates")


def limited(
    guide: Any, space: SearchSpace, quantile: float, model: CostModel | None = None
) -> SearchProblem:
    model = model or counting_model(space, "macs")
    limit = np.quantile(model.upper(space.sample(np.random.default_rng(3), 2000)), quantile)
    return SearchProblem(
        space, guide, [Constraint(model.metric, float(limit), model, device=model.device)]
    )


@pytest.mark.parametrize("quantile", [0.05, 0.5, 0.9])
def test_the_known_optimum_under_a_constraint_is_found(toy: Any, quantile: float) -> None:
    """By dynamic programming over all of a small space's networks."""
    space = spaces.get("spos-tiny")
    every = np.concatenate(list(space.enumerate_codes()))
    for seed in range(5):
        problem = limited(toy(space, seed), space, quantile)
        best = toy(space, seed).value(every[problem.feasible(every)]).max()
        found = run_search(
            problem,
            "proxyless",
            options={"evaluations": 400, "restarts": 8, "steps": 20},
            seed=seed,
        )
        assert found.best.score == pytest.approx(best)


@pytest.mark.parametrize("strategy", ["proxyless", "reinforce"])
def test_both_beat_random_search(toy: Any, strategy: str) -> None:
    space = spaces.get("spos")
    gains = []
    for seed in range(3):
        learned = run_search(limited(toy(space, seed), space, 0.4), strategy, seed=seed)
        drawn = run_search(
            limited(toy(space, seed), space, 0.4),
            "random",
            options={"evaluations": 1000},
            seed=seed,
        )
        gains.append(learned.best.score - drawn.best.score)
    assert min(gains) > 0.5


@pytest.mark.parametrize("name", ["spos-tiny", "nasbench201"])
def test_a_graph_predictor_guides_it(name: str) -> None:
    guide = gates(name)
    problem = limited(Counting(guide), guide.predictor.space, 0.5)
    result = run_search(
        problem, "proxyless", options={"evaluations": 300, "restarts": 8, "steps": 15}
    )
    assert problem.feasible(result.codes).all()
    # Batches of another size round otherwise.
    np.testing.assert_allclose(result.scores, guide.score(result.codes)[0], rtol=1e-4, atol=1e-5)
    drawn = run_search(
        limited(guide, guide.predictor.space, 0.5), "random", options={"evaluations": 300}
    )
    assert result.best.score >= drawn.best.score - 1e-5


def test_evaluations_are_those_of_relaxed_architectures_too() -> None:
    guide = gates("spos-tiny")
    counted = Counting(guide)
    options = {"evaluations": 250, "restarts": 8, "steps": 15, "batch": 10}
    result = run_search(SearchProblem(guide.predictor.space, counted), "proxyless", options=options)
    assert counted.verified == len(result)
    assert (
        counted.relaxed + counted.verified - 1 <= 250
    )  # one relaxed architecture asks whether it can be scored


def test_the_margin_is_kept(toy: Any, table: Any) -> None:
    space = spaces.get("spos-tiny")
    model = latency_model(table, space)
    assert model.sigma
    problem = limited(toy(space), space, 0.3, model)
    result = run_search(
        problem, "proxyless", options={"evaluations": 300, "restarts": 8, "steps": 15}
    )
    limit = problem.constraints[0].maximum
    assert (model.estimate(result.codes) + 1.64 * model.sigma <= limit).all()


@pytest.mark.parametrize("kind", ["gp", "mlp"])
def test_guides_without_gradients_are_refused(kind: str) -> None:
    space = spaces.get("spos-tiny")
    rng = np.random.default_rng(0)
    found = (
        make("gp", space) if kind == "gp" else GraphPredictor(space, 0, 2, Fitting(epochs=1), kind)
    )
    found.fit(space.sample(rng, 20), rng.normal(size=20))
    with pytest.raises(
        InvalidGuide, match=f"gates, not by {kind}; for others there is the strategy reinforce"
    ):
        run_search(SearchProblem(space, PredictorGuide(found, kind)), "proxyless")


def test_guides_that_are_no_predictors_are_refused(toy: Any) -> None:
    guide = toy(spaces.get("spos-tiny"))

    class Plain:
        score, to_dict = guide.score, guide.to_dict

    with pytest.raises(
        InvalidGuide,
        match="a guide of the kind toy has no gradient; take a predictor of the kind gates",
    ):
        run_search(SearchProblem(guide.space, Plain()), "proxyless")


@pytest.mark.parametrize(
    ("strategy", "options", "message"),
    [
        (
            "proxyless",
            {"evaluations": 400},
            "evaluations must be more than restarts x steps, 400, not 400",
        ),
        ("proxyless", {"temperature": 0.0}, "temperature must be positive"),
        ("reinforce", {"decay": 1.0}, "decay must be below 1"),
        ("reinforce", {"decay": 1.5}, "decay must be between 0 and 1"),
    ],
)
def test_options_are_checked(
    toy: Any, strategy: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidOption, match=message):
        run_search(
            SearchProblem(spaces.get("spos-tiny"), toy(spaces.get("spos-tiny"))),
            strategy,
            options=options,
        )


def test_multipliers_hold_the_expected_cost_at_the_limit(toy: Any) -> None:
    space = spaces.get("spos")
    guide = toy(space, 2)
    problem = limited(guide, space, 0.02)
    cost = ExpectedCost(problem.constraints[0])

    def ends(constrained: SearchProblem) -> list[torch.Tensor]:
        relaxed = RelaxedScore(space, guide.score_relaxed)
        options: dict[str, Any] = {
            "restarts": 6,
            "steps": 80,
            "learning_rate": 0.2,
            "temperature": 0.2,
        }
        logs, merit = descend(relaxed, constrained, np.random.default_rng(0), **options)
        assert merit.shape == (6,)
        return [torch.from_numpy(np.exp(log)).float() for log in logs]

    probabilities = ends(problem)
    assert cost.excess(probabilities).max() < 0.4  # deviations of random architectures' costs
    assert cost.excess(ends(SearchProblem(space, guide))).min() > 0.5
    assert (
        guide.score_relaxed(probabilities).mean()
        > guide.value(space.sample(np.random.default_rng(1), 999)).mean() + 2
    )


def test_gradients_are_those_of_finite_differences() -> None:
    guide = gates("spos-tiny")
    space = guide.predictor.space
    relaxed = RelaxedScore(space, guide.score_relaxed)
    codes = space.sample(np.random.default_rng(1), 3)
    gradients = relaxed.gradients(codes)
    points = [np.eye(int(count))[codes[:, column]] for column, count in enumerate(space.candidates)]
    for column in (0, 2):
        for candidate in range(int(space.candidates[column])):
            values = []
            for move in (-1e-3, 1e-3):
                moved = [torch.from_numpy(point.copy()).float() for point in points]
                moved[column][:, candidate] += move
                values.append(guide.score_relaxed(moved).detach().numpy())
            np.testing.assert_allclose(
                (values[1] - values[0]) / 2e-3,
                gradients[column][:, candidate],
                rtol=0.05,
                atol=0.02,
            )


def test_costs_that_are_no_sums_guide_by_a_line() -> None:
    space = spaces.get("ofa-mobilenetv3", resolutions=(160, 224))
    model = counting_model(space, "macs")
    constraint = Constraint(
        "macs", float(np.median(model.estimate(space.sample(np.random.default_rng(0), 500)))), model
    )
    cost = ExpectedCost(constraint)
    codes = space.sample(np.random.default_rng(5), 400)
    columns = np.split(space.one_hot(codes), np.cumsum(space.candidates)[:-1], axis=1)
    line = cost.excess([torch.from_numpy(part).float() for part in columns]).numpy()
    true = (model.estimate(codes) - constraint.maximum) / cost.spread
    assert np.corrcoef(line, true)[0, 1] > 0.95


def test_a_policy_learns_the_best_candidates(toy: Any) -> None:
    space = spaces.get("spos")
    guide = toy(space, 4)
    strategy = Reinforce(SearchProblem(space, guide), np.random.default_rng(0), evaluations=1500)
    while len(codes := strategy.ask()):
        strategy.tell(codes, guide.score(codes)[0])
    likeliest = [int(row.argmax()) for row in strategy.probabilities()]
    best = [int(term.argmax()) for term in guide.terms]
    assert sum(one == other for one, other in zip(likeliest, best, strict=True)) >= 16  # of 20
