"""Build a search space from your own model, train it as a supernet, and search it under a limit.

python examples/own_model.py --epochs 20
"""

import argparse

import numpy as np
import torch
from torch import nn

import spaces
from oneshot import Limit, SearchProblem, run_search
from oneshot.data import load
from spaces import LayerChoice


class Net(nn.Module):
    """Two layers with open kernels, then a classifier of ten digits."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, stride=2, padding=1)
        self.first = LayerChoice({f"k{k}": self._layer(k) for k in (1, 3, 5)})
        self.second = LayerChoice({f"k{k}": self._layer(k) for k in (1, 3, 5)})
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10))

    @staticmethod
    def _layer(kernel: int) -> nn.Module:
        return nn.Sequential(nn.Conv2d(16, 16, kernel, padding=kernel // 2), nn.ReLU())

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.second(self.first(self.stem(images))))


# Registered, so that results that name the space can be read back.
@spaces.register_space("two-kernels")
def two_kernels(name):
    return spaces.from_model(Net(), example_input=torch.zeros(1, 3, 16, 16), name=name)


class Accuracy:
    """A guide is any object with these two methods; greater scores are better."""

    def __init__(self, space, supernet, images, labels):
        self.space, self.supernet = space, supernet
        self.images, self.labels = images, labels

    @torch.no_grad()
    def score(self, codes):
        scores = []
        for architecture in self.space.decode(codes):
            self.supernet.activate(architecture)
            correct = self.supernet(self.images).argmax(1) == self.labels
            scores.append(100 * correct.float().mean().item())
        return np.array(scores), np.zeros(len(scores))

    def to_dict(self):
        return {"kind": "supernet", "name": "own model"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=20)
    epochs = parser.parse_args().epochs

    torch.manual_seed(0)
    data = load("digits", (3, 16, 16))
    space = spaces.get("two-kernels")
    supernet = space.supernet()

    # SPOS: every update trains one path, drawn uniformly.
    rng = np.random.default_rng(0)
    optimizer = torch.optim.SGD(supernet.parameters(), lr=0.05, momentum=0.9)
    images, labels = data.train.tensors()
    for _ in range(epochs):
        for batch in torch.randperm(len(images)).split(64):
            supernet.activate(space.sample(rng))
            loss = nn.functional.cross_entropy(supernet(images[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    guide = Accuracy(space, supernet.eval(), *data.validation.tensors())
    middle = float(np.median(space.macs(space.sample(rng, 200))))
    limit = Limit("flops", middle).bind(space, load=None)
    result = run_search(SearchProblem(space, guide, [limit]), "exhaustive")
    for rank in range(3):
        candidate = result.candidate(rank)
        choices = candidate.architecture.to_dict()["choices"]
        print(f"{candidate.score:.1f}%  {candidate.costs['macs'] / 1e3:.0f}k MACs  {choices}")


if __name__ == "__main__":
    main()
