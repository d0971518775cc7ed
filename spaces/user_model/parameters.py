"""Parameters of the active network of a model, distributed over its modules."""

from __future__ import annotations

from collections.abc import Container, Iterator

from torch import nn

from spaces.modules.mutable import Mutable
from spaces.modules.sized import active_counts


class NetworkParameters:
    """Parameters of the active network, each counted once."""

    def __init__(self, model: nn.Module):
        # Of a layer with sizes only the active part.
        sizes = active_counts(model)
        self._open = {
            id(value): (path, sizes.get(id(value), value.numel()))
            for path, value in active_parameters(model)
        }

    def take(self, module: nn.Module) -> int:
        """Return the number of learned numbers of a module that no earlier module has."""
        return sum(self._open.pop(id(value), ("", 0))[1] for value in module.parameters())

    def remaining(self, executed: Container[str]) -> dict[str, int]:
        """Return the numbers not taken, by the path of the nearest executed module around them."""
        counts: dict[str, int] = {}
        for path, count in self._open.values():
            while path and path not in executed:
                path = path.rpartition(".")[0]
            counts[path] = counts.get(path, 0) + count
        return counts


def active_parameters(module: nn.Module, path: str = "") -> Iterator[tuple[str, nn.Parameter]]:
    """Yield the parameters of the active network with the path of the module that has each."""
    for _, value in module.named_parameters(recurse=False):
        yield path, value
    for name, submodule in module.named_children():
        yield from _parts(module, name, submodule, f"{path}.{name}" if path else name)


def _parts(
    module: nn.Module, name: str, submodule: nn.Module, path: str
) -> Iterator[tuple[str, nn.Parameter]]:
    if not isinstance(module, Mutable) or not isinstance(submodule, nn.ModuleList):
        yield from active_parameters(submodule, path)
        return
    # Not named_children(), which omits a candidate that occurs twice.
    for index, inner in submodule._modules.items():
        if inner is not None and module.decided() in module.codes_running(f"{name}.{index}"):
            yield from active_parameters(inner, f"{path}.{index}")
