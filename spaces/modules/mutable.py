"""Mutable: a module with an open decision, and the names of a model's choices.

Names. A choice has up to three names, and mutators, trainers and fixed architectures accept each:

- the key that its constructor was given;
- without one, NNI's automatic key: the class and a number, such as `LayerChoice3`;
- without one, the path of the module in the model, such as `features.2`, once the model is bound
  (`assign_keys`).

Key. `Mutable.key` exists from construction on and does not change once it was read. It is the
given key; without one it is the automatic key if it is read before the model is bound, as NNI's
SPOS network does in its constructor to note the FLOPs of a block, and the path if it is first read
later. Spaces and saved runs always use `choice.key`: the given key, or the path.

Two models. The number counts the mutables without a key in the order of their construction, within
the outermost module whose constructor runs. So all models of a class have the same automatic keys,
whatever else a process builds. Outside of every constructor the process counts.

Copies. A deep copy of a model has the keys of the model. Copies of a mutable within a model, such
as the blocks of a Repeat, decide independently: the first one has the automatic key, and the others
are named by their paths.

Nested choices. An inner mutable is constructed before the mutable around it and so has the smaller
number, as in NNI; its path begins with that of the outer one.
"""

from __future__ import annotations

import itertools
import sys
from abc import ABC, abstractmethod
from dataclasses import replace
from types import FrameType
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from spaces.choice import Choice
from spaces.errors import InvalidArchitecture, InvalidParameter, NoActiveCandidate
from spaces.modules.reduction import is_reduction

# Numbers of mutables that no module's constructor makes, and the order of construction of all.
_NUMBERS = itertools.count(1)

# Counts all mutables of the process, so that later ones sort after earlier ones.
_ORDER = itertools.count()


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

    returns_plain_value: ClassVar[bool] = False
    """Whether a call returns a value for the model's own code rather than computed tensors."""

    # Defaults for modules that were pickled before these attributes existed. All are private: the
    # digest of a user's model contains public attributes, and equal models have equal digests.
    _automatic_key = ""
    _construction_order = 0
    _key_is_automatic = False

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

        # The order is separate from the number, which restarts in each model.
        self._construction_order = next(_ORDER)
        if not self.keyed:
            self._automatic_key = f"{type(self).__name__}{_next_number(self)}"

    def _finish(self) -> None:
        """Declare that the constructor is done: attributes that are set later are the user's."""
        self._constructed = frozenset([*vars(self), *self._modules])

    @property
    def key(self) -> str:
        """Key of the choice, which never changes once it was read; see the module's docstring."""
        # Whoever reads the key before the model is bound may have stored it.
        if not self.choice.key:
            self._key_is_automatic = True
        return self.automatic_key if self._key_is_automatic else self.choice.key

    @property
    def automatic_key(self) -> str:
        """NNI's automatic key, class and number; empty where the constructor was given a key."""
        return self._automatic_key

    @property
    def construction_order(self) -> int:
        """Position of the module among all mutables of the process, by construction."""
        return self._construction_order

    @property
    def label(self) -> str:
        """NNI's name of the key since version 2."""
        return self.key

    @property
    def description(self) -> str:
        """Key, or a description of a module without one, for error messages."""
        # Not `key`, which is settled by reading it.
        return self.choice.key or f"a {type(self).__name__} without a key"

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
                f"{self.description}: code {code} is out of range; there are {count} candidates"
            )

        self._active = code

    def deactivate(self) -> None:
        """Revoke the decision."""
        self._active = None

    def decided(self) -> int:
        """Return the code of the active candidate; raises NoActiveCandidate if there is none."""
        if self._active is None:
            raise NoActiveCandidate(
                f"{self.description}: no candidate is active; call activate() first"
            )
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
        """Return the fixed module that computes the same as this one with `code`.

        It shares the submodules instead of copying them.
        """

    def extra_repr(self) -> str:
        # Not `key`, which is settled by reading it.
        name = self.automatic_key if self._key_is_automatic else self.choice.key
        return f"key={name!r}"


def joined_key(kind: str, key: str | None, label: str | None) -> str:
    """Return the key that a constructor was given, or "" for none.

    Args:
        kind: Description of the module, for messages.
        key: Argument of this name; None for none.
        label: NNI's name of the argument since version 2.

    Raises:
        InvalidParameter: Both are given, or the key is the name of a reduction.
    """
    if key is not None and label is not None:
        raise InvalidParameter(f"{kind}: give key or label, which is the same, not both")

    name = label if key is None else key
    if name is None:
        return ""
    # LayerChoice once took the key as its second argument, where NNI has the reduction.
    if is_reduction(name):
        raise InvalidParameter(
            f"{kind}: the key {name!r} is the name of a reduction; write reduction={name!r}, or"
            " another key"
        )

    return name


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

        other = first_with_key.setdefault(mutable.choice.key, mutable)
        if other is mutable:
            continue

        # A path as a key is unique to its module.
        if other.keyed != mutable.keyed:
            raise InvalidParameter(
                f"the key {mutable.choice.key!r} is given to one mutable and the path of another"
            )
        if type(other) is not type(mutable) or other.choice != mutable.choice:
            raise InvalidParameter(
                f"the key {mutable.choice.key!r} is given to mutables with different candidates"
            )

    _settle_automatic_keys([mutable for _, mutable in mutables], set(first_with_key))
    return [mutable for _, mutable in mutables]


def _settle_automatic_keys(mutables: list[Mutable], names: set[str]) -> None:
    """Leave an automatic key to the first mutable that has it; others are named by their paths."""
    for mutable in mutables:
        if mutable._key_is_automatic:
            mutable._key_is_automatic = mutable.automatic_key not in names
            names.add(mutable.automatic_key)


def _next_number(mutable: Mutable) -> int:
    model = _model_under_construction(mutable)
    if model is None:
        return next(_NUMBERS)

    # In its dictionary, since nn.Module.__init__ may not have run yet.
    number: int = model.__dict__.get("_num_automatic_keys", 0) + 1
    model.__dict__["_num_automatic_keys"] = number
    return number


def _model_under_construction(mutable: Mutable) -> nn.Module | None:
    """Return the outermost module, other than `mutable`, whose constructor runs."""
    outermost = None

    # Only the stack knows: a model is complete, and registers its parts, after they are built.
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        if code.co_name == "__init__" and code.co_argcount:
            instance = frame.f_locals.get(code.co_varnames[0])
            if isinstance(instance, nn.Module) and instance is not mutable:
                outermost = instance
        frame = frame.f_back

    return outermost
