"""The predictor loop: fitted on all that is known, it proposes what is promising and new."""

from typing import Any

import numpy as np
import pytest

import spaces
from oneshot import SearchProblem, run_search
from oneshot.strategies.predictor_loop import PredictorLoop, _best_of_each
from spaces import ChainSpace


def test_the_predictor_loop_learns_from_all_that_is_known(
    toy: Any, tiny: ChainSpace, light: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted: list[int] = []
    fit = light.fit

    def watched(self: Any, codes: np.ndarray, values: np.ndarray) -> None:
        fitted.append(len(codes))
        fit(self, codes, values)

    monkeypatch.setattr(light, "fit", watched)
    guide = toy(tiny)
    options = {"initial": 30, "batch": 10, "rounds": 4, "pool": 5000}
    result = run_search(SearchProblem(tiny, guide), "predictor-loop", options=options)
    assert fitted == [30, 40, 50, 60]
    assert len(result) == 70
    # An additive score is learned at once: what is proposed is far better than what is drawn.
    values = guide.value(np.array(guide.asked))
    assert np.median(values[-10:]) > np.quantile(values[:30], 0.95)
    every = np.concatenate(list(tiny.enumerate_codes()))
    assert (guide.value(every) > result.best.score).mean() < 0.002


def test_the_predictor_loop_never_draws_what_is_known_into_its_pool(
    toy: Any, tiny: ChainSpace
) -> None:
    guide = toy(tiny)
    problem = SearchProblem(tiny, guide)
    loop = PredictorLoop(problem, np.random.default_rng(0), initial=50, pool=300)
    codes = loop.ask()
    loop.tell(codes, guide.score(codes)[0])
    pool = loop._pool()
    assert len(pool) == 300
    assert not set(map(tuple, pool.tolist())) & set(guide.asked)
    assert len(set(map(tuple, pool.tolist()))) == 300


def test_predictors_by_name_are_fitted(toy: Any, tiny: ChainSpace) -> None:
    options = {"predictor": "forest", "initial": 30, "batch": 20, "rounds": 1, "exploration": 0.0}
    guide = toy(tiny)
    run_search(SearchProblem(tiny, guide), "predictor-loop", options=options)
    values = guide.value(np.array(guide.asked))
    assert len(values) == 50
    assert np.median(values[30:]) > np.quantile(values[:30], 0.8)


def test_deviations_are_explored(
    toy: Any, tiny: ChainSpace, light: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With much exploration the pool's most uncertain are evaluated, whatever their mean."""
    asked: dict[float, list[float]] = {}
    predict = light.predict

    for exploration in (0.0, 1e6):
        loop = PredictorLoop(
            SearchProblem(tiny, toy(tiny)), np.random.default_rng(0), exploration=exploration
        )
        codes = loop.ask()
        loop.tell(codes, loop.problem.guide.score(codes)[0])
        pools: list[Any] = []

        def watched(self: Any, codes: np.ndarray, pools: list[Any] = pools) -> Any:
            pools.append(predict(self, codes))
            return pools[-1]

        monkeypatch.setattr(light, "predict", watched)
        proposed = loop.ask()
        assert len(proposed) == 20
        mean, deviation = pools[0]
        found = predicted(light, loop, proposed)
        asked[exploration] = [found[0].mean() - mean.mean(), found[1].mean() - deviation.mean()]
    assert asked[0.0][0] > asked[1e6][0]
    assert asked[1e6][1] > max(0.0, asked[0.0][1])


def test_a_batch_begins_with_the_best_mean_and_explores_more_with_each_place() -> None:
    mean = np.array([5.0, 4.0, 3.0, 0.0])
    deviation = np.array([0.0, 0.5, 1.0, 5.0])
    bounds = mean + np.array([0.0, 1.0, 2.0])[:, None] * deviation
    every = np.ones(4, dtype=bool)
    # The bounds of the second place are 5, 4.5, 4 and 5, those of the third 5, 5, 5 and 10.
    assert _best_of_each(bounds, every).tolist() == [0, 3, 1, 2]
    # What is not new comes last, in the order of the last place.
    assert _best_of_each(bounds, np.array([False, True, True, False])).tolist() == [1, 2, 3, 0]
    # More places than architectures.
    assert _best_of_each(bounds[:, :2], every[:2]).tolist() == [0, 1]


def test_no_network_is_proposed_twice_while_others_are_left(toy: Any) -> None:
    """Cells of NAS-Bench-201, of which more than half compute the same as another one."""
    space = spaces.get("nasbench201")
    problem = SearchProblem(space, toy(space))
    loop = PredictorLoop(problem, np.random.default_rng(0), initial=20, batch=30)
    for _ in range(3):
        codes = loop.ask()
        loop.tell(codes, problem.guide.score(codes)[0])
    networks = [tuple(codes) for codes in space.representatives(loop.evaluated).tolist()]
    assert len(set(networks[20:])) == 60
    assert not set(networks[20:]) & set(networks[:20])

    every = next(iter(space.enumerate_codes()))
    is_new = loop._has_new_network(every)
    new = space.representatives(every[is_new])
    assert 0 < len(new) < len(every) / 2
    assert len(np.unique(new, axis=0)) == len(new)
    assert not set(map(tuple, new.tolist())) & set(networks)


def predicted(light: Any, loop: PredictorLoop, codes: np.ndarray) -> Any:
    fitted = light(loop.problem.space)
    fitted.fit(loop.evaluated, loop.scores)
    return fitted.predict(codes)
