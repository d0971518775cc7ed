"""The sub-networks of an update: the largest, the smallest, and random ones."""

from __future__ import annotations

import numpy as np

from oneshot.samplers.base import paths_digest
from spaces.space import Codes, SearchSpace


class SandwichPaths:
    """Sub-networks by the update's number alone (the sandwich rule: arXiv 1903.05134, section 3).

    Args:
        space: with elastic depth, and perhaps resolution.
        seed: of the random ones.
        samples: random ones an update.
        sandwich: whether the largest and the smallest are among them.
    """

    def __init__(self, space: SearchSpace, seed: int, samples: int, sandwich: bool = True):
        self.space, self.seed, self.samples, self.sandwich = space, seed, samples, sandwich
        self.largest, self.smallest = greatest(space), least(space)

    def of(self, step: int) -> Codes:
        """Codes [paths, choices] of an update; of a sandwich the largest comes first and the
        smallest last.
        """
        rng = np.random.default_rng([self.seed, step, 5])
        drawn = self.space.sample(rng, self.samples)
        if not self.sandwich:
            return drawn
        return np.asfortranarray(np.concatenate([self.largest[None], drawn, self.smallest[None]]))

    def digest(self, step: int, count: int) -> int:
        """62 bits that tell the paths of `count` updates from `step` on."""
        codes = np.concatenate([self.of(number) for number in range(step, step + count)])
        return paths_digest(codes)


def greatest(space: SearchSpace) -> Codes:
    """Codes [choices] with the greatest resolution, all layers, and the greatest kernel and
    expansion of each.
    """
    return _extreme(space, 1)


def least(space: SearchSpace) -> Codes:
    """Codes [choices] with the least resolution, as few layers as may be, and the least kernel and
    expansion.
    """
    return _extreme(space, -1)


def _extreme(space: SearchSpace, sign: int) -> Codes:
    codes = []
    for choice in space.choices:
        sizes = [sign * np.array(_size(name)) for name in map(str, choice.candidates)]
        codes.append(max(range(len(sizes)), key=lambda code: tuple(sizes[code].tolist())))
    found: Codes = space.check(np.array([codes]))[0]
    return found


def _size(name: str) -> tuple[int, int]:
    """Expansion and kernel of a layer's candidate, such as `k3e6`; 0 where it is left out; or a
    resolution.
    """
    if name.isdigit():
        return int(name), 0
    kernel, found, expansion = name.removeprefix("k").partition("e")
    return (
        (int(expansion), int(kernel))
        if found and kernel.isdigit() and expansion.isdigit()
        else (0, 0)
    )
