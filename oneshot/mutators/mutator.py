"""Decide the choices of a model with mutators, under the names that NNI uses."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from oneshot.errors import InvalidOption
from oneshot.mutators.binding import BaseMutator as BaseMutator
from oneshot.mutators.binding import code_of, size
from spaces.errors import NoActiveCandidate
from spaces.modules.choices import LayerChoice
from spaces.modules.input_choice import InputChoice
from spaces.modules.mutable import Mutable
from spaces.modules.reduction import reduced, scaled
from spaces.modules.repeat import Repeat
from spaces.modules.value_choice import ValueChoice

Masks = dict[str, Tensor]
"""Mask of each key [candidates], of an InputChoice [inputs]: bool selects, float weights."""


class Mutator(BaseMutator):
    """Decides all choices of a model at once.

    `sample_search` decides while weights are trained, `sample_final` for the exported architecture.
    A decision of `reset` is valid until the next `reset`. Mutables with equal keys share one
    decision. A mutator takes about ten lines: see docs/guides/algorithms.md.

    Args:
        model: Model whose choices are bound; see `BaseMutator`.
    """

    def __init__(self, model: nn.Module):
        super().__init__(model)
        self.masks: Masks = self.choice_names.internal({})

    def sample_search(self) -> Masks:
        """Return masks for all keys that the model runs next."""
        raise NotImplementedError(f"{type(self).__name__} has no sample_search")

    def sample_final(self) -> Masks:
        """Return masks for all keys that select the final architecture."""
        raise NotImplementedError(f"{type(self).__name__} has no sample_final")

    def reset(self) -> None:
        """Decide all choices; the model runs the decision until the next `reset`."""
        self.take(self.sample_search())

    def seek(self, number: int) -> int:
        """Continue with decision `number`, where decisions are numbered; see the SPOS mutator.

        Args:
            number: Number of the next decision.

        Returns:
            Number of the decision that was next; 0 where decisions have no numbers.
        """
        return 0

    def take(self, masks: Masks) -> None:
        """Let the model run with the given masks.

        Args:
            masks: Mask of each choice, by any name of the choice.

        Raises:
            InvalidOption: A key is missing, or a mask has the wrong shape.
        """
        masks = self.choice_names.internal(masks)
        for key, (mutable, *_) in self.groups.items():
            if key not in masks:
                raise InvalidOption(f"{type(self).__name__}: the sample has no mask for {key!r}")
            if tuple(masks[key].shape) != (size(mutable),):
                shape = list(masks[key].shape)
                raise InvalidOption(
                    f"{type(self).__name__}: the mask of {key!r} has the shape [{size(mutable)}],"
                    f" not {shape}"
                )

        # Only now, so that an invalid sample leaves the previous decision in force.
        self.masks = masks

    def export(self) -> Masks:
        """Return the final architecture: key -> mask, found by every name of the choice."""
        with torch.no_grad():
            return self.choice_names.external(self.choice_names.internal(self.sample_final()))

    def export_json(self) -> str:
        """Return the final architecture as NNI 1.9 writes it: JSON text of key -> list of the mask.

        `FixedArchitecture` and `oneshot.nni.apply_fixed_architecture` read it.
        """
        architecture = {key: mask.tolist() for key, mask in self.export().items()}
        return json.dumps(architecture, indent=2, sort_keys=True) + "\n"

    def codes(self) -> dict[str, int]:
        """Return the final architecture: key -> code of its candidate.

        Raises:
            InvalidOption: A mask gives weight to more than one candidate.
        """
        with torch.no_grad():
            masks = self.choice_names.internal(self.sample_final())
        return {key: code_of(mutables[0], masks[key]) for key, mutables in self.groups.items()}

    def decided(self) -> dict[str, str]:
        """Return the final architecture: key -> name of its candidate."""
        return {
            key: self.groups[key][0].choice.candidates[code] for key, code in self.codes().items()
        }

    def mask(self, mutable: Mutable) -> Tensor:
        """Return the current mask of a mutable; raises NoActiveCandidate before any `reset`."""
        try:
            return self.masks[mutable.choice.key]
        except KeyError:
            raise NoActiveCandidate(
                f"{mutable.description}: nothing is decided yet; call the mutator's reset() first"
            ) from None

    def on_forward_layer_choice(
        self, mutable: LayerChoice, *inputs: Any, **options: Any
    ) -> tuple[Any, Tensor]:
        """Return the reduction of the candidates that the mask selects; no other one runs."""
        mask = self.mask(mutable)
        return mutable.masked(mask, *inputs, **options), mask

    def on_forward_input_choice(
        self, mutable: InputChoice, tensors: Sequence[Tensor]
    ) -> tuple[Any, Tensor]:
        """Return the reduction of the inputs that the mask selects."""
        mask = self.mask(mutable)
        return mutable.masked(mask, tensors), mask

    def on_forward_value_choice(self, mutable: ValueChoice) -> tuple[Any, Tensor]:
        """Return the value that the mask selects; of weights, the weighted sum of numbers."""
        mask = self.mask(mutable)
        if mask.dtype == torch.bool:
            return mutable.choice.values[code_of(mutable, mask)], mask

        try:
            return (mask * mask.new_tensor(mutable.choice.values)).sum(), mask
        except (TypeError, ValueError) as error:
            raise InvalidOption(
                f"{mutable.description}: weights need values that are numbers"
            ) from error

    def on_forward_repeat(
        self, mutable: Repeat, x: Any, *inputs: Any, **options: Any
    ) -> tuple[Any, Tensor]:
        """Return the output at the depth that the mask selects; of weights, the weighted sum."""
        mask = self.mask(mutable)
        depths = list(mutable.choice.values)
        if mask.dtype == torch.bool:
            return mutable.run(depths[code_of(mutable, mask)], x, *inputs, **options), mask

        # Depths are consecutive, so each one adds a single block to the output of the previous one.
        x = mutable.run(depths[0], x, *inputs, **options)
        outputs = [scaled(x, mask[0])]
        for index in range(1, len(depths)):
            # Isolated: the gradient of a weight needs the output that this block reads.
            first = depths[index - 1]
            x = mutable.run_isolated(first, depths[index], x, *inputs, **options)
            outputs.append(scaled(x, mask[index]))

        return reduced("sum", outputs), mask


class RandomMutator(Mutator):
    """Decides uniformly at random.

    Args:
        model: Model whose choices are bound; see `BaseMutator`.
        seed: Seed of the mutator's generator, whose state is part of `state_dict`.
    """

    def __init__(self, model: nn.Module, seed: int = 0):
        super().__init__(model)
        self.generator = torch.Generator().manual_seed(seed)

    def sample_search(self) -> Masks:
        """Sample one candidate of each key uniformly."""
        masks = {}
        for key, (mutable, *_) in self.groups.items():
            code = int(torch.randint(len(mutable.choice.candidates), (), generator=self.generator))
            masks[key] = mutable.mask_of(code)
        return masks

    def sample_final(self) -> Masks:
        """Sample one candidate of each key uniformly; nothing is learned that could be final."""
        return self.sample_search()

    def get_extra_state(self) -> dict[str, Tensor]:
        """Return the generator's state, for `state_dict`."""
        return {"generator": self.generator.get_state()}

    def set_extra_state(self, state: Any) -> None:
        """Restore the generator's state."""
        self.generator.set_state(state["generator"])


