"""NNI's `SPOSSupernetTrainingMutator` with its arguments."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
from torch import nn

from oneshot.errors import InvalidOption
from oneshot.mutators.binding import code_of
from oneshot.mutators.mutator import Masks, Mutator

_log = logging.getLogger(__name__)

# Hooks of a bound mutator: a path is active in the model, which runs it without the mutator.
_FORWARD_HOOKS = (
    "on_forward_layer_choice",
    "on_forward_input_choice",
    "enter_mutable_scope",
    "exit_mutable_scope",
)


class SPOSSupernetTrainingMutator(Mutator):
    """Sampler of single paths of a model with choices, uniform over paths or over FLOPs.

    Follows the mutator of microsoft/nni, versions 1 and 2. Unlike NNI's, it draws the bin once per
    path and not at every try, so that all bins are equally likely. All random numbers come from
    the seed: the n-th path is always the same.

    A path is activated in the model, which keeps it when the mutator is gone. Subclasses may
    override `sample_search` and `sample_final`; those that override a forward pass derive from
    `Mutator`.

    Args:
        model: Model with LayerChoice, InputChoice, ValueChoice or Repeat; mutables with equal keys
            make the same decision.
        flops_func: Maps a sample (key -> bool tensor [candidates]) to its FLOPs; None for uniform
            paths. Samples have the mutables' keys and are found by every name of a choice.
        flops_lb: Lower bound of the FLOPs; required with `flops_func`.
        flops_ub: Upper bound of the FLOPs; required with `flops_func`.
        flops_bin_num: Number of bins of equal width between the bounds.
        flops_sample_timeout: Maximum number of paths tried per bin. If none of them is in the bin,
            any path is used, with a warning.
        seed: Seed of all paths.

    Raises:
        InvalidOption: The model has no choices, another mutator is bound to it, or the bounds are
            missing or do not increase.
    """

    def __init_subclass__(cls, **options: Any) -> None:
        """Refuse hooks that are never called.

        Raises:
            InvalidOption: The subclass overrides a forward pass.
        """
        super().__init_subclass__(**options)
        for name in _FORWARD_HOOKS:
            if name in cls.__dict__:
                raise InvalidOption(
                    f"{cls.__name__}: overriding {name} has no effect on a"
                    " SPOSSupernetTrainingMutator, whose paths the model runs; derive from Mutator"
                )

    def __init__(
        self,
        model: nn.Module,
        flops_func: Callable[[Masks], float] | None = None,
        flops_lb: float | None = None,
        flops_ub: float | None = None,
        flops_bin_num: int = 7,
        flops_sample_timeout: int = 500,
        *,
        seed: int = 0,
    ):
        super().__init__(model)
        self.flops_func = flops_func
        self.flops_sample_timeout = flops_sample_timeout
        self.seed = seed

        self.edges = np.zeros(0)
        if flops_func is not None:
            if flops_lb is None or flops_ub is None or not flops_lb < flops_ub or flops_bin_num < 1:
                raise InvalidOption(
                    "flops_func needs flops_lb < flops_ub and flops_bin_num >= 1, "
                    f"not {flops_lb}, {flops_ub} and {flops_bin_num}"
                )
            self.edges = np.linspace(flops_lb, flops_ub, flops_bin_num + 1)

        # Number of the next path; see `seek`.
        self.count = 0

    def bind(self) -> None:
        """Do nothing: a path is activated in the model."""

    def path(self, number: int) -> list[int]:
        """Return the codes of path `number`, one per choice in the order of `deciding`."""
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
        return [int(rng.integers(len(mutable.choice.candidates))) for mutable in self.deciding]

    def sample(self, codes: list[int]) -> Masks:
        """Convert codes to NNI's format: key -> bool [candidates or inputs]."""
        pairs = zip(self.deciding, codes, strict=True)
        return self.choice_names.external(
            {mutable.choice.key: mutable.mask_of(code) for mutable, code in pairs}
        )

    def sample_search(self) -> Masks:
        """Return the next path without activating it in the model."""
        self.count += 1
        return self.sample(self.path(self.count - 1))

    def sample_final(self) -> Masks:
        """Return the next path like `sample_search`: a supernet has no final architecture."""
        return self.sample_search()

    def take(self, masks: Masks) -> None:
        """Activate a path in the model; see `Mutator.take`."""
        super().take(masks)
        for key, mutables in self.groups.items():
            code = code_of(mutables[0], self.masks[key])
            for mutable in mutables:
                mutable.activate(code)

    def seek(self, number: int) -> int:
        """Continue with path `number`, and return the number of the path that was next."""
        previous = self.count
        self.count = number
        return previous

    def status(self) -> dict[str, Any]:
        """Return the active path of the model: key -> name of the candidate."""
        return {
            mutable.key: mutable.choice.candidates[mutable.decided()] for mutable in self.deciding
        }
