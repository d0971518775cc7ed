"""Mutable: a module with an open decision, and the keys of a model's mutables."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from spaces.choice import Choice
from spaces.errors import InvalidArchitecture, InvalidParameter, NoActiveCandidate


class Mutable(nn.Module, ABC):
    """A module with an open decision (as NNI's Mutable).

    Either `activate` decides, or a mutator is bound whose method `takeover` computes the forward
    passes.

    Args:
        choice: The decision; with an empty key the module's path becomes the key.
        return_mask: Whether `forward` returns (output, mask) instead of the output.

    Raises:
        InvalidParameter: The key is no text.
    """

    takeover: ClassVar[str]
    """Name of the mutator's method `(mutable, *inputs, **options) -> (output, mask)`."""

    def __init__(self, choice: Choice, return_mask: bool = False):
        super().__init__()
        if not isinstance(choice.key, str):
            raise InvalidParameter(
                f"the key of a {type(self).__name__} is text, not {choice.key!r}"
            )
        self.choice = choice
        self.return_mask = return_mask
        self.keyed = bool(choice.key)
        self._active: int | None = None
        self._constructed: frozenset[str] | None = None
        self.__dict__["_mutator"] = None

    def _finish(self) -> None:
        """Declare that the constructor is done: attributes that are set later are the user's."""
        self._constructed = frozenset([*vars(self), *self._modules])

    @property
    def key(self) -> str:
        """Key of the choice; empty before `assign_keys` if none was given."""
        return self.choice.key

    @property
    def label(self) -> str:
        """Key, or a description of a module without one, for error messages."""
        return self.key or f"a {type(self).__name__} without a key"

    @property
    def active(self) -> int | None:
        """Code of the active candidate; None before a decision."""
        return self._active

    @property
    def mutator(self) -> Any:
        """Bound mutator; None if `activate` decides."""
        return self.__dict__["_mutator"]

    def bind(self, mutator: Any) -> None:
        """Let a mutator compute the forward passes; copies of the module are not bound.

        Args:
            mutator: Object with the method `takeover`; without it `activate` decides. None: unbind.
        """
        # Not setattr: a mutator that is a module itself would become a part of the model.
        self.__dict__["_mutator"] = mutator

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_mutator": None}

    def activate(self, candidate: int | str) -> None:
        """Decide for a candidate.

        Args:
            candidate: Code or name of the candidate.

        Raises:
            InvalidArchitecture: There is no such candidate.
        """
        code = self.choice.code(candidate) if isinstance(candidate, str) else int(candidate)
        # Codes may come from files and users.
        count = len(self.choice.candidates)
        if not 0 <= code < count:
            raise InvalidArchitecture(
                f"{self.label}: code {code} is out of range; there are {count} candidates"
            )

        self._active = code

    def deactivate(self) -> None:
        """Revoke the decision."""
        self._active = None

    def decided(self) -> int:
        """Return the code of the active candidate; raises NoActiveCandidate if there is none."""
        if self._active is None:
            raise NoActiveCandidate(f"{self.label}: no candidate is active; call activate() first")
        return self._active

    def forward(self, *inputs: Any, **options: Any) -> Any:
        # A mutator need not handle every kind of mutable.
        takeover = getattr(self.__dict__["_mutator"], self.takeover, None)
        if takeover is not None:
            output, mask = takeover(self, *inputs, **options)
        else:
            output = self._run(self.decided(), *inputs, **options)
            mask = None

        if not self.return_mask:
            return output

        return output, self.mask_of(self.decided()) if mask is None else mask

    @abstractmethod
    def _run(self, code: int, *inputs: Any, **options: Any) -> Any:
        """Compute the output of the candidate with this code."""

    def mask_of(self, code: int) -> Tensor:
        """Return the candidate with this code as a mask, bool [candidates]."""
        return torch.arange(len(self.choice.candidates)) == code

    def codes_running(self, path: str) -> frozenset[int]:
        """Return the codes whose network contains the submodule at `path`, relative to this one."""
        return frozenset(range(len(self.choice.candidates)))

    def added_attributes(self) -> dict[str, Any]:
        """Return the attributes that a model's code has set on this module, by name.

        These are plain values, such as the `f` and `i` of YOLO's parsers, and also weights, buffers
        and submodules.
        """
        if self._constructed is None:
            return {}

        attributes = {**vars(self), **self._parameters, **self._buffers, **self._modules}
        return {
            name: value
            for name, value in attributes.items()
            # What the class defines too is a cached property.
            if name not in self._constructed and not hasattr(type(self), name)
        }

    @abstractmethod
    def frozen(self, code: int) -> nn.Module:
        """Return the fixed module that computes what this one does with `code`.

        It shares the submodules instead of copying them.
        """

    def extra_repr(self) -> str:
        return f"key={self.key!r}"


def assign_keys(model: nn.Module) -> list[Mutable]:
    """Give each mutable of a model without a key its path as the key.

    Returns:
        All mutables, in module order.

    Raises:
        InvalidParameter: Equal keys have different candidates, or a given key is another mutable's
            path.
    """
    first_with_key: dict[str, Mutable] = {}
    mutables = [
        (path, module) for path, module in model.named_modules() if isinstance(module, Mutable)
    ]
    for path, mutable in mutables:
        if not mutable.keyed:
            mutable.choice = replace(mutable.choice, key=path or "model")

        other = first_with_key.setdefault(mutable.key, mutable)
        if other is mutable:
            continue
        # A path as a key is unique to its module.
        if other.keyed != mutable.keyed:
            raise InvalidParameter(
                f"the key {mutable.key!r} is given to one mutable and the path of another"
            )
        if type(other) is not type(mutable) or other.choice != mutable.choice:
            raise InvalidParameter(
                f"the key {mutable.key!r} is given to mutables with different candidates"
            )

    return [mutable for _, mutable in mutables]