class FixedArchitecture(Mutator):
    """Runs one given architecture, without a `reset`.

    Args:
        model: Model whose choices are bound; see `BaseMutator`.
        architecture: Mask (in the form of `export`), code or candidate name of each choice, by
            any name of the choice; of an InputChoice also a list of the selected inputs' indices.
        strict: Whether keys that the model does not have are an error.

    Raises:
        InvalidOption: A key is missing or unknown, or its value fits no candidate.
    """

    def __init__(self, model: nn.Module, architecture: Mapping[str, Any], strict: bool = True):
        super().__init__(model)
        architecture = self.choice_names.internal(architecture)
        try:
            unknown = [key for key in architecture if key not in self.groups]
            if strict and unknown:
                raise InvalidOption(
                    f"architecture: the model has no choice {unknown[0]!r}; it has:"
                    f" {', '.join(self.groups)}"
                )

            self.fixed = {
                key: self._mask(mutables[0], architecture) for key, mutables in self.groups.items()
            }
        except BaseException:
            # The base class has bound the model; release it for the next attempt.
            self.unbind()
            raise

        self.reset()

    @staticmethod
    def _mask(mutable: Mutable, architecture: Mapping[str, Any]) -> Tensor:
        """Return a mutable's mask from its mask, code or candidate name in the architecture."""
        if mutable.choice.key not in architecture:
            raise InvalidOption(f"architecture: the choice {mutable.choice.key!r} is missing")

        value = architecture[mutable.choice.key]
        if isinstance(value, str):
            return mutable.mask_of(mutable.choice.code(value))

        # A bool is an int in Python, but never a code.
        if (
            isinstance(value, int)
            and not isinstance(value, bool)
            and 0 <= value < len(mutable.choice.candidates)
        ):
            return mutable.mask_of(value)

        # NNI's rule: integers are indices, except where they can only be a mask.
        if (
            isinstance(mutable, InputChoice)
            and isinstance(value, list | tuple)
            and all(type(item) is int for item in value)
            and len(value) != size(mutable)
        ):
            return mutable.mask_of(mutable.choice.code_of(value))

        # A value of any other type becomes an empty mask, which the check of the shape reports.
        mask = (
            torch.as_tensor(value) if isinstance(value, Tensor | list | tuple) else torch.empty(0)
        )
        if tuple(mask.shape) != (size(mutable),):
            raise InvalidOption(
                f"architecture: {mutable.choice.key!r} takes a mask of {size(mutable)}, a code or"
                f" a name, not {value!r}"
            )

        # JSON may hold 0 and 1 in place of false and true.
        return mask if mask.is_floating_point() else mask.bool()

    def sample_search(self) -> Masks:
        """Return the masks of the given architecture."""
        return self.fixed

    def sample_final(self) -> Masks:
        """Return the masks of the given architecture."""
        return self.fixed
