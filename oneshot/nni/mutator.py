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
"""Key -> which candidates or inputs are taken, bool [candidates or inputs]."""

_log = logging.getLogger(__name__)


class SPOSSupernetTrainingMutator:
    """Draws single paths of a model with choices, uniformly or uniformly over FLOPs (microsoft/nni,
    version 1 and 2).

    Unlike there, the bin is drawn once a path and not at every try, so that bins get equal shares;
    and all randomness comes from the seed: the n-th path is always the same.

    Args:
        model: has LayerChoice, InputChoice, ValueChoice or Repeat inside; those with equal keys
            decide alike.
        flops_func: a sample (key -> bool tensor [candidates]) -> its FLOPs; None: paths are
            uniform.
        flops_lb: least FLOPs, with `flops_func`.
        flops_ub: greatest FLOPs, with `flops_func`.
        flops_bin_num: bins of equal width between both.
        flops_sample_timeout: paths that are tried for a bin; then any is taken, with a warning.
        seed: of all paths.

    Raises:
        InvalidOption: the model has no choices, or the bounds are missing or do not rise.
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
        self.model, self.flops_func, self.flops_sample_timeout, self.seed = (
            model,
            flops_func,
            flops_sample_timeout,
            seed,
        )
        self.mutables: dict[str, list[Mutable]] = {}
        for mutable in assign_keys(model):
            self.mutables.setdefault(mutable.key, []).append(mutable)
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
        self.count = 0

    def codes(self, number: int) -> list[int]:
        """Codes of path `number`, one a key in the order of `mutables`."""
        rng = np.random.default_rng([self.seed, number])
        if self.flops_func is None:
            return self._any(rng)
        index = int(rng.integers(len(self.edges) - 1))
        for _ in range(self.flops_sample_timeout):
            codes = self._any(rng)
            if self.edges[index] <= self.flops_func(self.sample(codes)) <= self.edges[index + 1]:
                return codes
        low, high = self.edges[index : index + 2]
        _log.warning(
            "none of %d paths has from %g to %g FLOPs", self.flops_sample_timeout, low, high
        )
        return self._any(rng)

    def _any(self, rng: np.random.Generator) -> list[int]:
        return [
            int(rng.integers(len(found[0].choice.candidates))) for found in self.mutables.values()
        ]

    def sample(self, codes: list[int]) -> Sample:
        """Codes as NNI writes them: key -> bool [candidates or inputs]."""
        return {
            key: found[0].mask_of(code)
            for (key, found), code in zip(self.mutables.items(), codes, strict=True)
        }

    def activate(self, codes: list[int]) -> None:
        """Let the model run the path of these codes."""
        for found, code in zip(self.mutables.values(), codes, strict=True):
            for mutable in found:
                mutable.activate(code)

    def sample_search(self) -> Sample:
        """The next path, which the model does not run yet."""
        self.count += 1
        return self.sample(self.codes(self.count - 1))

    def sample_final(self) -> Sample:
        """As `sample_search`: a supernet has no final architecture."""
        return self.sample_search()

    def reset(self) -> None:
        """Let the model run the next path."""
        self.count += 1
        self.activate(self.codes(self.count - 1))

    def export(self) -> Sample:
        """As `sample_final`."""
        return self.sample_final()

    def status(self) -> dict[str, Any]:
        """The path that the model runs now: key -> name of the candidate."""
        return {
            key: found[0].choice.candidates[found[0].decided()]
            for key, found in self.mutables.items()
        }
