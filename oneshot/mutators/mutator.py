"""Mutators: what decides the choices of a model, under the names that NNI gave them."""

from __future__ import annotations

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
from spaces.modules.repeat import Repeat
from spaces.modules.value_choice import ValueChoice

Masks = dict[str, Tensor]
"""Key -> mask [candidates] (of an InputChoice [inputs]): bool selects, float weights."""


class Mutator(BaseMutator):
    """Decides all choices at once: `sample_search` while weights are trained, `sample_final` for
    what is exported.

    A decision of `reset` holds until the next one. Mutables with equal keys are decided once. Ten
    lines make a mutator: see docs/guides/algorithms.md.

    Args:
        model: as of `BaseMutator`.
    """

    def __init__(self, model: nn.Module):
        super().__init__(model)
        self.masks: Masks = {}

    def sample_search(self) -> Masks:
        """Masks for all keys: what the model shall run next."""
        raise NotImplementedError(f"{type(self).__name__} has no sample_search")

    def sample_final(self) -> Masks:
        """Masks for all keys: the architecture that is left in the end."""
        raise NotImplementedError(f"{type(self).__name__} has no sample_final")

    def reset(self) -> None:
        """Decide anew; the model runs the decision until the next `reset`."""
        self.take(self.sample_search())

    def take(self, masks: Masks) -> None:
        """Let the model run these masks.

        Raises:
            InvalidOption: a key is missing, or a mask has another shape.
        """
        for key, (mutable, *_) in self.groups.items():
            if key not in masks:
                raise InvalidOption(f"{type(self).__name__}: the sample has no mask for {key!r}")
            if tuple(masks[key].shape) != (size(mutable),):
                shape = list(masks[key].shape)
                raise InvalidOption(
                    f"{type(self).__name__}: the mask of {key!r} has the shape [{size(mutable)}],"
                    f" not {shape}"
                )
        self.masks = masks

    def export(self) -> dict[str, list[bool] | list[float]]:
        """The final architecture for `json.dump`, as NNI writes it: key -> mask."""
        with torch.no_grad():
            return {key: mask.tolist() for key, mask in self.sample_final().items()}

    def codes(self) -> dict[str, int]:
        """The final architecture: key -> code of its candidate.

        Raises:
            InvalidOption: a mask weights several candidates.
        """
        with torch.no_grad():
            final = self.sample_final()
        return {key: code_of(found[0], final[key]) for key, found in self.groups.items()}

    def decided(self) -> dict[str, str]:
        """The final architecture: key -> name of its candidate."""
        return {
            key: self.groups[key][0].choice.candidates[code] for key, code in self.codes().items()
        }

    def mask(self, mutable: Mutable) -> Tensor:
        """The present mask of a mutable; raises NoActiveCandidate before the first `reset`."""
        try:
            return self.masks[mutable.key]
        except KeyError:
            raise NoActiveCandidate(
                f"{mutable.label}: nothing is decided yet; call the mutator's reset() first"
            ) from None

    def on_forward_layer_choice(
        self, mutable: LayerChoice, *inputs: Any, **options: Any
    ) -> tuple[Any, Tensor]:
        """The candidates that the mask takes, reduced; the others are not run."""
        mask = self.mask(mutable)
        return mutable.masked(mask, *inputs, **options), mask

    def on_forward_input_choice(
        self, mutable: InputChoice, tensors: Sequence[Tensor]
    ) -> tuple[Any, Tensor]:
        """The inputs that the mask takes, reduced."""
        mask = self.mask(mutable)
        return mutable.masked(mask, tensors), mask

    def on_forward_value_choice(self, mutable: ValueChoice) -> tuple[Any, Tensor]:
        """The value that the mask takes; with weights the mean of numbers."""
        mask = self.mask(mutable)
        if mask.dtype == torch.bool:
            return mutable.choice.values[code_of(mutable, mask)], mask
        try:
            return (mask * mask.new_tensor(mutable.choice.values)).sum(), mask
        except (TypeError, ValueError) as error:
            raise InvalidOption(f"{mutable.label}: weights need values that are numbers") from error

    def on_forward_repeat(self, mutable: Repeat, x: Any) -> tuple[Any, Tensor]:
        """The output behind as many blocks as the mask takes; with weights the weighted sum over
        depths.
        """
        mask = self.mask(mutable)
        depths = list(mutable.choice.values)
        if mask.dtype == torch.bool:
            return mutable.run(depths[code_of(mutable, mask)], x), mask
        x = mutable.run(depths[0], x)
        total = mask[0] * x
        for index in range(1, len(depths)):
            x = mutable.blocks[depths[index - 1]](x)
            total = total + mask[index] * x
        return total, mask


class RandomMutator(Mutator):
    """Decides uniformly.

    Args:
        model: as of `BaseMutator`.
        seed: of its own generator, which `state_dict` keeps.
    """

    def __init__(self, model: nn.Module, seed: int = 0):
        super().__init__(model)
        self.generator = torch.Generator().manual_seed(seed)

    def sample_search(self) -> Masks:
        """A uniform candidate for each key."""
        masks = {}
        for key, (mutable, *_) in self.groups.items():
            code = int(torch.randint(len(mutable.choice.candidates), (), generator=self.generator))
            masks[key] = mutable.mask_of(code)
        return masks

    def sample_final(self) -> Masks:
        """As `sample_search`."""
        return self.sample_search()

    def get_extra_state(self) -> dict[str, Tensor]:
        """The generator's state."""
        return {"generator": self.generator.get_state()}

    def set_extra_state(self, state: Any) -> None:
        """Take the generator's state over."""
        self.generator.set_state(state["generator"])


class FixedArchitecture(Mutator):
    """Runs one architecture; bound and decided from the beginning.

    Args:
        model: as of `BaseMutator`.
        architecture: key -> mask (as `export` gives it), code, or name of the candidate.
        strict: whether keys that the model does not have are refused.

    Raises:
        InvalidOption: a key is missing or unknown, or its value fits no candidate.
    """

    def __init__(self, model: nn.Module, architecture: Mapping[str, Any], strict: bool = True):
        super().__init__(model)
        try:
            unknown = [key for key in architecture if key not in self.groups]
            if strict and unknown:
                raise InvalidOption(
                    f"architecture: the model has no choice {unknown[0]!r}; it has:"
                    f" {', '.join(self.groups)}"
                )
            self.fixed = {
                key: self._mask(found[0], architecture) for key, found in self.groups.items()
            }
        except BaseException:
            self.unbind()
            raise
        self.reset()

    @staticmethod
    def _mask(mutable: Mutable, architecture: Mapping[str, Any]) -> Tensor:
        if mutable.key not in architecture:
            raise InvalidOption(f"architecture: the choice {mutable.key!r} is missing")
        given = architecture[mutable.key]
        if isinstance(given, str):
            return mutable.mask_of(mutable.choice.code(given))
        if (
            isinstance(given, int)
            and not isinstance(given, bool)
            and 0 <= given < len(mutable.choice.candidates)
        ):
            return mutable.mask_of(given)
        mask = (
            torch.as_tensor(given) if isinstance(given, Tensor | list | tuple) else torch.empty(0)
        )
        if tuple(mask.shape) != (size(mutable),):
            raise InvalidOption(
                f"architecture: {mutable.key!r} takes a mask of {size(mutable)}, a code or a name,"
                f" not {given!r}"
            )
        return mask if mask.is_floating_point() else mask.bool()

    def sample_search(self) -> Masks:
        """The architecture."""
        return self.fixed

    def sample_final(self) -> Masks:
        """The architecture."""
        return self.fixed
