"""Mutable: a module whose decision is open, and the keys that a model's mutables get from their
paths.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from spaces.choice import Choice
from spaces.errors import InvalidArchitecture, InvalidParameter, NoActiveCandidate


class Mutable(nn.Module, ABC):
    """A module with an open decision (NNI's name and meaning).

    `activate` decides; or a mutator is bound, whose method `takeover` is then asked in every
    forward pass.

    Args:
        choice: the decision; its key is empty where the module's path shall give it.
        return_mask: whether `forward` returns (output, mask) instead of the output.
    """

    takeover: ClassVar[str]
    """The mutator's method `(mutable, *inputs, **options) -> (output, mask)` that computes the
    forward pass.
    """

    def __init__(self, choice: Choice, return_mask: bool = False):
        super().__init__()
        self.choice = choice
        self.return_mask = return_mask
        self.keyed = bool(choice.key)
        self._active: int | None = None
        self.__dict__["_mutator"] = None

    @property
    def key(self) -> str:
        """The choice's key; empty until `assign_keys` where none was given."""
        return self.choice.key

    @property
    def label(self) -> str:
        """The key, or what to call a module that has none yet."""
        return self.key or f"a {type(self).__name__} without a key"

    @property
    def active(self) -> int | None:
        """Code of the candidate that is decided; None before one is."""
        return self._active

    @property
    def mutator(self) -> Any:
        """What is bound; None where `activate` decides."""
        return self.__dict__["_mutator"]

    def bind(self, mutator: Any) -> None:
        """Let a mutator compute the forward pass (None: `activate` decides again); copies are not
        bound.

        A mutator that lacks the method `takeover` leaves this module to `activate`.
        """
        # Not setattr: a mutator that is a module itself would become a part of the model.
        self.__dict__["_mutator"] = mutator

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_mutator": None}

    def activate(self, candidate: int | str) -> None:
        """Decide for a candidate, by code or by name; raises InvalidArchitecture where there is
        none such.
        """
        code = self.choice.code(candidate) if isinstance(candidate, str) else int(candidate)
        count = len(self.choice.candidates)
        if not 0 <= code < count:
            raise InvalidArchitecture(
                f"{self.label}: code {code} is out of range; there are {count} candidates"
            )
        self._active = code

    def deactivate(self) -> None:
        """Take the decision back."""
        self._active = None

    def decided(self) -> int:
        """Code of the active candidate; raises NoActiveCandidate where there is none."""
        if self._active is None:
            raise NoActiveCandidate(f"{self.label}: no candidate is active; call activate() first")
        return self._active

    def forward(self, *inputs: Any, **options: Any) -> Any:
        takeover = getattr(self.__dict__["_mutator"], self.takeover, None)
        if takeover is not None:
            output, mask = takeover(self, *inputs, **options)
        else:
            output, mask = self._run(self.decided(), *inputs, **options), None
        if not self.return_mask:
            return output
        return output, self.mask_of(self.decided()) if mask is None else mask

    @abstractmethod
    def _run(self, code: int, *inputs: Any, **options: Any) -> Any:
        """The output when the candidate with this code is taken."""

    def mask_of(self, code: int) -> Tensor:
        """The candidate with this code as a mask, bool [candidates]."""
        return torch.arange(len(self.choice.candidates)) == code

    def codes_running(self, path: str) -> frozenset[int]:
        """The codes with which the part at `path` below this module belongs to the network."""
        return frozenset(range(len(self.choice.candidates)))

    @abstractmethod
    def frozen(self, code: int) -> nn.Module:
        """The module that does for good what this one does with `code`; parts are shared, not
        copied.
        """

    def extra_repr(self) -> str:
        return f"key={self.key!r}"


def assign_keys(model: nn.Module) -> list[Mutable]:
    """Give every mutable of a model that has no key of its own its path as the key; returns all, in
    module order.

    Raises:
        InvalidParameter: equal keys with different candidates, or a given key that is another
            mutable's path.
    """
    found: dict[str, Mutable] = {}
    mutables = [
        (path, module) for path, module in model.named_modules() if isinstance(module, Mutable)
    ]
    for path, mutable in mutables:
        if not mutable.keyed:
            mutable.choice = replace(mutable.choice, key=path or "model")
        other = found.setdefault(mutable.key, mutable)
        if other is mutable:
            continue
        if other.keyed != mutable.keyed:
            raise InvalidParameter(
                f"the key {mutable.key!r} is given to one mutable and the path of another"
            )
        if type(other) is not type(mutable) or other.choice != mutable.choice:
            raise InvalidParameter(
                f"the key {mutable.key!r} is given to mutables with different candidates"
            )
    return [mutable for _, mutable in mutables]
