"""MutableScope: a module that mutators treat as a unit, such as a cell."""

from __future__ import annotations

from typing import Any

from torch import nn


class MutableScope(nn.Module):
    """A module whose choices belong together (as NNI's MutableScope); it is no choice.

    A bound mutator's `enter_mutable_scope` and `exit_mutable_scope` are called around its forward
    pass. Derive cells from it.

    Args:
        key: Name of the scope.

    Example:
        >>> class Cell(MutableScope):
        ...     def forward(self, x):
        ...         return x
        >>> Cell("cell_0")(1)
        1
    """

    def __init__(self, key: str):
        super().__init__()
        self.key = key
        self.__dict__["_mutator"] = None

    @property
    def mutator(self) -> Any:
        """Bound mutator; None without one."""
        return self.__dict__["_mutator"]

    def bind(self, mutator: Any) -> None:
        """Call a mutator around the forward passes; copies of the module are not bound.

        Args:
            mutator: Object with the two methods. None: unbind.
        """
        # Not setattr: a mutator that is a module itself would become a part of the model.
        self.__dict__["_mutator"] = mutator

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_mutator": None}

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        mutator = self.mutator
        if mutator is None:
            return super().__call__(*inputs, **options)

        mutator.enter_mutable_scope(self)
        try:
            return super().__call__(*inputs, **options)
        finally:
            mutator.exit_mutable_scope(self)
