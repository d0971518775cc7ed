"""What binds a mutator to the choices of a model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

import torch
from torch import Tensor, nn

from oneshot.errors import InvalidOption
from spaces.modules.choices import LayerChoice
from spaces.modules.input_choice import InputChoice
from spaces.modules.mutable import Mutable, assign_keys
from spaces.user_model.supernet import ModelSupernet


def size(mutable: Mutable) -> int:
    """Length of a mutable's mask: its candidates, or the inputs of an InputChoice."""
    return (
        mutable.n_candidates if isinstance(mutable, InputChoice) else len(mutable.choice.candidates)
    )


def code_of(mutable: Mutable, mask: Tensor) -> int:
    """The code that a mask takes; raises InvalidOption where it takes none that is allowed, or
    weights several.
    """
    taken = mask.detach().ne(0).nonzero().flatten().tolist()
    if isinstance(mutable, InputChoice):
        return mutable.choice.code_of(taken)
    if len(taken) != 1:
        raise InvalidOption(
            f"{mutable.label}: the mask takes {len(taken)} candidates; an architecture takes one"
        )
    return int(taken[0])


class BaseMutator(nn.Module):
    """Computes the forward pass of a model's choices in their place.

    Args:
        model: has LayerChoice, InputChoice, ValueChoice or Repeat inside; also behind
            DistributedDataParallel or torch.compile. The mutator is bound to it, and to no other.

    Raises:
        InvalidOption: the model has no choices, or another mutator is bound to it.
    """

    def __init__(self, model: nn.Module):
        super().__init__()
        # Not a submodule: the model's weights are not the mutator's.
        self.__dict__["model"] = model
        self.groups: dict[str, list[Mutable]] = {}
        for mutable in assign_keys(bare(model)):
            self.groups.setdefault(mutable.key, []).append(mutable)
        if not self.groups:
            raise InvalidOption(
                f"model: {type(model).__name__} has no LayerChoice, InputChoice, ValueChoice or"
                " Repeat"
            )
        for mutable in self._all:
            if mutable.mutator is not None and mutable.mutator is not self:
                other = type(mutable.mutator).__name__
                raise InvalidOption(
                    f"model: a mutator, {other}, is bound to {mutable.label} already; unbind() it"
                    " first"
                )
        self.bind()

    @property
    def mutables(self) -> list[Mutable]:
        """One mutable for each key, in module order; `groups` has all of a key."""
        return [found[0] for found in self.groups.values()]

    @property
    def _all(self) -> Iterator[Mutable]:
        return (mutable for found in self.groups.values() for mutable in found)

    def bind(self) -> None:
        """Compute the forward pass of the model's choices, as from the beginning."""
        for mutable in self._all:
            mutable.bind(self)

    def unbind(self) -> None:
        """Leave the model to other mutators, or to `activate`."""
        for mutable in self._all:
            mutable.bind(None)

    def __getstate__(self) -> dict[str, Any]:
        # Generators as bytes: their states' tensors would be gone before another process has opened
        # them.
        return {
            name: _GeneratorState(value) if isinstance(value, torch.Generator) else value
            for name, value in self.__dict__.items()
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        # Copies of mutables are not bound: a copy of both is bound again.
        for name, value in state.items():
            self.__dict__[name] = value.generator() if isinstance(value, _GeneratorState) else value
        self.bind()

    def forward(self, *inputs: Any) -> NoReturn:
        """Not defined: the model is called, not its mutator."""
        raise NotImplementedError("a mutator is not called; call its model")

    def on_forward_layer_choice(
        self, mutable: LayerChoice, *inputs: Any, **options: Any
    ) -> tuple[Any, Tensor]:
        """The output of a LayerChoice, and its mask [candidates]."""
        raise NotImplementedError(f"{type(self).__name__} has no on_forward_layer_choice")

    def on_forward_input_choice(
        self, mutable: InputChoice, tensors: Sequence[Tensor]
    ) -> tuple[Any, Tensor]:
        """The output of an InputChoice, and its mask [inputs]."""
        raise NotImplementedError(f"{type(self).__name__} has no on_forward_input_choice")


class _GeneratorState:
    """A generator on its way to a copy."""

    def __init__(self, generator: torch.Generator):
        self.state = generator.get_state().numpy().tobytes()

    def generator(self) -> torch.Generator:
        """A generator that goes on where the other one was."""
        found = torch.Generator()
        found.set_state(torch.frombuffer(bytearray(self.state), dtype=torch.uint8))
        return found


def bare(model: nn.Module) -> nn.Module:
    """The user's own module behind a supernet, DistributedDataParallel or torch.compile."""
    while True:
        if isinstance(model, ModelSupernet):
            model = model.model
        elif isinstance(getattr(model, "_orig_mod", None), nn.Module):
            model = model._orig_mod  # type: ignore[assignment]
        elif isinstance(model, nn.parallel.DistributedDataParallel | nn.DataParallel):
            model = model.module
        else:
            return model
