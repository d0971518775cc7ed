"""Write a search strategy and compare it with random search on a zero-cost proxy.

python examples/own_strategy.py --evaluations 60
"""

import argparse

import numpy as np
import torch

import spaces
from oneshot import SearchProblem, Strategy, register_strategy, run_search
from predictor.proxies import measure


@register_strategy("climbing")
class Climbing(Strategy):
    """Mutates the best network so far.

    Keyword arguments of the constructor are the strategy's options.
    """

    def __init__(self, problem, rng, *, evaluations: int = 60, batch: int = 10):
        super().__init__(problem, rng)
        self.evaluations = evaluations
        self.batch = batch
        self.best = None
        self.best_score = -np.inf

    @property
    def planned(self):
        return self.evaluations

    def ask(self):
        """Codes [n, choices] to evaluate next; no rows end the search."""
        if len(self.seen) >= self.evaluations:
            return self.empty
        if self.best is None:
            return self.sample_new(self.batch)
        parents = np.repeat(self.best, 2 * self.batch, axis=0)
        return self.make_children(
            lambda: self.problem.space.mutate(parents, self.rng, 0.2), self.batch
        )

    def tell(self, codes, scores):
        if scores.max() > self.best_score:
            self.best = codes[[scores.argmax()]]
            self.best_score = scores.max()


class NaswotGuide:
    """Scores untrained networks by naswot (Mellor et al., ICML 2021)."""

    def __init__(self, space):
        self.space = space
        self.images = torch.rand(16, *space.input_shape, generator=torch.Generator().manual_seed(0))
        self.labels = torch.arange(16) % space.num_classes

    def score(self, codes):
        scores = []
        for architecture in self.space.decode(codes):
            network = self.space.network(architecture)
            scores.append(measure(network, self.images, self.labels, ["naswot"])["naswot"])
        return np.array(scores), np.zeros(len(scores))

    def to_dict(self):
        return {"kind": "proxy", "name": "naswot"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--evaluations", type=int, default=60)
    options = {"evaluations": parser.parse_args().evaluations}

    space = spaces.get("spos-tiny")
    problem = SearchProblem(space, NaswotGuide(space))
    for strategy in ("climbing", "random"):
        result = run_search(problem, strategy, options=options, seed=0)
        print(f"{strategy:10} best naswot {result.best.score:.2f} of {len(result)} networks")


if __name__ == "__main__":
    main()
