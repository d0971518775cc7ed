"""The parameters of the network that a model's decisions pick, shared out among its modules."""

from __future__ import annotations

from collections.abc import Container, Iterator

from torch import nn

from spaces.modules.mutable import Mutable


class NetworkParameters:
    """The parameters of the network that is active, each counted once."""

    def __init__(self, model: nn.Module):
        self._open = {id(value): (path, value.numel()) for path, value in active_parameters(model)}

    def take(self, module: nn.Module) -> int:
        """How many learned numbers a module has that were not taken before."""
        return sum(self._open.pop(id(value), ("", 0))[1] for value in module.parameters())

    def left(self, executed: Container[str]) -> dict[str, int]:
        """What was not taken, by the path of the nearest executed module around it."""
        found: dict[str, int] = {}
        for path, count in self._open.values():
            while path and path not in executed:
                path = path.rpartition(".")[0]
            found[path] = found.get(path, 0) + count
        return found


def active_parameters(module: nn.Module, path: str = "") -> Iterator[tuple[str, nn.Parameter]]:
    """The parameters of the network that is active, with the path of the module that has each."""
    for _, value in module.named_parameters(recurse=False):
        yield path, value
    for name, part in module.named_children():
        yield from _parts(module, name, part, f"{path}.{name}" if path else name)


def _parts(
    module: nn.Module, name: str, part: nn.Module, path: str
) -> Iterator[tuple[str, nn.Parameter]]:
    if not isinstance(module, Mutable) or not isinstance(part, nn.ModuleList):
        yield from active_parameters(part, path)
        return
    for (
        index,
        inner,
    ) in part._modules.items():  # named_children() would leave out a candidate that is there twice
        if inner is not None and module.decided() in module.codes_running(f"{name}.{index}"):
            yield from active_parameters(inner, f"{path}.{index}")
