"""NSGA-II: the front of score and costs."""

from typing import Any

import numpy as np

from oneshot import SearchProblem, run_search
from oneshot.search.objective import Objective
from oneshot.strategies.pareto import Pareto
from spaces import ChainSpace, SearchSpace
from tables.cost.model import counting_model


def objectives(space: SearchSpace, *metrics: str) -> list[Objective]:
    return [Objective(metric, counting_model(space, metric)) for metric in metrics]


class Conflict:
    """Scores what costs much highly, so that the front is long; knows the whole front."""

    def __init__(self, space: SearchSpace):
        self.space = space
        rng = np.random.default_rng(1)
        self.terms = [rng.normal(0, 1e-6, count) for count in space.candidates]

    def score(self, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        macs = self.space.macs(codes) / 1e6
        noise = np.sum([term[codes[:, column]] for column, term in enumerate(self.terms)], axis=0)
        return np.sqrt(macs) + 1e5 * noise, np.zeros(len(codes))

    def to_dict(self) -> dict[str, Any]:
        return {"kind": "made up"}


def area(points: np.ndarray, corner: tuple[float, float]) -> float:
    """The area that (score, cost) points dominate above the corner."""
    total, last = 0.0, corner[1]
    for score, cost in sorted(points.tolist(), key=lambda point: -point[0]):
        if cost < last:
            total += (last - cost) * (score - corner[0])
            last = cost
    return total


def test_pareto_finds_most_of_the_front(tiny: ChainSpace) -> None:
    problem = SearchProblem(tiny, Conflict(tiny))
    every = run_search(problem, "exhaustive", options={"batch": 5000})
    assert len(every.front()) > 10
    options = {"population": 50, "generations": 20}  # a quarter of the space
    corner = float(every.scores.min()), float(every.costs["macs"].max())

    def covered(result: Any) -> float:
        front = result.front()
        return area(np.stack([result.scores[front], result.costs["macs"][front]], 1), corner)

    whole = covered(every)
    shares = {"pareto": [], "evolution": [], "random": []}  # type: dict[str, list[float]]
    for seed in range(3):
        shares["pareto"].append(
            covered(run_search(problem, "pareto", options=options, seed=seed)) / whole
        )
        shares["evolution"].append(covered(run_search(problem, "evolution", seed=seed)) / whole)
        shares["random"].append(covered(run_search(problem, "random", seed=seed)) / whole)
    assert min(shares["pareto"]) > 0.98
    assert np.mean(shares["pareto"]) > np.mean(shares["evolution"])
    assert np.mean(shares["pareto"]) > np.mean(shares["random"])


def test_pareto_trades_all_objectives(tiny: ChainSpace) -> None:
    problem = SearchProblem(tiny, Conflict(tiny), objectives=objectives(tiny, "macs", "params"))
    result = run_search(problem, "pareto", options={"population": 40, "generations": 5})
    assert result.objectives == ("macs", "params")
    front = result.front()
    points = np.stack([-result.scores, result.costs["macs"], result.costs["params"]], axis=1)
    beaten = [(points <= point).all(1) & (points < point).any(1) for point in points]
    kept = {tuple(point) for point, by in zip(points.tolist(), beaten, strict=True) if not by.any()}
    assert {tuple(point) for point in points[front].tolist()} == kept
    assert len(front) == len(kept)
    two = run_search(
        SearchProblem(tiny, Conflict(tiny)), "pareto", options={"population": 40, "generations": 5}
    )
    assert len(two.front()) < len(front)


def test_pareto_keeps_those_that_no_other_beats(toy: Any, tiny: ChainSpace) -> None:
    problem = SearchProblem(tiny, toy(tiny))
    strategy = Pareto(problem, np.random.default_rng(0), population=20, generations=6)
    told = []
    while len(codes := strategy.ask()):
        scores, _ = problem.guide.score(codes)
        strategy.tell(codes, scores)
        told.append(np.stack([-scores, problem.costs["macs"].estimate(codes)], axis=1))
    points = np.concatenate(told)
    survivors = strategy._algorithm.pop.get("F")
    front = [
        tuple(point)
        for point in points.tolist()
        if not ((points <= point).all(1) & (points < point).any(1)).any()
    ]
    kept = {tuple(point) for point in survivors.tolist()}
    assert len(front) <= 20
    assert set(front) <= kept
