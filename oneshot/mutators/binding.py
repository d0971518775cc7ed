"""Bind a mutator to the choices of a model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

import torch
from torch import Tensor, nn

from oneshot.errors import InvalidOption
from oneshot.mutators.names import ByName, ChoiceNames
from spaces.modules.choices import LayerChoice
from spaces.modules.input_choice import InputChoice
from spaces.modules.mutable import Mutable, assign_keys
from spaces.modules.scope import MutableScope
from spaces.user_model.supernet import ModelSupernet


def size(mutable: Mutable) -> int:
    """Return the length of a mutable's mask: its candidates, or the inputs of an InputChoice."""
    return (
        mutable.n_candidates if isinstance(mutable, InputChoice) else len(mutable.choice.candidates)
    )


def code_of(mutable: Mutable, mask: Tensor) -> int:
    """Return the code that a mask selects.

    Args:
        mutable: Mutable of the mask.
        mask: Mask [candidates], of an InputChoice [inputs]; entries other than 0 are selected.

    Raises:
        InvalidOption: The mask selects no allowed candidate, or more than one.
    """
    selected = mask.detach().ne(0).nonzero().flatten().tolist()

    # One code of an InputChoice stands for a set of inputs.
    if isinstance(mutable, InputChoice):
        return mutable.choice.code_of(selected)
    if len(selected) != 1:
        raise InvalidOption(
            f"{mutable.description}: the mask takes {len(selected)} candidates; an architecture"
            " takes one"
        )

    return int(selected[0])


class BaseMutator(nn.Module):
    """Computes the forward pass of a model's choices.

    Args:
        model: Model with LayerChoice, InputChoice, ValueChoice or Repeat modules, also wrapped
            by DistributedDataParallel or torch.compile. A mutator is bound to one model.

    Raises:
        InvalidOption: The model has no choices, or another mutator is bound to it.
    """

    needs_mutables = True
    """Whether the model must have a mutable."""

    def __init__(self, model: nn.Module):
        super().__init__()

        # Bypass nn.Module's registration: the model's weights are not the mutator's parameters.
        self.__dict__["model"] = model

        # Mutables with equal keys form a group, which is decided as one choice.
        groups: dict[str, list[Mutable]] = {}
        for mutable in assign_keys(bare(model)):
            groups.setdefault(mutable.choice.key, []).append(mutable)
        if self.needs_mutables and not groups:
            raise InvalidOption(
                f"model: {type(model).__name__} has no LayerChoice, InputChoice, ValueChoice or"
                " Repeat"
            )

        self.choice_names = ChoiceNames(groups)
        self.groups = ByName(groups, self.choice_names.aliases)
        self._scopes = [
            module for module in bare(model).modules() if isinstance(module, MutableScope)
        ]

        # Check all mutables before the first one is bound, so that an error changes nothing.
        for mutable in self._all:
            if mutable.mutator is not None and mutable.mutator is not self:
                other = type(mutable.mutator).__name__
                raise InvalidOption(
                    f"model: a mutator, {other}, is bound to {mutable.description} already;"
                    " unbind() it first"
                )

        self.bind()

    @property
    def mutables(self) -> list[Mutable | MutableScope]:
        """Scopes, and the first mutable of each key, in module order."""
        first = {id(mutable) for mutable in self.deciding}
        return [
            module
            for module in self.undedup_mutables
            if isinstance(module, MutableScope) or id(module) in first
        ]

    @property
    def undedup_mutables(self) -> list[Mutable | MutableScope]:
        """Scopes and all mutables, in module order."""
        modules = bare(self.__dict__["model"]).modules()
        return [module for module in modules if isinstance(module, Mutable | MutableScope)]

    @property
    def deciding(self) -> list[Mutable]:
        """First mutable of each key, in module order; `groups` has all mutables of a key."""
        return [mutables[0] for mutables in self.groups.values()]

    @property
    def _all(self) -> Iterator[Mutable]:
        return (mutable for mutables in self.groups.values() for mutable in mutables)

    @property
    def _bound(self) -> list[Mutable | MutableScope]:
        return [*self._all, *self._scopes]

    def bind(self) -> None:
        """Take over the forward pass of the model's choices, as the constructor does."""
        for module in self._bound:
            module.bind(self)

    def unbind(self) -> None:
        """Release the model's choices for other mutators or for `activate`."""
        for module in self._bound:
            module.bind(None)

    def __getstate__(self) -> dict[str, Any]:
        # Generators travel as bytes: the shared memory of a state tensor could be released before
        # the receiving process opens it.
        return {
            name: _GeneratorState(value) if isinstance(value, torch.Generator) else value
            for name, value in self.__dict__.items()
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            self.__dict__[name] = value.generator() if isinstance(value, _GeneratorState) else value

        # Copied mutables are unbound: a copy of the model and its mutator is bound again.
        self.bind()

    def forward(self, *inputs: Any) -> NoReturn:
        """Raise NotImplementedError: call the model rather than its mutator."""
        raise NotImplementedError("a mutator is not called; call its model")

    def enter_mutable_scope(self, mutable_scope: MutableScope) -> None:
        """Prepare the forward pass of a scope; does nothing unless overridden."""

    def exit_mutable_scope(self, mutable_scope: MutableScope) -> None:
        """Complete the forward pass of a scope; does nothing unless overridden."""

    def on_forward_layer_choice(
        self, mutable: LayerChoice, *inputs: Any, **options: Any
    ) -> tuple[Any, Tensor]:
        """Return the output of a LayerChoice and its mask [candidates]."""
        raise NotImplementedError(f"{type(self).__name__} has no on_forward_layer_choice")

    def on_forward_input_choice(
        self, mutable: InputChoice, tensors: Sequence[Tensor]
    ) -> tuple[Any, Tensor]:
        """Return the output of an InputChoice and its mask [inputs]."""
        raise NotImplementedError(f"{type(self).__name__} has no on_forward_input_choice")


class _GeneratorState:
    """State of a generator in a form that can be copied and pickled."""

    def __init__(self, generator: torch.Generator):
        self.state = generator.get_state().numpy().tobytes()

    def generator(self) -> torch.Generator:
        """Return a new generator that resumes from the state."""
        generator = torch.Generator()

        # `frombuffer` needs a writable buffer, which bytes are not.
        generator.set_state(torch.frombuffer(bytearray(self.state), dtype=torch.uint8))
        return generator


def bare(model: nn.Module) -> nn.Module:
    """Return the user's module inside a supernet, DistributedDataParallel or torch.compile."""

    # Wrappers may be nested in any order, so unwrap until none is left.
    while True:
        if isinstance(model, ModelSupernet):
            model = model.model
        # `torch.compile` keeps the original module as `_orig_mod`.
        elif isinstance(getattr(model, "_orig_mod", None), nn.Module):
            model = model._orig_mod  # type: ignore[assignment]
        elif isinstance(model, nn.parallel.DistributedDataParallel | nn.DataParallel):
            model = model.module
        else:
            return model
