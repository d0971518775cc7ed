"""Aging evolution: one change a child, and the oldest leaves."""

from typing import Any

import numpy as np
import pytest

import spaces
from oneshot import SearchProblem
from oneshot.strategies.aging import AgingEvolution, changed_once
from spaces import ChainSpace


@pytest.mark.parametrize("name", ["spos-tiny", "nasbench201", "nasbench101", "ofa-mobilenetv3"])
def test_changed_once_is_changed_in_one_choice(name: str) -> None:
    space = spaces.get(name)
    parents = space.sample(np.random.default_rng(0), 500)
    children = changed_once(space, parents, np.random.default_rng(1))
    assert np.array_equal(space.check(children), children)
    different = (children != parents).sum(1)
    if space.irregular:  # a change may have no effect, or make others have none
        assert (different > 0).mean() > 0.5
    else:
        assert (different == 1).all()
        columns = np.argmax(children != parents, axis=1)
        shares = np.bincount(columns, minlength=len(space.choices)) / 500
        assert shares == pytest.approx(1 / len(space.choices), abs=0.07)
    assert np.array_equal(children, changed_once(space, parents, np.random.default_rng(1)))


def test_the_oldest_leaves_the_population(toy: Any, tiny: ChainSpace) -> None:
    guide = toy(tiny)
    problem = SearchProblem(tiny, guide)
    strategy = AgingEvolution(
        problem, np.random.default_rng(0), evaluations=60, population=20, tournament=3, batch=1
    )
    while len(codes := strategy.ask()):
        strategy.tell(codes, guide.score(codes)[0])
        assert len(codes) == (20 if len(guide.asked) == 20 else 1)
        alive = [tuple(row.tolist()) for row, _ in strategy.population]
        assert alive == guide.asked[-20:]
        if len(guide.asked) > 20:  # the child differs in one choice from one that was alive before
            before = np.array(guide.asked[-21:-1])
            assert ((before != codes[0]).sum(1) == 1).any()
    assert len(guide.asked) == 60


def test_a_tournament_of_all_has_the_best_as_parent(toy: Any, tiny: ChainSpace) -> None:
    guide = toy(tiny)
    problem = SearchProblem(tiny, guide)
    strategy = AgingEvolution(problem, np.random.default_rng(0), population=10, tournament=10)
    codes = strategy.ask()
    strategy.tell(codes, guide.score(codes)[0])
    best = codes[guide.value(codes).argmax()]
    children = strategy._children(2000)
    assert (((children != best).sum(1) == 1).mean()) > 0.6  # ten draws of ten have the best in 65%
