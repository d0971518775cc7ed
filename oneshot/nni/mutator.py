"""NNI's `SPOSSupernetTrainingMutator` with its arguments."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
from torch import Tensor, nn

from oneshot.errors import InvalidOption
from spaces.modules.mutable import Mutable, assign_keys

Sample = dict[str, Tensor]
"""Key -> mask of the active candidates or inputs, bool [candidates or inputs]."""

_log = logging.getLogger(__name__)


class SPOSSupernetTrainingMutator:
    """Sampler of single paths of a model with choices, uniform over paths or over FLOPs.

    Follows the mutator of microsoft/nni, versions 1 and 2. Unlike NNI's, it draws the bin once per
    path and not at every try, so that all bins are equally likely. All random numbers come from
    the seed: the n-th path is always the same.

    Args:
        model: Model with LayerChoice, InputChoice, ValueChoice or Repeat; mutables with equal keys
            make the same decision.
        flops_func: Maps a sample (key -> bool tensor [candidates]) to its FLOPs; None for uniform
            paths.
        flops_lb: Lower bound of the FLOPs; required with `flops_func`.
        flops_ub: Upper bound of the FLOPs; required with `flops_func`.
        flops_bin_num: Number of bins of equal width between the bounds.
        flops_sample_timeout: Maximum number of paths tried per bin. If none of them is in the bin,
            any path is used, with a warning.
        seed: Seed of all paths.

    Raises:
        InvalidOption: The model has no choices, or the bounds are missing or do not increase.
    """

    def __init__(
        self,
        model: nn.Module,
        flops_func: Callable[[Sample], float] | None = None,
        flops_lb: float | None = None,
        flops_ub: float | None = None,
        flops_bin_num: int = 7,
        flops_sample_timeout: int = 500,
        *,
        seed: int = 0,
    ):
        self.model = model
        self.flops_func = flops_func
        self.flops_sample_timeout = flops_sample_timeout
        self.seed = seed

        # Mutables with equal keys are one decision, so a path has one code per key.
        self.mutables: dict[str, list[Mutable]] = {}
        for mutable in assign_keys(model):
            self.mutables.setdefault(mutable.choice.key, []).append(mutable)
        if not self.mutables:
            raise InvalidOption(
                f"model: {type(model).__name__} has no LayerChoice, InputChoice, ValueChoice or"
                " Repeat"
            )

        self.edges = np.zeros(0)
        if flops_func is not None:
            if flops_lb is None or flops_ub is None or not flops_lb < flops_ub or flops_bin_num < 1:
                raise InvalidOption(
                    "flops_func needs flops_lb < flops_ub and flops_bin_num >= 1, "
                    f"not {flops_lb}, {flops_ub} and {flops_bin_num}"
                )
            self.edges = np.linspace(flops_lb, flops_ub, flops_bin_num + 1)

        # Number of the next path; a trainer sets it when it resumes.
        self.count = 0

    def codes(self, number: int) -> list[int]:
        """Return the codes of path `number`, one per key in the order of `mutables`."""
        # A generator per path: any path can be drawn without those before it, as resuming needs.
        rng = np.random.default_rng([self.seed, number])
        if self.flops_func is None:
            return self._sample_uniform(rng)

        # Rejection sampling within one bin of FLOPs.
        index = int(rng.integers(len(self.edges) - 1))
        for _ in range(self.flops_sample_timeout):
            codes = self._sample_uniform(rng)
            if self.edges[index] <= self.flops_func(self.sample(codes)) <= self.edges[index + 1]:
                return codes

        low, high = self.edges[index : index + 2]
        _log.warning(
            "none of %d paths has from %g to %g FLOPs", self.flops_sample_timeout, low, high
        )
        return self._sample_uniform(rng)

    def _sample_uniform(self, rng: np.random.Generator) -> list[int]:
        return [
            int(rng.integers(len(group[0].choice.candidates))) for group in self.mutables.values()
        ]

    def sample(self, codes: list[int]) -> Sample:
        """Convert codes to NNI's format: key -> bool [candidates or inputs]."""
        return {
            key: group[0].mask_of(code)
            for (key, group), code in zip(self.mutables.items(), codes, strict=True)
        }

    def activate(self, codes: list[int]) -> None:
        """Set the model to the path of these codes."""
        for group, code in zip(self.mutables.values(), codes, strict=True):
            for mutable in group:
                mutable.activate(code)

    def sample_search(self) -> Sample:
        """Return the next path without activating it in the model."""
        self.count += 1
        return self.sample(self.codes(self.count - 1))

    def sample_final(self) -> Sample:
        """Return the next path like `sample_search`: a supernet has no final architecture."""
        return self.sample_search()

    def reset(self) -> None:
        """Activate the next path in the model."""
        self.count += 1
        self.activate(self.codes(self.count - 1))

    def export(self) -> Sample:
        """Return the next path like `sample_final`."""
        return self.sample_final()

    def status(self) -> dict[str, Any]:
        """Return the active path of the model: key -> name of the candidate."""
        return {
            key: group[0].choice.candidates[group[0].decided()]
            for key, group in self.mutables.items()
        }
