"""Sub-networks of an update: the largest, the smallest, and random ones; those of a stage."""

from __future__ import annotations

import re

import numpy as np

from oneshot.samplers.base import paths_digest
from spaces.chains.elastic_depth import SKIP
from spaces.chains.resolution import RESOLUTION
from spaces.space import Codes, SearchSpace

_CANDIDATE = re.compile(r"(k(?P<kernel>\d+))?([ew](?P<width>\d+(\.\d+)?))?")
"""Name of a candidate with a kernel and an expansion, or a width of a head."""


class SandwichPaths:
    """Sampler of each update's sub-networks (the sandwich rule, arXiv 1903.05134, section 3).

    They depend on the seed and the number of the update only, so that a resumed training has the
    same ones.

    Args:
        space: Space with elastic depth, and possibly elastic resolution.
        seed: Seed of the random sub-networks.
        samples: Number of random sub-networks per update.
        sandwich: Whether the largest and the smallest sub-network are added.
    """

    def __init__(self, space: SearchSpace, seed: int, samples: int, sandwich: bool = True):
        self.space = space
        self.seed = seed
        self.samples = samples
        self.sandwich = sandwich
        self.largest = greatest(space)
        self.smallest = least(space)

    def of(self, step: int) -> Codes:
        """Return the codes [paths, choices] of an update.

        In a sandwich the largest sub-network is the first and the smallest one the last.
        """
        # The last number separates this generator from the others of the same seed.
        rng = np.random.default_rng([self.seed, step, 5])
        samples = self.space.sample(rng, self.samples)
        if not self.sandwich:
            return samples

        return np.asfortranarray(np.concatenate([self.largest[None], samples, self.smallest[None]]))

    def digest(self, step: int, count: int) -> int:
        """Return 62 bits of the SHA-256 of the paths of `count` updates from `step` on."""
        codes = np.concatenate([self.of(number) for number in range(step, step + count)])
        return paths_digest(codes)


def restricted_sample(
    space: SearchSpace, rng: np.random.Generator, n: int, kernels: int, depths: int, expansions: int
) -> Codes:
    """Return random sub-networks of the greatest sizes, codes [n, choices].

    Depths are drawn uniformly, then the kernel and the expansion of each layer. All sub-networks
    have one resolution, as those of an update see the same images.

    Args:
        space: Space with elastic depth, and possibly elastic resolution.
        rng: Source of all randomness.
        n: Number of sub-networks.
        kernels: Number of kernel sizes of each layer, the greatest ones.
        depths: Number of depths of each stage, the greatest ones.
        expansions: Number of expansions of each layer, the greatest ones.
    """
    rows = np.empty((n, len(space.choices)), dtype=space.dtype)
    optional = [SKIP in choice.candidates for choice in space.choices]
    for column, choice in enumerate(space.choices):
        allowed = _greatest_codes(list(map(str, choice.candidates)), kernels, expansions)
        rows[:, column] = rng.choice(allowed, size=1 if choice.key == RESOLUTION else n)

    # The optional layers of a stage follow each other, behind those that it always has.
    for columns in _runs(optional):
        fewest = max(0, len(columns) - depths + 1)
        stage_depths = rng.integers(fewest, len(columns) + 1, size=n)
        for index, column in enumerate(columns):
            skip = space.choices[column].candidates.index(SKIP)
            rows[:, column] = np.where(index < stage_depths, rows[:, column], skip)

    return space.check(np.asfortranarray(rows))


def _greatest_codes(names: list[str], kernels: int, expansions: int) -> list[int]:
    """Return the codes of the candidates with the greatest kernels and expansions."""
    if all(name.isdigit() for name in names):
        return list(range(len(names)))
    sizes = {code: _size(name) for code, name in enumerate(names) if name != SKIP}
    largest_expansions = sorted({expansion for expansion, _ in sizes.values()})[-expansions:]
    largest_kernels = sorted({kernel for _, kernel in sizes.values()})[-kernels:]
    return [
        code
        for code, (expansion, kernel) in sizes.items()
        if expansion in largest_expansions and kernel in largest_kernels
    ]


def _runs(flags: list[bool]) -> list[list[int]]:
    """Return the indices of each run of true values."""
    runs: list[list[int]] = []
    for index, flag in enumerate(flags):
        if flag and index and flags[index - 1]:
            runs[-1].append(index)
        elif flag:
            runs.append([index])
    return runs


def greatest(space: SearchSpace) -> Codes:
    """Return the codes [choices] of the largest sub-network.

    It has the greatest resolution, all layers, and each layer's greatest expansion and kernel.
    """
    return _extreme(space, 1)


def least(space: SearchSpace) -> Codes:
    """Return the codes [choices] of the smallest sub-network.

    It has the least resolution, the fewest layers, and each layer's least expansion and kernel.
    """
    return _extreme(space, -1)


def _extreme(space: SearchSpace, sign: int) -> Codes:
    """Return the codes with the greatest sizes (sign 1) or the least (sign -1)."""
    codes = []
    for choice in space.choices:
        sizes = [sign * np.array(_size(name)) for name in map(str, choice.candidates)]
        # Compared as tuples: the expansion first, then the kernel.
        codes.append(max(range(len(sizes)), key=lambda code: tuple(sizes[code].tolist())))

    checked: Codes = space.check(np.array([codes]))[0]
    return checked


def _size(name: str) -> tuple[float, int]:
    """Return the size of a candidate as a tuple that orders the candidates of its choice.

    It is (expansion, kernel) of a layer such as `k3e6`, (width, kernel) of a head's such as
    `k3w0.5`, of which either may be absent, (0, 0) of a layer that is left out, and (resolution, 0)
    of a resolution.
    """
    if name.isdigit():
        return int(name), 0

    parts = _CANDIDATE.fullmatch(name)
    if parts is None:
        return 0, 0
    return float(parts["width"] or 0), int(parts["kernel"] or 0)
