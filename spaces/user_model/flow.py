"""Which choices a tensor comes from, followed through a run of a model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode

Sources = frozenset[int]
"""Nodes that a tensor comes from without another node between: 0 is the model's input."""

INPUT: Sources = frozenset({0})


def tensors_in(value: Any) -> Iterator[Tensor]:
    """The tensors of a value: itself, or those in its lists, tuples and mappings, in order."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for part in value:
            yield from tensors_in(part)
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from tensors_in(part)


def renewed(value: Any) -> Any:
    """The same value with a new tensor object, a view, for each of its tensors."""
    if isinstance(value, Tensor):
        return value.view_as(value)
    if isinstance(value, list):
        return [renewed(part) for part in value]
    if type(value) is tuple:
        return tuple(map(renewed, value))
    return {name: renewed(part) for name, part in value.items()} if type(value) is dict else value


class Flow(TorchFunctionMode):
    """Gives the results of every torch function the sources of its arguments.

    A plain value that comes from a node (a ValueChoice's) is taken to enter the next result.
    """

    def __init__(self) -> None:
        super().__init__()
        # The tensors are kept alive: a dead one's id would be another's.
        self._known: dict[int, tuple[Tensor, Sources]] = {}
        self._values: Sources = frozenset()

    def sources(self, tensors: Iterable[Tensor]) -> Sources:
        """The sources of some tensors together."""
        found = (self._known[id(tensor)][1] for tensor in tensors if id(tensor) in self._known)
        return frozenset[int]().union(*found)

    def mark(self, tensors: Iterable[Tensor], sources: Sources) -> None:
        """Let tensors come from `sources` alone."""
        for tensor in tensors:
            self._known[id(tensor)] = (tensor, sources)

    def mark_value(self, node: int) -> None:
        """Let the next result come from a node that gave no tensor."""
        self._values |= {node}

    def bridge(self, inputs: Any, output: Any) -> None:
        """Give a module's outputs of unknown origin, such as those that numpy made, the sources of
        its inputs.
        """
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
            results = [args[0]]  # written to, as by x[0] = y
        if results:
            sources = self.sources(tensors_in((args, kwargs))) | self._values
            self._values = frozenset()
            self.mark(results, sources)
        return result
