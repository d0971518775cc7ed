"""Follow tensors through a run of a model to the choices that they come from."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode

from spaces.modules.nested import tensors_in

Sources = frozenset[int]
"""Nodes that a tensor comes from without another node in between; 0 is the model's input."""

# Node 0 of a graph is the model's input.
INPUT: Sources = frozenset({0})


def renewed(value: Any) -> Any:
    """Return a value with a new tensor object, a view, for each of its tensors."""
    if isinstance(value, Tensor):
        return value.view_as(value)
    if isinstance(value, list):
        return [renewed(item) for item in value]
    if type(value) is tuple:
        return tuple(map(renewed, value))
    return {name: renewed(item) for name, item in value.items()} if type(value) is dict else value


class Flow(TorchFunctionMode):
    """Mark the results of every torch function with the sources of its arguments.

    A plain value that comes from a node, a ValueChoice, is assumed to enter the next result.
    """

    def __init__(self) -> None:
        super().__init__()
        # The tensors are kept alive, since the id of a deleted one may be that of another.
        self._marked: dict[int, tuple[Tensor, Sources]] = {}
        self._values: Sources = frozenset()

    def sources(self, tensors: Iterable[Tensor]) -> Sources:
        """Return the sources of some tensors together."""
        marked = (self._marked[id(tensor)][1] for tensor in tensors if id(tensor) in self._marked)
        return frozenset[int]().union(*marked)

    def mark(self, tensors: Iterable[Tensor], sources: Sources) -> None:
        """Mark tensors as coming from `sources` alone."""
        for tensor in tensors:
            self._marked[id(tensor)] = (tensor, sources)

    def mark_value(self, node: int) -> None:
        """Mark the next result as coming from a node that returned no tensor."""
        self._values |= {node}

    def bridge(self, inputs: Any, output: Any) -> None:
        """Mark a module's outputs of unknown origin, such as numpy's, with its inputs' sources."""
        unknown = [tensor for tensor in tensors_in(output) if not self.sources([tensor])]
        if unknown:
            self.mark(unknown, self.sources(tensors_in(inputs)))

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        results = list(tensors_in(result))
        if result is None and args and isinstance(args[0], Tensor):
            # An assignment such as x[0] = y writes to its first argument.
            results = [args[0]]

        if results:
            sources = self.sources(tensors_in((args, kwargs))) | self._values
            self._values = frozenset()
            self.mark(results, sources)

        return result
